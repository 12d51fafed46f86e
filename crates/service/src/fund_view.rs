//! A fund as it stands, or stood at a moment, for those who read it. Everything follows from the prefix of the journal that was recorded by then.

use domain::{
    amount::{Cash, Femto, PriceNano, Shares, Units},
    fund::FundState,
    index::IndexLevel,
    name::Name,
    time::Timestamp,
};
use store::{FundRow, fund, index_basket, price_decision, registered_model};

use crate::{
    Service, ServiceError, funds::Fund, methodologies::in_force_by, moment::LedgerAt,
    restrictions::FundRestrictions,
};

/// Everything about a fund at one moment.
#[derive(Clone, Debug)]
pub struct FundView {
    /// Its name and its rules.
    pub fund: Fund,
    /// The fund's day.
    pub day: i64,
    /// Whether it is being wound up.
    pub winding: bool,
    /// Who may receive shares, and what waits or is paused.
    pub restrictions: FundRestrictions,
    /// Shares there are.
    pub shares: Shares,
    /// Net asset value at the marked prices.
    pub nav: Femto,
    /// NAV over shares, rounded down to 1e-9; none before the seed.
    pub nav_per_share_nano: Option<i64>,
    /// Index level at the marked prices.
    pub level_nano: Option<i64>,
    /// Credits of the fund.
    pub cash: Cash,
    /// Cash over NAV, for display.
    pub cash_coverage: Option<f64>,
    /// Σ wᵢσᵢ: the standard error of ln NAV if all errors moved together.
    pub sigma_ln_bound: Option<f64>,
    /// By model, ascending.
    pub holdings: Vec<Holding>,
    /// The ledger that all of it was read from.
    pub ledger: LedgerAt,
}

/// Units of one model.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The model.
    pub model: Name,
    /// Units.
    pub units: Units,
    /// The marked price.
    pub price: PriceNano,
    /// Units times price.
    pub value: Femto,
    /// Share of NAV, for display.
    pub weight: f64,
}

impl Service {
    /// A fund as it stood on a ledger.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there was none.
    pub async fn view_fund(
        &self,
        name: &Name,
        ledger: &LedgerAt,
    ) -> Result<FundView, ServiceError> {
        let absent = || ServiceError::absent("fund", name.as_str());
        if ledger.state.fund(name).is_none() {
            return Err(absent());
        }
        let row = fund::find(&self.store, name.as_str()).await?;
        self.view(row.ok_or_else(absent)?, ledger).await
    }

    /// Funds of a ledger by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn view_funds(
        &self,
        after: Option<&str>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<FundView>, ServiceError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let names = ledger.state.funds().map(FundState::name);
        let names = names.filter(|name| after.is_none_or(|after| name.as_str() > after));
        let mut views = Vec::new();
        for name in names.take(limit) {
            views.push(self.view_fund(name, ledger).await?);
        }
        Ok(views)
    }

    async fn view(&self, row: FundRow, ledger: &LedgerAt) -> Result<FundView, ServiceError> {
        let (state, recorded_at) = (&*ledger.state, ledger.marked_at);
        let name: Name = row.name.parse().map_err(ServiceError::internal)?;
        let books = state.fund(&name).ok_or_else(|| ServiceError::absent("fund", name.as_str()))?;
        let rules = in_force_by(&self.store, &row, ledger.seq).await?;
        let fund = Fund::under(row, rules)?;
        let nav = books.nav(state);
        let shares = books.shares(state);
        let cash = books.cash(state);
        let share_of_nav =
            |value: Femto| (nav > Femto::ZERO).then(|| credits(value) / credits(nav));
        let holding = |h: domain::fund::Holding| Holding {
            weight: share_of_nav(h.value).unwrap_or_default(),
            model: h.model,
            units: h.units,
            price: h.price,
            value: h.value,
        };
        let holdings: Vec<Holding> = books.holdings(state).into_iter().map(holding).collect();
        let mut sigma_ln_bound = share_of_nav(Femto::ZERO);
        for held in holdings.iter().filter(|h| h.units.as_micro() > 0) {
            let sigma = self.sigma_of(&held.model, recorded_at).await?;
            sigma_ln_bound = sigma_ln_bound.map(|bound| bound + held.weight * sigma);
        }
        let prices = books.prices().clone();
        let until = recorded_at.map_or(i64::MIN, Timestamp::as_millis);
        let level_nano = match index_basket::latest_by(&self.store, name.as_str(), until).await? {
            Some(row) => {
                let level: IndexLevel =
                    serde_json::from_str(&row.record).map_err(ServiceError::internal)?;
                Some(level.level(&prices).map_err(ServiceError::internal)?.as_nano())
            }
            None => None,
        };
        Ok(FundView {
            day: books.day(),
            winding: books.winding(),
            restrictions: FundRestrictions::of(books),
            nav_per_share_nano: books.nav_per_share_nano(state).map(PriceNano::as_nano),
            cash_coverage: share_of_nav(cash.to_femto()),
            fund,
            shares,
            nav,
            level_nano,
            cash,
            sigma_ln_bound,
            holdings,
            ledger: ledger.clone(),
        })
    }

    /// The standard error of the accepted price as it was known when the ledger's last event was recorded: marks are older than that.
    async fn sigma_of(
        &self,
        model: &Name,
        recorded_at: Option<Timestamp>,
    ) -> Result<f64, ServiceError> {
        let until = recorded_at.map_or(i64::MIN, Timestamp::as_millis);
        let row = registered_model::find_by_name(&self.store, model.as_str()).await?;
        let row = row.ok_or_else(|| {
            ServiceError::internal(format!("model {model} is held but not registered"))
        })?;
        match price_decision::latest_accepted_by(&self.store, &row.id, until).await? {
            Some(decision) => decision.sigma_ln.parse().map_err(ServiceError::internal),
            None => Err(ServiceError::internal(format!("model {model} is held without a price"))),
        }
    }
}

/// Credits as a floating number: for shares of NAV that are shown, never for money.
fn credits(value: Femto) -> f64 {
    value.to_credits_text().parse().unwrap_or(f64::NAN)
}
