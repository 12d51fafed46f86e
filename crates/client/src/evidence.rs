//! Files that one person takes home: a balance at a strike, an order in a closed book.

use domain::name::Name;

use crate::{Client, ClientError, transfer::accepted};

impl Client {
    /// A balance at a strike, as the JSON that `domain::proof::BalanceEvidence` reads: the bearer's, or with `owner` anybody's for the
    /// operator.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the server's refusal, or a failure of the connection.
    pub async fn balance_evidence(
        &self,
        fund: &Name,
        number: u64,
        owner: Option<&Name>,
    ) -> Result<Vec<u8>, ClientError> {
        let owner = owner.map_or_else(String::new, |owner| format!("?owner={}", escaped(owner)));
        self.file(&format!("/v1/strikes/{}/{number}/balance{owner}", escaped(fund))).await
    }

    /// An order in a closed book, as the JSON that `domain::proof::OrderEvidence` reads.
    ///
    /// # Errors
    /// As [`balance_evidence`](Self::balance_evidence).
    pub async fn order_evidence(&self, order: i64) -> Result<Vec<u8>, ClientError> {
        self.file(&format!("/v1/orders/{order}/proof")).await
    }

    async fn file(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let request = self.authorised(self.http.get(format!("{}{path}", self.base())));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        Ok(response.bytes().await.map_err(ClientError::connection)?.to_vec())
    }
}

/// A name in an address: it has no other character that an address must not have.
fn escaped(name: &Name) -> String {
    name.as_str().replace('/', "%2F")
}
