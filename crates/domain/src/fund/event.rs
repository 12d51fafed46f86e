//! What can happen to the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{account::Asset, auction::Bid, params::FundParams};
use crate::{
    amount::{Cash, Ppb, PriceNano, Shares},
    digest::Digest,
    name::Name,
};

/// One business event (FUND 1.6): it applies whole, or is refused with one code and changes nothing.
///
/// Amounts may hold any integer here; [`apply`](super::apply) answers `amount` to one that is out of range.
/// Days are whole days of the fund's clock, which never goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Makes an empty fund on the ledger.
    CreateFund {
        /// Its name.
        fund: Name,
        /// Its fees, levy and reserve; they do not change afterwards.
        params: FundParams,
    },
    /// Credits come in from outside.
    Deposit {
        /// Who receives them.
        who: Name,
        /// How many.
        amount: Cash,
    },
    /// Credits go out.
    Withdraw {
        /// Whose they are.
        who: Name,
        /// How many.
        amount: Cash,
    },
    /// One person gives something to another.
    Transfer {
        /// Who gives.
        who: Name,
        /// Who receives.
        to: Name,
        /// What.
        asset: Asset,
        /// Steps of the asset.
        amount: i64,
    },
    /// A person fetches what sales for leavers and recoveries have left for him.
    Claim {
        /// Who fetches.
        who: Name,
    },
    /// A fund admits a model; the first admission on the ledger issues its 1,000,000.000000 units.
    Admit {
        /// The fund.
        fund: Name,
        /// The model.
        model: Name,
        /// Who posts the bond.
        publisher: Name,
        /// The first price.
        price: PriceNano,
        /// The bond.
        bond: Cash,
        /// Who receives the proceeds, parts summing to 1e9; empty means the publisher alone, or, for a model that is issued already, those it has.
        #[serde(default)]
        contributors: Vec<(Name, Ppb)>,
    },
    /// The first subscription, at par.
    Seed {
        /// The fund.
        fund: Name,
        /// Who pays.
        who: Name,
        /// How much.
        amount: Cash,
        /// The day on which the fund begins to charge fees; without one its clock does not move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<i64>,
    },
    /// All accepted prices and pooled estimates of one moment.
    MarkSet {
        /// The fund.
        fund: Name,
        /// Accepted prices.
        prices: BTreeMap<Name, PriceNano>,
        /// Pooled estimates; a name that is marked without one has its price for estimate.
        #[serde(default)]
        estimates: BTreeMap<Name, PriceNano>,
    },
    /// An order to buy shares at the next strike.
    Subscribe {
        /// The fund.
        fund: Name,
        /// Who pays.
        who: Name,
        /// How much.
        amount: Cash,
    },
    /// An order to give shares back at the next strike, for a slice of what the fund holds.
    Redeem {
        /// The fund.
        fund: Name,
        /// Who leaves.
        who: Name,
        /// How many shares.
        shares: Shares,
    },
    /// Takes back a subscription order that waits.
    CancelSubscription {
        /// The fund.
        fund: Name,
        /// Whose order.
        who: Name,
        /// Its place among the waiting subscription orders, from 0.
        place: u64,
    },
    /// Takes back a redemption order that waits.
    CancelRedemption {
        /// The fund.
        fund: Name,
        /// Whose order.
        who: Name,
        /// Its place among the waiting redemption orders, from 0.
        place: u64,
    },
    /// Holds subscription orders back at strikes while a valuation is in doubt, or lets them be settled again (FUND 1.3, 6).
    HoldSubscriptions {
        /// The fund.
        fund: Name,
        /// Whether they are held from now on.
        held: bool,
    },
    /// Seals bids for the batch after the next strike.
    SealBids {
        /// The fund.
        fund: Name,
        /// Who bids.
        who: Name,
        /// What seals them.
        commitment: Digest,
    },
    /// Opens what was sealed, after the strike.
    OpenBids {
        /// The fund.
        fund: Name,
        /// Who bids.
        who: Name,
        /// What was sealed.
        bids: Vec<Bid>,
        /// What made it unguessable.
        salt: Digest,
    },
    /// Asks for cash at the bid before the next strike, as far as the fund's window reaches.
    RequestWindow {
        /// The fund.
        fund: Name,
        /// Who leaves.
        who: Name,
        /// How many shares.
        shares: Shares,
    },
    /// Takes back a request that waits at the window.
    CancelWindow {
        /// The fund.
        fund: Name,
        /// Whose request.
        who: Name,
        /// Its place among the waiting requests, from 0.
        place: u64,
    },
    /// Pays the window, before a strike.
    PayWindow {
        /// The fund.
        fund: Name,
        /// The day.
        day: i64,
    },
    /// The official valuation: fees, freeze, settlement of all waiting orders.
    Strike {
        /// The fund.
        fund: Name,
        /// The day.
        day: i64,
    },
    /// Shares back at once for a slice of every asset; needs no price.
    InKind {
        /// The fund.
        fund: Name,
        /// Who leaves.
        who: Name,
        /// How many shares.
        shares: Shares,
        /// The day.
        day: i64,
        /// Models that he leaves to the fund.
        #[serde(default)]
        skip: Vec<Name>,
    },
    /// Trades towards target weights, leavers' units first.
    Rebalance {
        /// The fund.
        fund: Name,
        /// Target weights of the invested part.
        weights: BTreeMap<Name, Ppb>,
        /// The part of NAV to keep in cash.
        cash: Ppb,
        /// How far from the mark trades are made.
        #[serde(default)]
        spread: Ppb,
        /// Who trades, in this order.
        counterparties: Vec<Name>,
    },
    /// Pays contributors what has vested of the sales to one fund.
    Vest {
        /// The fund that bought.
        fund: Name,
        /// The model.
        model: Name,
        /// The day.
        day: i64,
    },
    /// Income of a model, to all who hold its units.
    Royalty {
        /// The model.
        model: Name,
        /// How much.
        amount: Cash,
    },
    /// Writes a model down to nothing in every fund that lists it.
    Delist {
        /// The fund that asks; it receives what cannot be divided among several.
        fund: Name,
        /// The model.
        model: Name,
    },
}

impl Event {
    /// The name of the operation, as in JSON.
    #[must_use]
    pub const fn op(&self) -> &'static str {
        match self {
            Self::CreateFund { .. } => "create_fund",
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::Transfer { .. } => "transfer",
            Self::Claim { .. } => "claim",
            Self::Admit { .. } => "admit",
            Self::Seed { .. } => "seed",
            Self::MarkSet { .. } => "mark_set",
            Self::Subscribe { .. } => "subscribe",
            Self::Redeem { .. } => "redeem",
            Self::CancelSubscription { .. } => "cancel_subscription",
            Self::CancelRedemption { .. } => "cancel_redemption",
            Self::HoldSubscriptions { .. } => "hold_subscriptions",
            Self::SealBids { .. } => "seal_bids",
            Self::OpenBids { .. } => "open_bids",
            Self::RequestWindow { .. } => "request_window",
            Self::CancelWindow { .. } => "cancel_window",
            Self::PayWindow { .. } => "pay_window",
            Self::Strike { .. } => "strike",
            Self::InKind { .. } => "in_kind",
            Self::Rebalance { .. } => "rebalance",
            Self::Vest { .. } => "vest",
            Self::Royalty { .. } => "royalty",
            Self::Delist { .. } => "delist",
        }
    }
}
