//! Strikes that prove themselves.

use domain::name::Name;

use crate::{Client, ClientError, transfer::accepted};

impl Client {
    /// A strike with all that it follows from, as the JSON that `domain::proof::Bundle` reads; `samples` asks for the raw samples too.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the server's refusal, or a failure of the connection.
    pub async fn strike_bundle(
        &self,
        fund: &Name,
        number: u64,
        samples: bool,
    ) -> Result<Vec<u8>, ClientError> {
        // A name has no other character that an address must not have.
        let fund = fund.as_str().replace('/', "%2F");
        let url = format!("{}/v1/strikes/{fund}/{number}/bundle?samples={samples}", self.base());
        let request = self.authorised(self.http.get(url));
        let response = accepted(request.send().await.map_err(ClientError::connection)?).await?;
        Ok(response.bytes().await.map_err(ClientError::connection)?.to_vec())
    }
}
