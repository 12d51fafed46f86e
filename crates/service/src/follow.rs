//! What the journal says of each fund's next strike: a watch per fund, beside the ledger's state and rebuilt with it.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    fund::{Batch, Event, Methodology, State},
    name::Name,
    proof::{StrikeFacts, Watch},
};
use store::{Connection, fund, fund_methodology};

use crate::ServiceError;

/// A fund that is followed.
#[derive(Clone, Debug)]
enum Followed {
    /// Everything so far follows from its rules.
    Whole(Box<Watch>),
    /// An event did not: no later strike can be proven.
    Broken(String),
}

/// All funds, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followers(BTreeMap<String, Arc<Followed>>);

impl Followers {
    /// Remembers what an event will change; `seq` events came before it and left `state`. The event that creates a fund begins its
    /// watch under the rules in its row.
    pub(crate) async fn before<C: Connection>(
        &mut self,
        connection: &C,
        name: Option<&str>,
        (seq, state): (i64, &State),
        event: &Event,
    ) -> Result<(), ServiceError> {
        let Some(name) = name else { return Ok(()) };
        if matches!(event, Event::CreateFund { .. }) {
            let row = fund::find(connection, name).await?;
            let followed = match row.map(|row| Methodology::parse(&row.methodology)) {
                Some(Ok(rules)) => {
                    let name: Name = name.parse().map_err(ServiceError::internal)?;
                    Followed::Whole(Box::new(Watch::new(name, rules)))
                }
                Some(Err(error)) => Followed::Broken(error.to_string()),
                None => Followed::Broken("the fund has no row".to_owned()),
            };
            self.0.insert(name.to_owned(), Arc::new(followed));
        }
        if let Some(Followed::Whole(watch)) = self.0.get_mut(name).map(Arc::make_mut) {
            if let Event::AdoptMethodology { digest, .. } = event {
                // Without its rules the watch says so itself.
                let row = fund_methodology::find_by_digest(connection, name, &digest.hex()).await?;
                if let Some(rules) = row.and_then(|row| Methodology::parse(&row.body).ok()) {
                    watch.learn(rules).map_err(ServiceError::internal)?;
                }
            }
            watch.pass_to(seq.unsigned_abs());
            watch.before(state, event);
        }
        Ok(())
    }

    /// Follows an event that left `state`; a strike gives what its record must say, or why nothing follows.
    pub(crate) fn after(
        &mut self,
        name: Option<&str>,
        state: &State,
        event: &Event,
        batch: &Batch,
    ) -> Option<Result<StrikeFacts, String>> {
        let followed = Arc::make_mut(self.0.get_mut(name?)?);
        let is_strike = matches!(event, Event::Strike { .. });
        match followed {
            Followed::Broken(reason) => is_strike.then(|| Err(reason.clone())),
            Followed::Whole(watch) => match watch.after(state, event, batch) {
                Ok(facts) => facts.map(Ok),
                Err(error) => {
                    let reason = error.to_string();
                    tracing::warn!(fund = name, reason, "no strike from here on can be proven");
                    *followed = Followed::Broken(reason.clone());
                    is_strike.then_some(Err(reason))
                }
            },
        }
    }
}
