//! What an event did: entries over both books, effects on the rest of the state, and the outcome.
//!
//! Fields stand in alphabetical order and sums are externally tagged, so that the plain JSON text of a batch has its keys sorted:
//! it is the text that the state's chain hashes, and any language reproduces it (a test holds this).
//! It is not [`crate::canonical`], whose integers end at 2^53: amounts here are whole 64-bit integers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Asset, GlAccount},
    auction::BidsChange,
    cut_off::QueueChange,
    fund_state::{Pool, Progress},
    kind::Kind,
    outcome::Outcome,
    params::FundParams,
    restriction::Restriction,
    state::Tranche,
    window::{MovedYoung, OpenSale, Young},
};
use crate::{
    amount::{Cash, Femto, Ppb, PriceNano, Shares},
    digest::Digest,
    name::Name,
};

/// Everything that one event does, to be stored and committed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Changes beside the two books, in order.
    pub effects: Vec<Effect>,
    /// Journal entries, in order.
    pub entries: Vec<Entry>,
    /// What the caller is told.
    pub outcome: Outcome,
}

/// One journal entry: balanced in every asset and in the valuation ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Custody book.
    pub custody: Vec<Leg>,
    /// The fund whose valuation ledger is meant, where there is one.
    pub fund: Option<Name>,
    /// Valuation ledger; sums to zero.
    pub gl: Vec<GlLine>,
    /// What happened.
    pub kind: Kind,
    /// Facts beside the numbers.
    pub meta: Meta,
}

/// A movement of one asset between two owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// Steps of the asset; at least 1.
    pub amount: i64,
    /// What moves.
    pub asset: Asset,
    /// Who gives.
    pub from: Account,
    /// Who receives.
    pub to: Account,
}

/// One line of the valuation ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlLine {
    /// The account.
    pub account: GlAccount,
    /// Debit positive, credit negative; never nothing.
    pub delta: Femto,
}

/// Facts of an entry beside its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Meta {
    /// None.
    None,
    /// Days that the management fee was charged for.
    Fee {
        /// Whole days.
        days: u64,
    },
    /// An admission.
    Admission {
        /// Who receives the proceeds.
        contributors: Vec<(Name, Ppb)>,
        /// The model.
        model: Name,
        /// The first price.
        price: PriceNano,
    },
    /// New prices.
    Marks {
        /// Estimates set.
        estimates: BTreeMap<Name, PriceNano>,
        /// Prices before.
        old: BTreeMap<Name, PriceNano>,
        /// Prices set.
        prices: BTreeMap<Name, PriceNano>,
    },
    /// An order.
    Request {
        /// Whose.
        who: Name,
    },
    /// A strike, frozen.
    Strike {
        /// NAV at the ask.
        ask: Femto,
        /// The day.
        day: i64,
        /// The number of the strike.
        epoch: u64,
        /// NAV.
        nav: Femto,
        /// Shares outstanding.
        shares: Shares,
        /// Whether the fund is winding up.
        winding: bool,
    },
    /// A settlement.
    Settlement {
        /// The strike that it belongs to.
        epoch: u64,
    },
    /// A trade.
    Trade {
        /// With whom.
        counterparty: Account,
        /// For whom, where leavers sell: their strike.
        epoch: Option<u64>,
        /// Of what.
        model: Name,
        /// At what price.
        price: PriceNano,
    },
    /// Units handed to leavers.
    Delivery {
        /// Their strike.
        epoch: u64,
    },
    /// About one model.
    Model {
        /// Which.
        model: Name,
    },
    /// A reversal.
    Correction {
        /// The number of the event that is reversed.
        corrects: u64,
    },
    /// A compensation.
    Compensation {
        /// The restatement.
        restatement: u64,
        /// The strike that was restated.
        strike: u64,
    },
    /// A distribution of fees.
    Distribution {
        /// The first strike of the span.
        from: u64,
        /// The last strike of the span.
        to: u64,
    },
}

/// A change beside the two books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// A fund exists.
    FundCreated {
        /// Its name.
        fund: Name,
        /// Its parameters.
        params: FundParams,
        /// What a day of the management fee leaves of one, at 1e18.
        retention: u64,
    },
    /// The units of a model exist.
    ModelIssued {
        /// Who receives the proceeds.
        contributors: Vec<(Name, Ppb)>,
        /// The model.
        model: Name,
    },
    /// A model is delisted for ever; its unpaid sales are gone.
    ModelDelisted {
        /// The model.
        model: Name,
    },
    /// Prices stand; a name marked without an estimate has none.
    Priced {
        /// Estimates.
        estimates: BTreeMap<Name, PriceNano>,
        /// The fund.
        fund: Name,
        /// Prices.
        prices: BTreeMap<Name, PriceNano>,
    },
    /// A subscription order waits.
    SubscriptionQueued {
        /// How much.
        amount: Cash,
        /// The fund.
        fund: Name,
        /// Whose.
        who: Name,
    },
    /// A redemption order waits.
    RedemptionQueued {
        /// The fund.
        fund: Name,
        /// How many.
        shares: Shares,
        /// Whose.
        who: Name,
    },
    /// A subscription order waits no more.
    SubscriptionCancelled {
        /// The fund.
        fund: Name,
        /// Its place in the queue, from 0.
        place: u64,
    },
    /// A redemption order waits no more.
    RedemptionCancelled {
        /// The fund.
        fund: Name,
        /// Its place in the queue, from 0.
        place: u64,
    },
    /// Subscription orders wait beyond strikes, or are settled again.
    SubscriptionsHeld {
        /// The fund.
        fund: Name,
        /// Whether they are held.
        held: bool,
    },
    /// A model may have weight, or may not any more.
    EligibilitySet {
        /// Whether it may.
        eligible: bool,
        /// The fund.
        fund: Name,
        /// The model.
        model: Name,
    },
    /// What likeness leaves a model of its part of the fees.
    FeeShareSet {
        /// The fund.
        fund: Name,
        /// The model.
        model: Name,
        /// That part.
        share: Ppb,
    },
    /// A fund's queues have changed otherwise than by an order.
    Queued {
        /// How.
        change: QueueChange,
        /// The fund.
        fund: Name,
    },
    /// Who may receive shares, or what is paused, has changed.
    Restricted {
        /// What.
        change: Restriction,
        /// The fund.
        fund: Name,
    },
    /// Something of the auction has changed.
    Bids {
        /// What.
        change: BidsChange,
        /// The fund.
        fund: Name,
    },
    /// A request waits at the window.
    WindowRequested {
        /// The fund.
        fund: Name,
        /// The least for a share.
        #[serde(default, skip_serializing_if = "super::window::is_any_price")]
        least: PriceNano,
        /// How many.
        shares: Shares,
        /// Whose.
        who: Name,
    },
    /// A request waits no more.
    WindowCancelled {
        /// The fund.
        fund: Name,
        /// Its place in the queue, from 0.
        place: u64,
    },
    /// The window was paid: its first requests wait no more.
    WindowPaid {
        /// The fund's strikes so far.
        epoch: u64,
        /// The fund.
        fund: Name,
        /// How many requests.
        requests: u64,
    },
    /// The window's first requests were given back.
    WindowReturned {
        /// The fund.
        fund: Name,
        /// How many requests.
        requests: u64,
    },
    /// Shares that were created in kind in a fund with a window: all that is known of these owners.
    YoungSet {
        /// The fund.
        fund: Name,
        /// What a transfer has moved of them, for its reversal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved: Option<MovedYoung>,
        /// By owner, the oldest first.
        young: BTreeMap<Name, Vec<Young>>,
    },
    /// What the fund has sold and its window has not counted: all of it.
    SalesOpen {
        /// The fund.
        fund: Name,
        /// By model, the oldest first.
        sales: BTreeMap<Name, Vec<OpenSale>>,
        /// Shares that there are.
        supply: Shares,
    },
    /// No redemption order waits any more; held subscription orders do.
    RedemptionsSettled {
        /// The fund.
        fund: Name,
    },
    /// No order waits any more.
    QueuesSettled {
        /// The fund.
        fund: Name,
    },
    /// Prices are committed to.
    PricesCommitted {
        /// What binds to them.
        commitment: Digest,
        /// The fund.
        fund: Name,
    },
    /// The first orders of each queue are the book of the next strike.
    OrdersClosed {
        /// The day.
        day: i64,
        /// The fund.
        fund: Name,
        /// Redemption orders in it.
        redemptions: u64,
        /// Subscription orders in it.
        subscriptions: u64,
        /// Requests at the window in it.
        #[serde(default, skip_serializing_if = "is_none")]
        window: u64,
    },
    /// The prices that were committed to are the marks.
    PricesRevealed {
        /// The fund.
        fund: Name,
    },
    /// A strike used the commitment up, or a book was opened again; so many orders wait no more.
    CommitmentUsed {
        /// The fund.
        fund: Name,
        /// The first so many redemption orders.
        redemptions: u64,
        /// The first so many subscription orders.
        subscriptions: u64,
        /// Whether its prices were never told.
        withheld: bool,
    },
    /// Clock, strikes and high-water mark.
    Progressed {
        /// The fund.
        fund: Name,
        /// What holds now.
        progress: Progress,
    },
    /// Leavers of a strike own units, or one more batch has passed for them.
    PoolSet {
        /// Their strike.
        epoch: u64,
        /// The fund.
        fund: Name,
        /// Who, and how many batches they have had.
        pool: Pool,
    },
    /// Nothing is left of a pool.
    PoolClosed {
        /// Its strike.
        epoch: u64,
        /// The fund.
        fund: Name,
    },
    /// A primary sale was made.
    TrancheSold {
        /// The model.
        model: Name,
        /// What will vest.
        tranche: Tranche,
    },
    /// Sales vested; these are left.
    TranchesVested {
        /// The model.
        model: Name,
        /// What has not been paid out in full.
        tranches: Vec<Tranche>,
    },
    /// An event is reversed, for ever.
    Corrected {
        /// Its number.
        sequence: u64,
    },
    /// Publishers have received their part of the fees up to a strike.
    FeesDistributed {
        /// The fund.
        fund: Name,
        /// The strike.
        through: u64,
    },
    /// A restatement of a strike was compensated.
    Compensated {
        /// The fund.
        fund: Name,
        /// The restatement.
        restatement: u64,
        /// The strike.
        strike: u64,
    },
    /// Other rules are in force.
    MethodologyAdopted {
        /// Digest of the rules.
        digest: Digest,
        /// The fund.
        fund: Name,
        /// Its parameters from here on.
        params: FundParams,
        /// What a day of the management fee leaves of one, at 1e18.
        retention: u64,
    },
}

const fn is_none(count: &u64) -> bool {
    *count == 0
}
