//! What the journal says of each fund's next strike: a watch per fund, beside the ledger's state and rebuilt with it.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    disclosure::Disclosures,
    fund::{Batch, Event, Methodology, State},
    name::Name,
    proof::{Restated, StrikeFacts, Watch},
};
use store::{Connection, fund, fund_methodology};

use crate::ServiceError;

/// A fund that is followed.
#[derive(Clone, Debug)]
enum Followed {
    /// Everything so far follows from its rules.
    Whole(Box<Watch>),
    /// An event did not: no later strike can be proven. Strikes can be restated all the same.
    Broken { reason: String, restated: Box<Restated> },
}

impl Followed {
    fn broken(reason: String) -> Self {
        Self::Broken { reason, restated: Box::default() }
    }
}

/// All funds: by name what proves their strikes, and what stands beside their NAVs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followers {
    watches: BTreeMap<String, Arc<Followed>>,
    pub(crate) disclosures: Disclosures,
}

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
                Some(Err(error)) => Followed::broken(error.to_string()),
                None => Followed::broken("the fund has no row".to_owned()),
            };
            self.watches.insert(name.to_owned(), Arc::new(followed));
        }
        match self.watches.get_mut(name).map(Arc::make_mut) {
            Some(Followed::Whole(watch)) => {
                if let Event::AdoptMethodology { digest, .. } = event {
                    // Without its rules the watch says so itself.
                    let digest = digest.hex();
                    let row = fund_methodology::find_by_digest(connection, name, &digest).await?;
                    if let Some(rules) = row.and_then(|row| Methodology::parse(&row.body).ok()) {
                        watch.learn(rules).map_err(ServiceError::internal)?;
                    }
                }
                watch.pass_to(seq.unsigned_abs());
                watch.before(state, event);
            }
            Some(Followed::Broken { restated, .. }) => {
                if let Event::Strike { fund, .. } = event {
                    restated.before(state, state.fund(fund));
                }
                if let Event::PayWindow { fund, .. } = event {
                    restated.before_window(state, state.fund(fund));
                }
            }
            None => {}
        }
        Ok(())
    }

    /// What is known of a fund's strikes for those who restate them.
    pub(crate) fn restated(&self, name: &str) -> Option<&Restated> {
        self.watches.get(name).map(|followed| match &**followed {
            Followed::Whole(watch) => watch.restated(),
            Followed::Broken { restated, .. } => restated,
        })
    }

    /// Follows an event that left `state`; a strike gives what its record must say, or why nothing follows.
    pub(crate) fn after(
        &mut self,
        name: Option<&str>,
        state: &State,
        event: &Event,
        batch: &Batch,
    ) -> Option<Result<StrikeFacts, String>> {
        // An event of no fund, or of another, may pay this one.
        self.disclosures.follow(event, batch);
        let followed = Arc::make_mut(self.watches.get_mut(name?)?);
        let is_strike = matches!(event, Event::Strike { .. });
        match followed {
            Followed::Broken { reason, restated } => {
                restated.after(event, batch);
                is_strike.then(|| Err(reason.clone()))
            }
            Followed::Whole(watch) => match watch.after(state, event, batch) {
                Ok(facts) => facts.map(Ok),
                Err(error) => {
                    let reason = error.to_string();
                    tracing::warn!(fund = name, reason, "no strike from here on can be proven");
                    let restated = Box::new(watch.restated().clone());
                    *followed = Followed::Broken { reason: reason.clone(), restated };
                    is_strike.then_some(Err(reason))
                }
            },
        }
    }
}
