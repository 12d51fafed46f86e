//! What likeness leaves each model of a fund of its part of the fees, said in the journal before the strike that it counts from.
//!
//! Attested as eligibility is (ops/decisions/0033): the journal shows what was said before the strike, and a distribution follows from it
//! alone (ops/decisions/0050).

use std::collections::BTreeMap;

use domain::{
    amount::{PPB_ONE, Ppb},
    fund::Event,
    name::Name,
};

use crate::{
    Service, ServiceError, funds::live_models, ledger::LedgerUnit, versions::LISTED,
    visibility::Reader,
};

impl Service {
    /// The fee share of the listed version of every model of a fund, in ppb, rounded down; whole where nothing is known against it. None
    /// where it cannot be read: no strike waits for it, and what was said before stands.
    pub(crate) async fn fee_shares(&self, fund: &Name) -> BTreeMap<Name, Ppb> {
        match self.read_fee_shares(fund).await {
            Ok(shares) => shares,
            Err(error) => {
                tracing::warn!(%fund, cause = %error.chain(), "fee shares stay as they were");
                BTreeMap::new()
            }
        }
    }

    async fn read_fee_shares(&self, fund: &Name) -> Result<BTreeMap<Name, Ppb>, ServiceError> {
        let state = self.ledger().await?;
        let listed = state.fund(fund).map(|fund| fund.prices().keys().cloned().collect());
        let listed: Vec<Name> = listed.unwrap_or_default();
        let mut shares = BTreeMap::new();
        for name in listed.into_iter().filter(|name| !state.is_delisted(name)) {
            let model = self.get_readable_model(&Reader::Operator, &name).await?;
            let share = match self.find_alias(&model, LISTED).await? {
                Some(version) => self.find_fee_share(&Reader::Operator, &version).await?,
                None => None,
            };
            let share = share.map_or(1.0, |found| found.share);
            // From 0 to 1, so that it fits.
            shares.insert(name, Ppb::from_ppb((share * PPB_ONE as f64).floor() as i64));
        }
        Ok(shares)
    }
}

/// Says what has changed since the last strike, in the transaction of the next.
pub(crate) async fn say_fee_shares(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    shares: &BTreeMap<Name, Ppb>,
) -> Result<(), ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(()) };
    let live = live_models(ledger, state).into_iter();
    let said = live.filter_map(|model| Some((shares.get(&model).copied()?, model)));
    let changed = said.filter(|(share, model)| state.fee_share(model) != *share);
    for (share, model) in changed.collect::<Vec<_>>() {
        ledger.post(&Event::SetFeeShare { fund: fund.clone(), model, share }).await?;
    }
    Ok(())
}
