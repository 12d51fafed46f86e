//! The fund engine: one ledger, many funds, a state machine.
//!
//! [`apply`] takes a [`State`] and an [`Event`] and answers with a [`Batch`] or a [`Rejection`]; it changes nothing.
//! [`State::commit`] takes the batch over. Live dealing, backtest, replay, simulation and the offline verifier call these two.
//!
//! Laws:
//! - An event applies whole or not at all.
//! - Two books: custody moves assets between owners, the valuation ledger values them in one currency; every entry balances in both.
//! - A mark never creates cash. Leavers take a slice of what there is; joiners pay the ask.
//! - All numbers are integers; every quotient names its rounding (FUND 2).
//! - Every movement has a file of its own. To add one: a variant of [`Event`], a file with its legs as data, a line in [`apply`].

mod account;
mod admit;
mod adopt;
mod auction;
mod batch;
mod bidding;
mod book;
mod check;
mod compensate;
mod correct;
mod create;
mod create_in_kind;
mod custody;
mod cut_off;
mod delist;
mod distribute;
mod doubt;
mod eligibility;
mod event;
mod event_fund;
pub mod export;
mod fee_share;
mod fund_state;
mod hold;
mod in_kind;
mod kind;
mod mark;
mod math;
mod methodology;
mod orders;
mod outcome;
mod params;
mod quote;
mod rebalance;
mod rejection;
pub mod replay;
pub mod restatement;
mod restriction;
mod reveal;
mod royalty;
mod salt;
mod seed;
mod state;
mod strike;
pub(crate) mod trading;
mod vest;
mod window;

use self::mark::mark_set;

pub use account::{Account, Asset, GlAccount, ParseAccountError};
pub use auction::{
    Auction, AuctionParams, AuctionResult, Bid, BidSide, BidsChange, Call, ClearedMarket,
    SealedBids, bid_commitment,
};
pub use batch::{Batch, Effect, Entry, GlLine, Leg, Meta};
pub use bidding::check_bid_set;
pub use create_in_kind::{CreateQuote, quote_create};
pub use cut_off::{CutOff, QueueChange};
pub use distribute::{FeeSpan, MissingFeeShare, divide_fees};
pub use doubt::{has_jumped, is_too_much};
pub use event::Event;
pub use fund_state::{FundState, Holding, Pool, Progress, nav_per_share_nano};
pub use kind::Kind;
pub use methodology::{
    ForcedReason, Methodology, MethodologyError, NOTICE_DAYS, Note, Plan, RebalanceHistory, Review,
    Reviewed, Score, Track,
};
pub use outcome::{Fill, Outcome, Slice, StrikeOutcome};
pub use params::FundParams;
pub use quote::{EXIT_BATCHES, ExitQuote, quote_exit};
pub use rejection::Rejection;
pub use restriction::{Restriction, Restrictions};
pub use reveal::{BOOK_DAYS_MAX, ClosedBook, Commitment, PriceSet};
pub use salt::{ParseSaltError, Salt};
pub use state::{ModelState, State, Tranche};
pub use window::{
    Clearing, MovedYoung, OpenSale, Window, WindowBid, WindowFill, WindowParams, WindowQuote,
    Young, quote_window, window_bid,
};

/// Computes what `event` does to `state`, and changes nothing.
///
/// # Errors
/// The first check that fails, in the order of FUND 1.6: arguments, clock, state, balances.
pub fn apply(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::CreateFund { fund, params } => create::create_fund(state, fund, params),
        Event::Deposit { who, amount } => custody::deposit(state, who, *amount),
        Event::Withdraw { who, amount } => custody::withdraw(state, who, *amount),
        Event::Transfer { who, to, asset, amount } => {
            custody::transfer(state, who, to, asset, *amount)
        }
        Event::Claim { who } => custody::claim(state, who),
        Event::Admit { fund, model, publisher, price, bond, contributors } => {
            let (price, bond) = (*price, *bond);
            let of = admit::Admission { fund, model, publisher, price, bond, contributors };
            admit::admit(state, &of)
        }
        Event::Seed { fund, who, amount, day } => seed::seed(state, fund, who, *amount, *day),
        Event::MarkSet { fund, prices, estimates } => mark_set(state, fund, prices, estimates),
        Event::Subscribe { fund, who, amount } => orders::subscribe(state, fund, who, *amount),
        Event::Redeem { fund, who, shares } => orders::redeem(state, fund, who, *shares),
        Event::CancelSubscription { .. } | Event::CancelRedemption { .. } => {
            orders::cancel(state, event)
        }
        Event::HoldSubscriptions { fund, held } => orders::hold_subscriptions(state, fund, *held),
        Event::SetAllowList { .. }
        | Event::Allow { .. }
        | Event::Freeze { .. }
        | Event::Pause { .. } => restriction::restrict(state, event),
        Event::SetEligible { .. }
        | Event::CommitPrices { .. }
        | Event::CloseOrders { .. }
        | Event::ReopenOrders { .. }
        | Event::CutOff { .. }
        | Event::HoldOrder { .. }
        | Event::SetFeeShare { .. }
        | Event::RevealPrices { .. } => two_sided(state, event),
        Event::SealBids { .. }
        | Event::TakeBackBids { .. }
        | Event::CallBids { .. }
        | Event::OpenBids { .. }
        | Event::CloseBids { .. }
        | Event::RequestWindow { .. }
        | Event::CancelWindow { .. }
        | Event::PayWindow { .. } => at_venue(state, event),
        Event::Strike { fund, day } => strike::strike(state, fund, *day),
        Event::InKind { fund, who, shares, day, skip } => {
            let (shares, day) = (*shares, *day);
            in_kind::in_kind(state, &in_kind::InKind { fund, who, shares, day, skip })
        }
        Event::CreateInKind { fund, who, shares, day } => {
            create_in_kind::create_in_kind(state, fund, who, *shares, *day)
        }
        Event::Correct { corrects, event, claimed } => {
            correct::correct(state, *corrects, event, *claimed)
        }
        Event::Compensate { .. } => compensate::compensate(state, event),
        Event::DistributeFees { .. } => distribute::distribute_fees(state, event),
        Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary } => {
            let (cash, spread, max_primary) = (*cash, *spread, *max_primary);
            rebalance::rebalance(
                state,
                &rebalance::Order { fund, weights, cash, spread, counterparties, max_primary },
            )
        }
        Event::Vest { fund, model, day } => vest::vest(state, fund, model, *day),
        Event::Royalty { model, amount } => royalty::royalty(state, model, *amount),
        Event::Delist { fund, model } => delist::delist(state, fund, model),
        Event::AdoptMethodology { fund, digest, params } => {
            adopt::adopt_methodology(state, fund, *digest, params)
        }
    }
}

/// The events of the window and of the auction.
fn at_venue(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::RequestWindow { fund, who, shares, least } => {
            window::request(state, fund, who, (*shares, *least))
        }
        Event::CancelWindow { fund, who, place } => window::cancel(state, fund, who, *place),
        Event::PayWindow { fund, day } => window::pay(state, fund, *day),
        _ => bidding::bidding(state, event),
    }
}

/// The events of the two-sided strike, of what a strike leaves waiting, and of what is said of a model.
fn two_sided(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::CommitPrices { fund, commitment } => reveal::commit_prices(state, fund, *commitment),
        Event::CloseOrders { fund, day, salt: _ } => reveal::close_orders(state, fund, *day),
        Event::ReopenOrders { fund, day } => reveal::reopen_orders(state, fund, *day),
        Event::CutOff { fund, at } => cut_off::cut_off(state, fund, *at),
        Event::HoldOrder { fund, who, place, held, day } => {
            hold::hold_order(state, fund, (who, *place), (*held, *day))
        }
        Event::SetEligible { fund, model, eligible } => {
            eligibility::set_eligible(state, fund, model, *eligible)
        }
        Event::SetFeeShare { fund, model, share } => {
            fee_share::set_fee_share(state, fund, model, *share)
        }
        Event::RevealPrices { fund, prices, estimates, salt } => {
            reveal::reveal_prices(state, fund, prices, estimates, salt)
        }
        _ => Err(Rejection::Internal("an event of no commitment")),
    }
}
