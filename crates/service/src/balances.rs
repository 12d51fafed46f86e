//! Balances under the root of a strike's record: the seed of the salts is drawn with the strike, and a holder's proof is made of it and
//! of the state after the strike, whenever he asks (ops/decisions/0048).

use std::sync::Arc;

use domain::{
    fund::{Account, Salt, State},
    name::Name,
    proof::{BalanceEvidence, BalanceRoot, Balances, LeafProof, StrikeRecord},
};
use store::{BalanceSeedRow, Connection, balance_seed, log_leaf, strike, strike_record};

use crate::{
    Service, ServiceError,
    kept::Kept,
    moment::LedgerAt,
    proofs::strike_subject,
    reveal::fresh_salt,
    token::{Caller, Scope},
};

/// Trees over balances that are kept.
pub(crate) type KeptBalances = Kept<Balances>;

/// Why there is no proof of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBalanceProof {
    /// There is no such strike, or none by the moment that was asked for.
    NoStrike,
    /// The strike has no record: nothing of it is proven.
    NoRecord,
    /// The record has no root over balances: the strike is from before there were any.
    NoRoot,
    /// The owner had no shares after the strike.
    NoShares,
    /// No head has the strike's leaf yet, or none by the moment that was asked for.
    NotSigned,
}

impl NoBalanceProof {
    /// The sentence for a person.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoStrike => "there is no such strike",
            Self::NoRecord => "the strike has no record",
            Self::NoRoot => {
                "the strike's record has no root over balances: it is from before there were any"
            }
            Self::NoShares => "the owner had no shares after the strike",
            Self::NotSigned => "no signed head has the strike's leaf yet",
        }
    }
}

/// The tree over all balances that a strike left, off the threads that answer: it costs a walk over all holders.
async fn tree_of(
    state: Arc<State>,
    fund: Name,
    number: u64,
    seed: Salt,
) -> Result<Balances, ServiceError> {
    let made = tokio::task::spawn_blocking(move || Balances::of(&state, (&fund, number), &seed));
    made.await.map_err(ServiceError::internal)?.map_err(ServiceError::internal)
}

/// The root over the balances that a strike left, and the seed of their salts. A ledger that has no root is told, and strikes all the
/// same: nobody's exit waits for a proof.
pub(crate) async fn draw(
    state: &Arc<State>,
    (fund, number): (&Name, u64),
    kept: &KeptBalances,
) -> Result<Option<(BalanceRoot, Salt)>, ServiceError> {
    let seed = fresh_salt()?;
    match tree_of(state.clone(), fund.clone(), number, seed).await {
        Ok(balances) => {
            let root = balances.root();
            // If the command fails after all, the root is none of a record, and nobody is given anything of the tree.
            let leaves = root.holders.saturating_mul(2);
            kept.keep(&strike_subject(fund, number), leaves, Arc::new(balances));
            Ok(Some((root, seed)))
        }
        Err(error) => {
            tracing::error!(%fund, number, cause = %error.chain(), "balances without a root");
            Ok(None)
        }
    }
}

/// The row of a seed.
pub(crate) fn seed_row(fund: &Name, number: i64, seed: &Salt) -> BalanceSeedRow {
    BalanceSeedRow { fund: fund.to_string(), number, seed: seed.to_string() }
}

/// The seed of a strike's salts; none where its record has no root over balances.
pub(crate) async fn find_seed<C: Connection>(
    connection: &C,
    fund: &Name,
    number: i64,
) -> Result<Option<Salt>, ServiceError> {
    let row = balance_seed::find(connection, fund.as_str(), number).await?;
    row.map(|row| row.seed.parse().map_err(ServiceError::internal)).transpose()
}

impl Service {
    /// What an owner had of a fund's shares after a strike, with all that shows it by the log alone; or why nothing does. With `at` only
    /// what that ledger and its time know. The owner's own, or anybody's for the operator: who has the salt has the balance.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`], [`ServiceError::Scope`]; [`ServiceError::Replaying`] and [`ServiceError::Crowded`] where the same
    /// question has to be asked again, because the state after the strike is far from any that is kept.
    pub async fn balance_evidence(
        &self,
        caller: &Caller,
        owner: &Name,
        (fund, number): (&Name, i64),
        at: Option<&LedgerAt>,
    ) -> Result<Result<BalanceEvidence, NoBalanceProof>, ServiceError> {
        if !caller.may(Scope::Operate) {
            if caller.owner != *owner {
                return Err(ServiceError::NotOwner(format!("account {owner}")));
            }
            if !caller.may(Scope::Invest) {
                return Err(Scope::Invest.into());
            }
        }
        let struck = strike::find(&self.store, fund.as_str(), number).await?;
        if struck.is_none_or(|row| at.is_some_and(|at| row.event_seq > at.seq)) {
            return Ok(Err(NoBalanceProof::NoStrike));
        }
        let Some(row) = strike_record::find(&self.store, fund.as_str(), number).await? else {
            return Ok(Err(NoBalanceProof::NoRecord));
        };
        let record: StrikeRecord =
            serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
        let Some(root) = record.balances else { return Ok(Err(NoBalanceProof::NoRoot)) };
        let known_at = at.and_then(|at| at.known_at);
        let Some(place) = self.find_strike_proof(fund, number, known_at).await? else {
            return Ok(Err(NoBalanceProof::NotSigned));
        };
        let balances = self.balances_of(&record, root).await?;
        let Some(proof) = balances.prove(&Account::Person(owner.clone())) else {
            return Ok(Err(NoBalanceProof::NoShares));
        };
        let leaf = log_leaf::find(&self.store, place.leaf_index).await?;
        let leaf = leaf.ok_or_else(|| ServiceError::internal("a strike's leaf that is gone"))?;
        Ok(Ok(BalanceEvidence {
            balance_version: BalanceEvidence::VERSION,
            proof,
            root,
            leaf: LeafProof {
                index: place.leaf_index.unsigned_abs(),
                leaf: serde_json::from_str(&leaf.body).map_err(ServiceError::internal)?,
                path: place.path,
            },
            head: place.head,
        }))
    }

    /// The tree under a record's root: the one that is kept, or made again of the state after the strike.
    async fn balances_of(
        &self,
        record: &StrikeRecord,
        root: BalanceRoot,
    ) -> Result<Arc<Balances>, ServiceError> {
        let facts = &record.facts;
        let key = strike_subject(&facts.fund, facts.number);
        let kept = || self.balances.find(&key).filter(|found| found.root() == root);
        if let Some(found) = kept() {
            return Ok(found);
        }
        let turn = self.balances.turn.lock().await;
        if let Some(found) = kept() {
            return Ok(found);
        }
        let number = i64::try_from(facts.number).map_err(ServiceError::internal)?;
        let seed = find_seed(&self.store, &facts.fund, number).await?;
        let seed = seed.ok_or_else(|| ServiceError::internal("a root over balances, no seed"))?;
        let sequence = i64::try_from(facts.sequence).map_err(ServiceError::internal)?;
        let (state, _) = self.history.state_at(&self.store, sequence).await?;
        let made = tree_of(state, facts.fund.clone(), facts.number, seed).await?;
        if made.root() != root {
            return Err(ServiceError::internal(format!(
                "the balances after strike {key} are not those under its root"
            )));
        }
        let made = Arc::new(made);
        self.balances.keep(&key, root.holders.saturating_mul(2), made.clone());
        drop(turn);
        Ok(made)
    }
}
