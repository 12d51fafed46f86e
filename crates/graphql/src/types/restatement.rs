//! Restatements of strikes, and quotes of creations in kind.

use async_graphql::{Context, Object, Result, SimpleObject};
use domain::{
    amount::{Cash, PriceNano},
    fund::CreateQuote as QuoteValue,
    proof::TradeRecord,
};
use service::{Restatement as RestatementValue, RestatementPart as PartValue, Scope};

use super::order::UnitsOfModel;
use crate::{
    pagination::{Page, PageArguments},
    scalars::{Credits, Decimal9, NameText, Nav, ShareQuantity, Time},
    scope::{request, service},
};

/// What a strike would have been at the right prices, as it was known from a moment on. The strike itself stays as it was.
#[derive(Clone, Debug)]
pub(crate) struct Restatement(pub(crate) RestatementValue);

/// What a strike would have been at the right prices, as it was known from a moment on. The strike itself stays as it was.
#[Object]
impl Restatement {
    /// Counts the restatements of the strike from 1; the last one holds.
    async fn number(&self) -> i64 {
        self.0.number
    }

    /// When, by the server's clock: known from then on.
    async fn recorded_at(&self) -> Time {
        Time(self.0.recorded_at)
    }

    /// Why, in the operator's words.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// NAV as it was published.
    async fn nav_published(&self) -> Nav {
        Nav(self.0.nav_published)
    }

    /// The right NAV.
    async fn nav_right(&self) -> Nav {
        Nav(self.0.nav)
    }

    /// The right NAV at the larger of price and estimate of each name: what joiners should have dealt at.
    async fn ask_right(&self) -> Nav {
        Nav(self.0.ask)
    }

    /// The right NAV over the shares of the strike, rounded down. Null beyond the range of a price.
    async fn nav_per_share_right(&self) -> Option<Decimal9> {
        self.0.nav_per_share_nano.map(|nano| Decimal9(PriceNano::from_nano(nano)))
    }

    /// How far NAV was off in parts of 1e9 of the right one, away from zero; above zero where it was too high. At most 1e15, which is also
    /// said where the right NAV is nothing.
    async fn error_ppb(&self) -> i64 {
        self.0.error_ppb
    }

    /// The same of the ask.
    async fn ask_error_ppb(&self) -> i64 {
        self.0.ask_error_ppb
    }

    /// The error from which on somebody is compensated.
    async fn threshold_ppb(&self) -> i64 {
        self.0.threshold_ppb
    }

    /// Whether the error of NAV or that of the ask reaches the threshold.
    async fn passes_threshold(&self) -> bool {
        self.0.passes
    }

    /// What the fund lost: what joiners got too much, and a performance fee on a gain that was none.
    async fn fund_loss(&self) -> Credits {
        Credits(self.0.fund_loss)
    }

    /// What this restatement paid the fund.
    async fn fund_paid(&self) -> Credits {
        Credits(self.0.fund_paid)
    }

    /// What this restatement paid owners, all together.
    async fn owners_paid(&self) -> Credits {
        Credits(self.0.owners_paid)
    }

    /// Who paid. Null where nothing was owed, and without scope `operate`.
    async fn payer(&self, context: &Context<'_>) -> Result<Option<NameText>> {
        Ok(self.0.payer.clone().filter(|_| operates(context)).map(NameText))
    }

    /// Owners who lost something, by name: all for the operator, the bearer's own part for others.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn parts(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<RestatementPart>> {
        let page = PageArguments::new(first, after)?;
        let caller = request(context)?.caller.as_ref();
        let after = page.after.as_deref();
        let rows =
            service(context)?.list_restatement_parts(caller, &self.0, after, page.limit()).await;
        page.page(rows, |part| part.owner.to_string(), RestatementPart::from)
    }

    /// Whether the fund was winding up after the strike, and whether it would have been at the right prices; null where it was not told yet.
    async fn wind_up(&self) -> Option<WindUpTest> {
        self.0.winding.map(|test| WindUpTest { published: test.published, right: test.right })
    }

    /// What counterparties of the batches after the strike got too much at its marks, by account, in the order of names; nobody is made to
    /// pay it. Who got what he should is not in it.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn trades(&self, first: Option<i32>, after: Option<String>) -> Result<Page<TradeExcess>> {
        let page = PageArguments::new(first, after)?;
        let later = |who: &str| page.after.as_deref().is_none_or(|after| who > after);
        let rows = self.0.trades.iter().filter(|(who, _)| later(who));
        let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let excess = |(who, part): (&String, &TradeRecord)| TradeExcess {
            counterparty: who.clone(),
            fund: Credits(Cash::from_micro(part.fund)),
            leavers: Credits(Cash::from_micro(part.leavers)),
        };
        let rows = rows.take(limit).map(excess).collect();
        page.page(Ok(rows), |row: &TradeExcess| row.counterparty.clone(), |row| row)
    }

    /// The record, canonical JSON, whose digest its leaf in the log names. It names everybody who joined: null without scope `operate`.
    async fn record(&self, context: &Context<'_>) -> Result<Option<&str>> {
        Ok(operates(context).then_some(self.0.record.as_str()))
    }
}

fn operates(context: &Context<'_>) -> bool {
    let caller = request(context).ok().and_then(|request| request.caller.as_ref());
    caller.is_some_and(|caller| caller.may(Scope::Operate))
}

/// The wind-up test of a strike.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub(crate) struct WindUpTest {
    /// Whether the fund was winding up after the strike.
    published: bool,
    /// Whether it would have been, by the right NAV over the shares of the strike.
    right: bool,
}

/// What a counterparty got too much in trades at the marks of a strike; below nothing where he got too little.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct TradeExcess {
    /// The account: a provider, or the primary offer of a model.
    counterparty: String,
    /// At the fund's cost.
    fund: Credits,
    /// At the cost of leavers whose units were sold to him.
    leavers: Credits,
}

/// An owner's part in a restatement.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RestatementPart {
    /// The owner.
    owner: NameText,
    /// What he lost at the strike, at the corrected NAV per share, rounded up.
    loss: Credits,
    /// What this restatement paid him: the loss less what earlier ones paid, where the error reaches the threshold.
    paid: Credits,
}

impl From<PartValue> for RestatementPart {
    fn from(part: PartValue) -> Self {
        Self { owner: NameText(part.owner), loss: Credits(part.loss), paid: Credits(part.paid) }
    }
}

/// What shares cost in kind.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct CreateQuote {
    /// The day that is quoted.
    day: i64,
    /// Shares made.
    shares: ShareQuantity,
    /// Shares that there are before, after the management fee until then.
    supply: ShareQuantity,
    /// Credits to bring.
    cash: Credits,
    /// Units to bring.
    units: Vec<UnitsOfModel>,
}

impl From<QuoteValue> for CreateQuote {
    fn from(quote: QuoteValue) -> Self {
        Self {
            day: quote.day,
            shares: ShareQuantity(quote.shares),
            supply: ShareQuantity(quote.supply),
            cash: Credits(quote.cash),
            units: UnitsOfModel::list(&quote.units),
        }
    }
}
