//! The instant window and the auction of a fund.

use async_graphql::{Enum, SimpleObject};
use domain::fund::{BidSide as SideValue, FundState};

use crate::scalars::{Credits, NameText, Sha256, ShareQuantity};

/// The instant window: cash for small leavers, before a strike, at what units were lately sold for.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Window {
    /// The part of the fund's cash that it pays at most at one strike, in parts per billion.
    budget_ppb: i64,
    /// The part of a leaver's shares that stays for those who stay, in parts per billion.
    levy_out_ppb: i64,
    /// Shares that wait at it.
    waiting: ShareQuantity,
    /// What sales of each model have lately brought.
    clearing: Vec<Clearing>,
}

/// What sales of a model have lately brought.
#[derive(SimpleObject, Clone, Debug)]
struct Clearing {
    /// The model.
    model: NameText,
    /// The average of price over mark in parts per billion, each sale counting a quarter; the window counts it for 90 days.
    ratio_ppb: i64,
    /// The fund's day of the last sale.
    day: i64,
}

impl Window {
    pub(crate) fn of(fund: &FundState) -> Option<Self> {
        let params = fund.params().window?;
        let clearing = fund.window().clearing().iter().map(|(model, c)| Clearing {
            model: NameText(model.clone()),
            ratio_ppb: c.ratio.as_ppb(),
            day: c.day,
        });
        let shares = fund.window().requests().iter().map(|(_, shares)| shares.as_nano());
        let waiting = shares.fold(0_i64, i64::saturating_add);
        Some(Self {
            budget_ppb: params.budget.as_ppb(),
            levy_out_ppb: params.levy_out.as_ppb(),
            waiting: ShareQuantity(domain::amount::Shares::from_nano(waiting)),
            clearing: clearing.collect(),
        })
    }
}

/// The auction that a fund's rebalances trade in: bids are sealed before a strike and opened after it, and everybody trades a model in
/// one direction at one price.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Auction {
    /// How far from the mark a trade may be, in parts per billion.
    band_ppb: i64,
    /// What is lost by whoever does not open a bid.
    deposit: Credits,
    /// Whether bids may be sealed now; otherwise they may be opened.
    takes_bids: bool,
    /// Who has sealed bids for the next batch.
    bidders: Vec<Bidder>,
}

/// Who has sealed bids.
#[derive(SimpleObject, Clone, Debug)]
struct Bidder {
    /// Who.
    owner: NameText,
    /// What seals them.
    commitment: Sha256,
    /// Whether they are open.
    opened: bool,
}

impl Auction {
    pub(crate) fn of(fund: &FundState) -> Option<Self> {
        let params = fund.params().auction?;
        let bidders = fund.auction().sealed().iter().map(|(owner, sealed)| Bidder {
            owner: NameText(owner.clone()),
            commitment: Sha256(sealed.commitment),
            opened: sealed.opened.is_some(),
        });
        Some(Self {
            band_ppb: params.band.as_ppb(),
            deposit: Credits(params.deposit),
            takes_bids: !fund.awaits_batch(),
            bidders: bidders.collect(),
        })
    }
}

/// In which direction a bidder trades.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BidSide {
    /// He buys from the fund and its leavers.
    Buys,
    /// He sells to the fund.
    Sells,
}

impl From<BidSide> for SideValue {
    fn from(side: BidSide) -> Self {
        match side {
            BidSide::Buys => Self::Buys,
            BidSide::Sells => Self::Sells,
        }
    }
}
