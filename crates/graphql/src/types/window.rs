//! The instant window: what it may pay, what it would, and what it paid.

use async_graphql::SimpleObject;
use domain::fund::nav_per_share_nano;
use service::{OrderPayment as PaymentValue, WindowView};

use crate::scalars::{Credits, Decimal9, NameText, ShareQuantity, UnitQuantity};

/// The instant window: cash at the bid for those who ask before a strike, out of a part of the fund's cash, the same part of every
/// holding. It counts units as far as the fund itself has sold some lately, at no more than they brought.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct FundWindow {
    /// The part of the fund's cash that it pays at most at one strike.
    budget_share: f64,
    /// The part of a leaver's shares that stays in the fund for those who stay.
    levy_out: f64,
    /// The most that it would pay now.
    budget: Credits,
    /// What a share counts at the marks of now, before the levy, rounded down: its part of the cash, and of units as far as they were
    /// sold. Null before the seed.
    bid_nav_per_share: Option<Decimal9>,
    /// Requests that wait.
    waiting: i64,
    /// Why it would not be paid at a strike now; null where it would.
    shut: Option<&'static str>,
    /// What the fund has sold of each model since somebody joined, in 90 days, and the window has not counted yet.
    clearing: Vec<WindowClearing>,
}

/// What the fund has lately sold of one model, as far as the window may still count it.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct WindowClearing {
    /// The model.
    model: NameText,
    /// What was paid over the mark of the day, on average by units, at most 1.
    over_mark: f64,
    /// Units.
    units: UnitQuantity,
}

/// What the instant window paid for a request.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OrderPayment {
    /// The strike before which it was paid.
    strike: i64,
    /// Shares given back; the others returned.
    shares: ShareQuantity,
    /// Of these, shares whose value stayed in the fund.
    levy: ShareQuantity,
    /// Cash, at once.
    cash: Credits,
}

/// A part of one, for display.
fn part(ppb: i64) -> f64 {
    ppb as f64 / 1e9
}

impl From<WindowView> for FundWindow {
    fn from(window: WindowView) -> Self {
        let bid = window.bid.and_then(|bid| nav_per_share_nano(bid, window.supply));
        let clearing =
            |(model, open): (domain::name::Name, domain::fund::Clearing)| WindowClearing {
                model: NameText(model),
                over_mark: part(open.ratio.as_ppb()),
                units: UnitQuantity(open.units),
            };
        Self {
            budget_share: part(window.params.budget.as_ppb()),
            levy_out: part(window.params.levy_out.as_ppb()),
            budget: Credits(window.budget),
            bid_nav_per_share: bid.map(Decimal9),
            waiting: i64::try_from(window.waiting).unwrap_or(i64::MAX),
            shut: window.shut,
            clearing: window.clearing.into_iter().map(clearing).collect(),
        }
    }
}

impl From<&PaymentValue> for OrderPayment {
    fn from(paid: &PaymentValue) -> Self {
        Self {
            strike: paid.strike,
            shares: ShareQuantity(paid.shares),
            levy: ShareQuantity(paid.levy),
            cash: Credits(paid.cash),
        }
    }
}
