//! What can happen to the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{account::Asset, auction::Bid, event_fund, params::FundParams, salt::Salt};
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
        /// Its fees, levy and reserve, until [`AdoptMethodology`](Self::AdoptMethodology) changes them.
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
    /// Says whether rebalances may give a model weight; it bears on nothing else.
    SetEligible {
        /// The fund.
        fund: Name,
        /// The model, which the fund lists.
        model: Name,
        /// Whether it may have weight from now on.
        eligible: bool,
    },
    /// Says what likeness leaves a model of its part of the fees, from the next strike on.
    SetFeeShare {
        /// The fund.
        fund: Name,
        /// The model, which the fund lists.
        model: Name,
        /// That part.
        share: Ppb,
    },
    /// Says whether only owners on the fund's list may receive its shares.
    SetAllowList {
        /// The fund.
        fund: Name,
        /// Whether the list counts from now on.
        on: bool,
    },
    /// Puts an owner on the list of those who may receive shares, or takes him off.
    Allow {
        /// The fund.
        fund: Name,
        /// Who.
        who: Name,
        /// Whether he is on it from now on.
        allowed: bool,
    },
    /// Freezes an owner in a fund: he receives no shares of it and gives none away, and may leave like anybody.
    Freeze {
        /// The fund.
        fund: Name,
        /// Who.
        who: Name,
        /// Whether he is frozen from now on.
        frozen: bool,
    },
    /// Pauses a fund: no order to buy, no gift of shares, no trade; whoever wants to leave leaves.
    Pause {
        /// The fund.
        fund: Name,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// Binds the prices of the next strike, which nobody is told yet (FUND 1.5, 6.1).
    CommitPrices {
        /// The fund.
        fund: Name,
        /// [`PriceSet::commitment`](super::PriceSet::commitment).
        commitment: Digest,
    },
    /// The cut-off of the next strike, after a commitment: the orders that wait are its book.
    CloseOrders {
        /// The fund.
        fund: Name,
        /// The day; the clock does not move.
        day: i64,
        /// What keeps the root over the book from telling whose orders they are.
        salt: Salt,
    },
    /// A cut-off of the fund's calendar has passed and its strike has not come: the orders that wait are its book.
    CutOff {
        /// The fund.
        fund: Name,
        /// The instant of the cut-off, in milliseconds since 1970; the clock does not move.
        at: i64,
    },
    /// Holds an order to buy back beyond strikes, or lets it be dealt with again.
    HoldOrder {
        /// The fund.
        fund: Name,
        /// Whose order.
        who: Name,
        /// Its place among the waiting subscription orders, from 0.
        place: u64,
        /// Whether it is held back from now on.
        held: bool,
        /// The day; the clock does not move.
        day: i64,
    },
    /// Opens a book again that has waited [`BOOK_DAYS_MAX`](super::BOOK_DAYS_MAX) days for its strike.
    ReopenOrders {
        /// The fund.
        fund: Name,
        /// The day; the clock does not move.
        day: i64,
    },
    /// Tells the prices that were committed to, and marks them.
    RevealPrices {
        /// The fund.
        fund: Name,
        /// Accepted prices.
        prices: BTreeMap<Name, PriceNano>,
        /// Pooled estimates.
        #[serde(default)]
        estimates: BTreeMap<Name, PriceNano>,
        /// What the commitment was salted with.
        salt: Salt,
    },
    /// Seals bids for the next call.
    SealBids {
        /// The fund.
        fund: Name,
        /// Who bids.
        who: Name,
        /// The most that they may cost, their deposit included.
        budget: Cash,
        /// What seals them.
        commitment: Digest,
    },
    /// Takes bids back for which no call came, or no batch.
    TakeBackBids {
        /// The fund.
        fund: Name,
        /// Whose.
        who: Name,
        /// The day.
        day: i64,
    },
    /// Begins the time for opening what was sealed until now.
    CallBids {
        /// The fund.
        fund: Name,
        /// The day.
        day: i64,
    },
    /// Ends it: what is shut loses its deposit.
    CloseBids {
        /// The fund.
        fund: Name,
        /// The day.
        day: i64,
    },
    /// Opens what was sealed, after its call.
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
        /// The least for one of them, after the levy; for less he keeps them all.
        #[serde(default, skip_serializing_if = "super::window::is_any_price")]
        least: PriceNano,
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
    /// The official valuation: fees, freeze, settlement of all waiting orders, or of those of the closed book.
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
    /// Shares made at once for the exact slice of every asset; needs no price.
    CreateInKind {
        /// The fund.
        fund: Name,
        /// Who brings the slice.
        who: Name,
        /// How many shares.
        shares: Shares,
        /// The day.
        day: i64,
    },
    /// Reverses a deposit, withdrawal, transfer or claim that should not have been; once.
    Correct {
        /// The number of its event in the journal, from 1.
        corrects: u64,
        /// That event, as the journal has it.
        event: Box<Event>,
        /// What a claim fetched, which its event does not say; for nothing else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claimed: Option<Cash>,
    },
    /// Pays those whom the wrong NAV of a strike has harmed, and the fund; once for each restatement.
    Compensate {
        /// The fund.
        fund: Name,
        /// The strike.
        strike: u64,
        /// The restatement of it, from 1.
        restatement: u64,
        /// Who pays.
        payer: Name,
        /// Who receives how much.
        owners: BTreeMap<Name, Cash>,
        /// What the fund receives.
        fund_part: Cash,
        /// The right prices of that strike, from which the amounts follow.
        prices: BTreeMap<Name, PriceNano>,
        /// The right estimates beside them.
        #[serde(default)]
        estimates: BTreeMap<Name, PriceNano>,
        /// The error of NAV from which on somebody is compensated.
        threshold: Ppb,
    },
    /// Pays the publishers' part of the management fee out of the pool, for the strikes since the last time.
    DistributeFees {
        /// The fund.
        fund: Name,
        /// The first strike of the span: the one after the last distribution's.
        from: u64,
        /// The last strike of the span.
        to: u64,
        /// The part of its fee that likeness leaves each model that was held, for the whole span; none where each strike has its own,
        /// which [`SetFeeShare`](Self::SetFeeShare) said before it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        fee_shares: BTreeMap<Name, Ppb>,
        /// Who receives how many shares.
        parts: BTreeMap<Name, Shares>,
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
        /// The most that the fund buys from the primary offer of each model, as a part of NAV; without it, as much as it needs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_primary: Option<Ppb>,
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
    /// Other rules are in force from here on; it follows a strike, which charges what was due under the old ones.
    AdoptMethodology {
        /// The fund.
        fund: Name,
        /// Digest of the rules' canonical JSON.
        digest: Digest,
        /// Their fees, levy and reserve.
        params: FundParams,
    },
}

impl Event {
    /// The fund that an event names, where it names one.
    #[must_use]
    pub const fn fund(&self) -> Option<&Name> {
        event_fund::of(self)
    }
}
