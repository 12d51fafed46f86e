//! Funds, holdings, strikes, orders.

use async_graphql::{Context, Object, Result, SimpleObject};
use domain::{
    amount::PriceNano,
    fund::{EXIT_BATCHES, ExitQuote as QuoteValue},
};
use service::{
    FundCalendar as CalendarValue, FundView, Holding as HoldingValue, OrderFill as FillValue, Scope,
};

use super::{
    analysis::Analytics,
    attribution::Attribution,
    auction::Auction,
    budget::ErrorBudget,
    calendar::{DealingDay, FundCalendar},
    dealing::{Dealing, cursor, read_cursor},
    disclosure::Disclosure,
    methodology::MethodologyVersion,
    order::UnitsOfModel,
    rebalance::Rebalance,
    restatement::CreateQuote,
    restriction::Restrictions,
    reveal::Commitment,
    strike::Strike,
    window::FundWindow,
};
use crate::{
    error::{api_error, invalid},
    pagination::{Page, PageArguments},
    scalars::{Credits, Decimal9, NameText, Nav, Price, Sha256, ShareQuantity, Time, UnitQuantity},
    scope::{request, service},
};

/// A fund: it holds units of models and credits, and its shares are slices of them.
#[derive(Clone, Debug)]
pub(crate) struct Fund(pub(crate) FundView);

/// A fund: it holds units of models and credits, and its shares are slices of them.
#[Object]
impl Fund {
    /// Its name.
    async fn name(&self) -> NameText {
        NameText(self.0.fund.name.clone())
    }

    /// When the last thing that this answer knows was recorded: an event of the ledger, a price, a calendar, a word about a dealing day,
    /// proposed rules. Asked as `asOf`, it gives this answer again, whatever is recorded later; null on an empty ledger.
    async fn recorded_at(&self) -> Option<Time> {
        self.0.ledger.recorded_at.map(Time)
    }

    /// The fund's day: that of its last strike, exit or vesting.
    async fn day(&self) -> i64 {
        self.0.day
    }

    /// Whether it is being wound up, for ever.
    async fn winding(&self) -> bool {
        self.0.winding
    }

    /// Who may receive its shares, and what waits or is paused.
    async fn restrictions(&self) -> Restrictions {
        let ledger = self.0.ledger.clone();
        Restrictions { fund: self.0.fund.name.clone(), value: self.0.restrictions, ledger }
    }

    /// Shares there are.
    async fn shares(&self) -> ShareQuantity {
        ShareQuantity(self.0.shares)
    }

    /// Net asset value at the accepted prices that are marked now: cash plus units times price, exactly.
    async fn nav(&self) -> Nav {
        Nav(self.0.nav)
    }

    /// NAV over shares, rounded down; null before the seed.
    async fn nav_per_share(&self) -> Option<Decimal9> {
        self.0.nav_per_share_nano.map(|nano| Decimal9(PriceNano::from_nano(nano)))
    }

    /// Level of the index at the marked prices, 1000 at the first rebalance; null before it.
    async fn level(&self) -> Option<Decimal9> {
        self.0.level_nano.map(|nano| Decimal9(PriceNano::from_nano(nano)))
    }

    /// Credits that the fund has.
    async fn cash(&self) -> Credits {
        Credits(self.0.cash)
    }

    /// Credits as a share of NAV: what could be paid out at once. Null before the seed.
    async fn cash_coverage(&self) -> Option<f64> {
        self.0.cash_coverage
    }

    /// Share of NAV that is evaluated price, not cash: mark to model, no market stands behind it. Null before the seed.
    async fn marked_to_model(&self) -> Option<f64> {
        self.0.cash_coverage.map(|share| 1.0 - share)
    }

    /// Upper bound of the standard error of ln NAV from evaluation: as if the errors of all names moved together, which those of a
    /// common reference do. Null before the seed.
    async fn sigma_ln_bound(&self) -> Option<f64> {
        self.0.sigma_ln_bound
    }

    /// Independent evaluators that a price needs. At 1 prices are the word of one machine.
    async fn quorum(&self) -> i64 {
        self.0.fund.methodology.quorum
    }

    /// The rules in force.
    async fn methodology(&self) -> MethodologyText {
        MethodologyText {
            digest: Sha256(self.0.fund.methodology_digest),
            text: self.0.fund.methodology_text.clone(),
            version: self.0.fund.methodology_version,
        }
    }

    /// All rules of the fund by version: those of its creation, then what was proposed, whatever became of it.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn methodologies(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<MethodologyVersion>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_methodologies(
                &self.0.fund.name,
                page.after_number()?,
                page.limit(),
                &self.0.ledger,
            )
            .await;
        page.page(rows, |version| version.version.to_string(), MethodologyVersion)
    }

    /// What the fund holds, by model.
    async fn holdings(&self, first: Option<i32>, after: Option<String>) -> Result<Page<Holding>> {
        let page = PageArguments::new(first, after)?;
        let rows = self
            .0
            .holdings
            .iter()
            .filter(|h| page.after.as_deref().is_none_or(|after| h.model.as_str() > after));
        let rows = rows.take(page.limit() as usize).cloned().collect();
        page.page(Ok(rows), |h: &HoldingValue| h.model.to_string(), Holding::from)
    }

    /// What stands beside the NAV: what third parties have lately paid for such units, where cash came from, who was paid.
    #[graphql(complexity = "100 + child_complexity")]
    async fn disclosure(&self, context: &Context<'_>) -> Result<Disclosure> {
        let told = service(context)?.disclose_fund(&self.0.fund.name, &self.0.ledger).await;
        told.map(Disclosure).map_err(api_error)
    }

    /// How far NAV per share may be off by the draw of cases and by times. It is computed from the samples and kept until the fund or a
    /// price moves. Null before the seed, and where a price rests on samples whose items cannot be drawn again.
    #[graphql(complexity = "2000 + child_complexity")]
    async fn error_budget(&self, context: &Context<'_>) -> Result<Option<ErrorBudget>> {
        let told = service(context)?.fund_error_budget(&self.0.fund.name, &self.0.ledger).await;
        Ok(told.map_err(api_error)?.as_deref().map(ErrorBudget::from))
    }

    /// Statistics from one strike to another, both by number; without them from the first to the last.
    #[graphql(complexity = "200 + child_complexity")]
    async fn analytics(
        &self,
        context: &Context<'_>,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<Analytics> {
        let ledger = &self.0.ledger;
        let told = service(context)?.analyse_fund(&self.0.fund.name, from, to, ledger);
        told.map(Analytics::from).map_err(api_error)
    }

    /// Why NAV moved from one strike to another, out of the ledger; `fromStrike: 0` is the fund's beginning.
    #[graphql(complexity = "4000 + child_complexity")]
    async fn attribution(
        &self,
        context: &Context<'_>,
        from_strike: i64,
        to_strike: i64,
    ) -> Result<Attribution> {
        let name = &self.0.fund.name;
        let told =
            service(context)?.attribute_fund(name, from_strike, to_strike, &self.0.ledger).await;
        told.map(Attribution).map_err(api_error)
    }

    /// What so many shares get at a strike on the day of the moment that was asked for: a part of everything, at no mark. Whoever else
    /// joins or leaves at that strike changes nothing; a trade, a later day or a new gain under a performance fee does. Leaving in kind
    /// gives at once what there is without that fee.
    // Those who wait at the window are asked, sixty times over where its budget does not suffice.
    #[graphql(complexity = "2000 + child_complexity")]
    async fn quote_exit(&self, context: &Context<'_>, shares: ShareQuantity) -> Result<ExitQuote> {
        let (service, name) = (service(context)?, &self.0.fund.name);
        let quote = service.quote_exit(name, shares.0, &self.0.ledger).map_err(api_error)?;
        let window = service.quote_window(name, shares.0, &self.0.ledger).map_err(api_error)?;
        Ok(ExitQuote { window_cash: window.map(Credits), ..ExitQuote::from(quote) })
    }

    /// The instant window, as it stands; null where the rules have none.
    #[graphql(complexity = "50 + child_complexity")]
    async fn window(&self, context: &Context<'_>) -> Result<Option<FundWindow>> {
        let found = service(context)?.fund_window(&self.0.fund.name, &self.0.ledger);
        Ok(found.map_err(api_error)?.map(FundWindow::from))
    }

    /// What so many shares cost in kind on the day of the moment that was asked for: a part of everything, rounded up, at no mark. A trade of
    /// the fund gives another part.
    #[graphql(complexity = "100 + child_complexity")]
    async fn quote_create(
        &self,
        context: &Context<'_>,
        shares: ShareQuantity,
    ) -> Result<CreateQuote> {
        let quote = service(context)?.quote_create(&self.0.fund.name, shares.0, &self.0.ledger);
        Ok(CreateQuote::from(quote.map_err(api_error)?))
    }

    /// When it deals by itself; null where it is struck by hand alone.
    #[graphql(complexity = "20 + child_complexity")]
    async fn calendar(&self, context: &Context<'_>) -> Result<Option<FundCalendar>> {
        let found = self.find_calendar(context).await?;
        Ok(found.map(|value| FundCalendar { value, at: self.0.ledger.as_of }))
    }

    /// When orders are next cut off by the calendar; null without one. An order that comes later is not in the strike of that cut-off,
    /// however late the strike is: `Order.dealing` says which.
    #[graphql(complexity = "20")]
    async fn next_cut_off(&self, context: &Context<'_>) -> Result<Option<Time>> {
        let found = self.find_calendar(context).await?;
        let next = found.and_then(|calendar| calendar.next_dealing(self.0.ledger.as_of));
        Ok(next.map(|day| Time(day.cut_off)))
    }

    /// What became of its dealing days, in the order in which it became known.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn dealing_days(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<DealingDay>> {
        let page = PageArguments::new(first, after)?;
        let (after, limit) = (page.after_number()?, page.limit());
        let (name, ledger) = (&self.0.fund.name, &self.0.ledger);
        let rows = service(context)?.list_dealing_days(name, after, limit, ledger).await;
        page.page(rows, |dealing| dealing.seq.to_string(), DealingDay::from)
    }

    /// What those did with the fund's shares who may know of a model's next version before the mark does, in the order of the journal,
    /// and which of it fell into the window between a version and the strike that knows it. Null without scope `operate`.
    #[graphql(complexity = "1000 + crate::pagination::cost(first, child_complexity)")]
    async fn dealing_register(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<Page<Dealing>>> {
        let operator = request(context)?.caller.as_ref().filter(|c| c.may(Scope::Operate));
        let Some(caller) = operator else { return Ok(None) };
        let page = PageArguments::new(first, after)?;
        let read = |text: &String| {
            read_cursor(text).ok_or_else(|| invalid("after", "is no cursor of this list"))
        };
        let after = page.after.as_ref().map(read).transpose()?;
        let (fund, limit, ledger) = (&self.0.fund.name, page.limit(), &self.0.ledger);
        let rows = service(context)?.list_dealings(caller, fund, after, limit, ledger).await;
        page.page(rows, cursor, Dealing).map(Some)
    }

    /// How the prices of the next strike are bound. Null while they are not.
    #[graphql(complexity = "5 + child_complexity")]
    async fn open_commitment(&self, context: &Context<'_>) -> Result<Option<Commitment>> {
        let (name, ledger) = (&self.0.fund.name, &self.0.ledger);
        let found = service(context)?.find_open_commitment(name, ledger).await;
        Ok(found.map_err(api_error)?.map(Commitment::from))
    }

    /// The sealed auction that its rebalances trade in. Null where it has none and never had one.
    #[graphql(complexity = "10 + child_complexity")]
    async fn auction(&self) -> Option<Auction> {
        Auction::of(&self.0.ledger.state, &self.0.fund.name)
    }

    /// Every official computation of NAV, in order.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn strikes(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Strike>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_strikes(&self.0.fund.name, page.after_number()?, page.limit(), &self.0.ledger)
            .await;
        page.page(rows, |s| s.number.to_string(), Strike)
    }

    /// Every change of weights, in order, with what the rules did.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn rebalances(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Rebalance>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_rebalances(&self.0.fund.name, page.after_number()?, page.limit(), &self.0.ledger)
            .await;
        page.page(rows, |r| r.number.to_string(), Rebalance::from)
    }
}

impl Fund {
    async fn find_calendar(&self, context: &Context<'_>) -> Result<Option<CalendarValue>> {
        let (name, ledger) = (&self.0.fund.name, &self.0.ledger);
        service(context)?.find_calendar(name, ledger).await.map_err(api_error)
    }
}

/// The rules of an index, and their identity.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct MethodologyText {
    /// SHA-256 over the canonical JSON.
    digest: Sha256,
    /// The JSON.
    text: String,
    /// Which of the fund's rules they are; 1 those of its creation.
    version: i64,
}

/// Units of a model that a fund has.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Holding {
    /// The model.
    model: NameText,
    /// Units.
    units: UnitQuantity,
    /// The marked price.
    price: Price,
    /// Units times price, exactly.
    value: Nav,
    /// Share of NAV.
    weight: f64,
}

impl From<HoldingValue> for Holding {
    fn from(value: HoldingValue) -> Self {
        Self {
            model: NameText(value.model),
            units: UnitQuantity(value.units),
            price: Price(value.price),
            value: Nav(value.value),
            weight: value.weight,
        }
    }
}

/// How a subscription order was settled.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OrderFill {
    /// The strike.
    strike: i64,
    /// Shares that it got.
    shares: ShareQuantity,
    /// What they cost; the rest of the order went back.
    cost: Credits,
    /// The entry levy, which stays in the fund.
    levy: Credits,
}

impl From<&FillValue> for OrderFill {
    fn from(fill: &FillValue) -> Self {
        Self {
            strike: fill.strike,
            shares: ShareQuantity(fill.shares),
            cost: Credits(fill.cost),
            levy: Credits(fill.levy),
        }
    }
}

/// What shares get at the next strike.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ExitQuote {
    /// The day of the strike that is quoted.
    day: i64,
    /// Shares given back.
    shares: ShareQuantity,
    /// Shares that there are then, after fees.
    supply: ShareQuantity,
    /// Cash, to be claimed at once.
    cash: Credits,
    /// Units, sold for the leavers in the next batches and delivered where nobody buys.
    units: Vec<UnitsOfModel>,
    /// Batches in which they are offered.
    batches: u32,
    /// What the instant window would pay before the next strike, at the marks of now, for these shares of somebody who has no others, beside
    /// those who wait already; what it does not pay for returns. Other requests make it less. Null where the window is off or waits.
    window_cash: Option<Credits>,
}

impl From<QuoteValue> for ExitQuote {
    fn from(quote: QuoteValue) -> Self {
        Self {
            day: quote.day,
            shares: ShareQuantity(quote.shares),
            supply: ShareQuantity(quote.supply),
            cash: Credits(quote.cash),
            units: UnitsOfModel::list(&quote.units),
            batches: EXIT_BATCHES,
            window_cash: None,
        }
    }
}
