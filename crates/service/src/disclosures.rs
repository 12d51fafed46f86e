//! What stands beside a fund's NAV, and why it moved: `domain::disclosure` over the journal up to the moment that is asked about.

use std::sync::Arc;

use domain::{
    disclosure::{Analysis, Attribution, Disclosure, Trail, analyse, attribute},
    name::Name,
    time::Timestamp,
};
use store::{price_decision, registered_model};

use crate::{Service, ServiceError, exits::fund_day, moment::LedgerAt};

/// What stands beside a NAV, with what the journal does not know.
#[derive(Clone, Debug)]
pub struct FundDisclosure {
    /// From the journal alone.
    pub numbers: Disclosure,
    /// When the held price that has stood longest without a measurement was set or found to stand; none where nothing is held.
    pub oldest_price_at: Option<Timestamp>,
    /// How long ago that is.
    pub oldest_price_age_ms: Option<i64>,
}

impl Service {
    /// What stands beside the NAV of a fund on a ledger.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund.
    pub async fn disclose_fund(
        &self,
        name: &Name,
        ledger: &LedgerAt,
    ) -> Result<FundDisclosure, ServiceError> {
        let (state, now) = (&*ledger.state, ledger.as_of);
        let trail = trail_of(name, ledger)?;
        let fund = state.fund(name).ok_or_else(|| ServiceError::absent("fund", name.as_str()))?;
        let day = fund_day(state, name, now);
        let numbers = Disclosure::of(trail, state, fund, day).map_err(ServiceError::internal)?;
        let (mut oldest, known_to) = (None::<Timestamp>, ledger.known_to());
        for held in numbers.models.iter().filter(|held| held.units.as_micro() > 0) {
            let row = registered_model::find_by_name(&self.store, held.model.as_str()).await?;
            let Some(row) = row else { continue };
            let stood = price_decision::latest_standing_by(&self.store, &row.id, known_to).await?;
            let at = stood.map(|decision| Timestamp::from_millis(decision.decided_at));
            oldest = [oldest, at].into_iter().flatten().min();
        }
        let age = oldest.map(|at| now.as_millis().saturating_sub(at.as_millis()).max(0));
        Ok(FundDisclosure { numbers, oldest_price_at: oldest, oldest_price_age_ms: age })
    }

    /// Statistics of a fund from one strike to another; without them from its first to its last.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund; [`ServiceError::Invalid`] for strikes that give none.
    pub fn analyse_fund(
        &self,
        name: &Name,
        from: Option<i64>,
        to: Option<i64>,
        ledger: &LedgerAt,
    ) -> Result<Analysis, ServiceError> {
        let trail = trail_of(name, ledger)?;
        let (from, to) = (number("from", from, 1)?, number("to", to, last(trail))?);
        analyse(trail, from, to).map_err(|error| ServiceError::invalid("strikes", error))
    }

    /// Why NAV moved from one strike to another; from 0 on is from the fund's beginning.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the fund; [`ServiceError::Invalid`] for strikes that there are not.
    pub async fn attribute_fund(
        &self,
        name: &Name,
        from: i64,
        to: i64,
        ledger: &LedgerAt,
    ) -> Result<Attribution, ServiceError> {
        let trail = trail_of(name, ledger)?.clone();
        let (from, to) = (number("fromStrike", Some(from), 0)?, number("toStrike", Some(to), 0)?);
        // Exact fractions over many strikes and names take their time.
        let told = self.turns.compute(move || attribute(&trail, from, to)).await?;
        told.map_err(|error| ServiceError::invalid("strikes", error))
    }
}

/// The trail of a fund on a ledger.
pub(crate) fn trail_of<'a>(
    name: &Name,
    ledger: &'a LedgerAt,
) -> Result<&'a Arc<Trail>, ServiceError> {
    ledger.trails.trail(name).ok_or_else(|| ServiceError::absent("fund", name.as_str()))
}

pub(crate) fn last(trail: &Trail) -> u64 {
    trail.strikes().len() as u64
}

/// The number of a strike, or what it is without one.
pub(crate) fn number(
    field: &'static str,
    given: Option<i64>,
    otherwise: u64,
) -> Result<u64, ServiceError> {
    let Some(given) = given else { return Ok(otherwise) };
    u64::try_from(given)
        .map_err(|_| ServiceError::invalid(field, format!("is {given}; strikes count from 1")))
}
