//! The two-sided strike: prices are bound, orders closed, prices told; three commands, each of which survives a crash of the next.
//!
//! What is bound are the accepted prices of that moment; what is accepted later is not in the strike. Where it would have moved NAV at
//! the ask by more than a two-hundredth, up or down, joiners have their money back: nobody deals at a price that public reports
//! contradict, and whoever sets the prices gains nothing by waiting for them to be wrong (ops/decisions/0039).

use std::collections::BTreeMap;

use domain::{
    amount::{Femto, PriceNano},
    digest::Digest,
    fund::{BOOK_DAYS_MAX, Event, FundState, Methodology, PriceSet, Rejection, Salt, State},
    name::Name,
    proof::{BookRoot, Order, OrderKind},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    OrderSide, PriceCommitmentRow, StoreTransaction, fund_order, log_head, log_leaf,
    price_commitment, strike,
};

use crate::{
    Service, ServiceError,
    bids::end_opening,
    command::{Begun, Request},
    cut_offs::close_if_due,
    doubt::hold_in_doubt,
    exits::fund_day,
    funds::{Fund, ModelMark, accepted_marks, ledger_command},
    ledger::LedgerUnit,
    log::NewLeaf,
    moment::LedgerAt,
    orders::waiting,
    proofs::strike_subject,
    strikes::FundOnly,
    token::{Caller, Scope},
};

/// What prices may have moved since the commitment, one part in so many of NAV at the ask: the least half-width of a price's band.
const MOVED_PARTS: usize = 200;

/// What is kept between commitment and reveal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    prices: BTreeMap<Name, PriceNano>,
    estimates: BTreeMap<Name, PriceNano>,
    salt: Salt,
}

/// A commitment to the prices of a strike, as everybody may see it.
#[derive(Clone, Debug)]
pub struct StrikeCommitment {
    /// The strike that it is for.
    pub number: i64,
    /// What binds to the prices.
    pub digest: Digest,
    /// Number of the event that made it: an order with a larger id met prices that were bound when it was not known.
    pub event: i64,
    /// When it was made.
    pub committed_at: Timestamp,
    /// The cut-off; none while orders are taken.
    pub cut_off: Option<CutOff>,
    /// The prices, when they were told.
    pub told: Option<ToldPrices>,
}

/// The closed book of a strike.
#[derive(Clone, Debug)]
pub struct CutOff {
    /// Number of its event: an order with a larger id is not in the book.
    pub event: i64,
    /// When the book was closed.
    pub at: Timestamp,
    /// The salted root over its orders, as the log's leaf has it.
    pub root: Digest,
    /// Orders in it.
    pub orders: i64,
}

/// Prices that were bound, and told.
#[derive(Clone, Debug)]
pub struct ToldPrices {
    /// When.
    pub at: Timestamp,
    /// Accepted prices.
    pub prices: BTreeMap<Name, PriceNano>,
    /// Pooled estimates.
    pub estimates: BTreeMap<Name, PriceNano>,
    /// What the commitment was salted with.
    pub salt: Salt,
}

fn read(row: PriceCommitmentRow) -> Result<StrikeCommitment, ServiceError> {
    let cut_off = match (row.closed_by, row.closed_at, row.book_root, row.book_count) {
        (Some(event), Some(at), Some(root), Some(orders)) => Some(CutOff {
            event,
            at: Timestamp::from_millis(at),
            root: root.parse().map_err(ServiceError::internal)?,
            orders,
        }),
        _ => None,
    };
    let told = match row.revealed_at {
        Some(at) => {
            let Sealed { prices, estimates, salt } =
                serde_json::from_str(&row.sealed).map_err(ServiceError::internal)?;
            Some(ToldPrices { at: Timestamp::from_millis(at), prices, estimates, salt })
        }
        None => None,
    };
    Ok(StrikeCommitment {
        number: row.number,
        digest: row.digest.parse().map_err(ServiceError::internal)?,
        event: row.event_seq,
        committed_at: Timestamp::from_millis(row.committed_at),
        cut_off,
        told,
    })
}

/// 32 bytes that nobody knows.
///
/// # Errors
/// [`ServiceError::Internal`] where the system gives no random numbers.
pub(crate) fn fresh_salt() -> Result<Salt, ServiceError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ServiceError::internal(error.to_string()))?;
    Ok(Salt::from_bytes(bytes))
}

fn get_state<'a>(ledger: &'a LedgerUnit<'_>, fund: &Name) -> Result<&'a FundState, ServiceError> {
    ledger.state.fund(fund).ok_or_else(|| ServiceError::absent("fund", fund.as_str()))
}

impl Service {
    /// Binds the prices of a fund's next strike to what is accepted now, and tells nobody; the commitment comes back.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `commitment` while one is open, or another code of the ledger.
    pub async fn commit_prices(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<Digest, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundOnly { fund };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "prices_commit", &input);
        // Behind a cut-off nothing is bound: whoever binds then knows the book.
        close_if_due(&mut ledger, fund).await?;
        // Nobody opens bids who knows the prices that they meet.
        end_opening(&mut ledger, fund).await?;
        let marks = accepted_marks(&ledger, fund).await?;
        let prices = marks.iter().map(|m| (m.model.clone(), m.price)).collect();
        let estimates = marks.iter().filter_map(|m| Some((m.model.clone(), m.estimate?))).collect();
        let sealed = Sealed { prices, estimates, salt: fresh_salt()? };
        let number = get_state(&ledger, fund)?.epoch() + 1;
        let Sealed { prices, estimates, salt } = &sealed;
        let digest = PriceSet { fund, number, prices, estimates, salt }
            .commitment()
            .map_err(ServiceError::internal)?;
        let event = Event::CommitPrices { fund: fund.clone(), commitment: digest };
        let (event_seq, _) = ledger.post(&event).await?;
        let row = PriceCommitmentRow {
            event_seq,
            fund: fund.to_string(),
            number: i64::try_from(number).map_err(ServiceError::internal)?,
            digest: digest.to_string(),
            sealed: serde_json::to_string(&sealed).map_err(ServiceError::internal)?,
            committed_at: ledger.at(),
            closed_by: None,
            book_root: None,
            book_count: None,
            closed_at: None,
            used_by: None,
            revealed_at: None,
        };
        price_commitment::insert(&ledger.unit.transaction, row).await?;
        ledger.unit.append_leaf(NewLeaf::commitment(fund, number, digest, caller.now)).await?;
        ledger.finish(&format!("{fund}/{number}"), digest).await
    }

    /// Closes the book of a fund's next strike: the orders that wait now are in it and stay in it; those that come later wait for the
    /// strike after it. The head that is signed with it has the root over the book before anybody is told the prices.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with `commitment` before prices are bound and after the book is closed.
    pub async fn close_orders(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<Digest, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundOnly { fund };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "orders_close", &input);
        let (number, root) = close_book(&mut ledger, fund).await?;
        ledger.finish(&format!("{fund}/{number}"), root).await
    }

    /// The commitment of a fund that no strike had used up on a ledger. What was told of it later is not told: neither a cut-off that came
    /// after, nor ever a price.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_open_commitment(
        &self,
        fund: &Name,
        ledger: &LedgerAt,
    ) -> Result<Option<StrikeCommitment>, ServiceError> {
        let row = price_commitment::find_open_by(&self.store, fund.as_str(), ledger.seq).await?;
        let Some(row) = row else { return Ok(None) };
        let closed_by = row.closed_by.filter(|closed_by| *closed_by <= ledger.seq);
        read(PriceCommitmentRow { closed_by, used_by: None, revealed_at: None, ..row }).map(Some)
    }

    /// How the prices of a strike were bound; none where nobody committed to them before its cut-off.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_strike_commitment(
        &self,
        fund: &Name,
        number: i64,
    ) -> Result<Option<StrikeCommitment>, ServiceError> {
        let Some(row) = strike::find(&self.store, fund.as_str(), number).await? else {
            return Ok(None);
        };
        price_commitment::find_used_by(&self.store, row.event_seq).await?.map(read).transpose()
    }
}

/// Closes the book of a commitment, with its root in the log: the cut-off of the next strike, whoever finds that it has come.
pub(crate) async fn close_book(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(u64, Digest), ServiceError> {
    let rules = Fund::find_in(&ledger.unit.transaction, fund).await?.methodology;
    hold_in_doubt(ledger, fund, (&rules, &BTreeMap::new()), None).await?;
    let (day, salt) = (fund_day(&ledger.state, fund, ledger.unit.caller.now), fresh_salt()?);
    let event = Event::CloseOrders { fund: fund.clone(), day, salt };
    let (closed_by, _) = ledger.post(&event).await?;
    let number = get_state(ledger, fund)?.epoch() + 1;
    let transaction = &ledger.unit.transaction;
    let ids = [
        waiting(transaction, fund, OrderSide::Subscription).await?,
        waiting(transaction, fund, OrderSide::Redemption).await?,
        waiting(transaction, fund, OrderSide::Window).await?,
    ];
    let orders = book_orders(&ledger.state, fund, ids);
    let orders = orders.ok_or_else(|| ServiceError::internal("a cut-off without a book"))?;
    let root = BookRoot::of(fund, number, orders.iter(), &salt);
    let row = get_open(&ledger.unit.transaction, fund).await?;
    let count = i64::try_from(root.count).map_err(ServiceError::internal)?;
    let (at, digest) = ((closed_by, ledger.at()), root.root.to_string());
    let transaction = &ledger.unit.transaction;
    if !price_commitment::close(transaction, row.event_seq, at, (digest.as_str(), count)).await? {
        return Err(ServiceError::internal("a book that was closed in the table alone"));
    }
    let commitment = row.digest.parse().map_err(ServiceError::internal)?;
    let cut_off = closed_by.unsigned_abs();
    let now = ledger.unit.caller.now;
    let leaf = NewLeaf::orders((fund, number), commitment, (cut_off, root), now);
    ledger.unit.append_leaf(leaf).await?;
    Ok((number, root.root))
}

async fn get_open(
    transaction: &StoreTransaction,
    fund: &Name,
) -> Result<PriceCommitmentRow, ServiceError> {
    let row = price_commitment::find_open(transaction, fund.as_str()).await?;
    row.ok_or_else(|| ServiceError::internal("a commitment of the ledger alone"))
}

/// The orders of a closed book, in the order of the journal; none where no book is closed. Of the ids of the orders that wait (joiners,
/// leavers, those at the window) the first are those of the book.
pub(crate) fn book_orders(state: &State, fund: &Name, ids: [Vec<i64>; 3]) -> Option<Vec<Order>> {
    let state = state.fund(fund)?;
    let closed = state.open_commitment().and_then(|open| open.book)?;
    let counts = [closed.subscriptions, closed.redemptions, closed.window];
    let ids = ids.into_iter().zip(counts).flat_map(|(ids, count)| ids.into_iter().take(count));
    let joins = state.pending_subscriptions().iter().take(closed.subscriptions);
    let joins = joins.map(|(who, cash)| (OrderKind::Subscription, who, cash.as_micro()));
    let leaves = state.pending_redemptions().iter().take(closed.redemptions);
    let leaves = leaves.map(|(who, shares)| (OrderKind::Redemption, who, shares.as_nano()));
    let asks = state.window().requests().iter().take(closed.window);
    let asks = asks.map(|(who, shares)| (OrderKind::Window, who, shares.as_nano()));
    let order = |(id, (kind, who, amount)): (i64, (OrderKind, &Name, i64))| Order {
        sequence: id.unsigned_abs(),
        kind,
        amount,
        who: who.clone(),
    };
    let orders = joins.chain(leaves).chain(asks);
    let mut orders: Vec<Order> = ids.zip(orders).map(order).collect();
    orders.sort_by_key(|order| order.sequence);
    Some(orders)
}

/// Sets the prices of a strike: those that were bound where some were, otherwise those that are accepted now. With `withhold` those that
/// were bound are not told, and marks stay as they were. The models come back whose mark is what is accepted now.
pub(crate) async fn set_prices(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    rules: &Methodology,
    withhold: bool,
) -> Result<Vec<Name>, ServiceError> {
    let open = get_state(ledger, fund)?.open_commitment().copied();
    let Some(open) = open else {
        if withhold {
            let reason = "nothing is bound that could be withheld".to_owned();
            return Err(ServiceError::invalid("withhold", reason));
        }
        return mark_accepted(ledger, fund, rules).await;
    };
    if withhold {
        tracing::warn!(%fund, "the prices of a commitment are withheld");
        hold_in_doubt(ledger, fund, (rules, &BTreeMap::new()), None).await?;
        return Ok(Vec::new());
    }
    if open.book.is_none() {
        let why = "orders are not closed yet: close them before the strike";
        return Err(Rejection::Commitment { fund: fund.clone(), why }.into());
    }
    let row = get_open(&ledger.unit.transaction, fund).await?;
    check_signed(ledger, fund).await?;
    let sealed: Sealed = serde_json::from_str(&row.sealed).map_err(ServiceError::internal)?;
    let moved = moved(ledger, fund, &sealed).await?;
    hold_in_doubt(ledger, fund, (rules, &sealed.prices), moved).await?;
    let is_known = |mark: &ModelMark| {
        let bound = (sealed.prices.get(&mark.model), sealed.estimates.get(&mark.model));
        bound == (Some(&mark.price), mark.estimate.as_ref())
    };
    let marks = accepted_marks(ledger, fund).await?.into_iter();
    let known = marks.filter(is_known).map(|mark| mark.model).collect();
    let Sealed { prices, estimates, salt } = sealed;
    ledger.post(&Event::RevealPrices { fund: fund.clone(), prices, estimates, salt }).await?;
    Ok(known)
}

async fn mark_accepted(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
    rules: &Methodology,
) -> Result<Vec<Name>, ServiceError> {
    let marks = accepted_marks(ledger, fund).await?;
    let prices = marks.iter().map(|m| (m.model.clone(), m.price)).collect();
    hold_in_doubt(ledger, fund, (rules, &prices), None).await?;
    if !marks.is_empty() {
        let estimates = marks.iter().filter_map(|m| Some((m.model.clone(), m.estimate?))).collect();
        ledger.post(&Event::MarkSet { fund: fund.clone(), prices, estimates }).await?;
    }
    Ok(marks.into_iter().map(|mark| mark.model).collect())
}

/// Nobody is told the prices before a head is signed that has the book: the server signs it with the cut-off, or within a second.
async fn check_signed(ledger: &LedgerUnit<'_>, fund: &Name) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let subject = strike_subject(fund, get_state(ledger, fund)?.epoch() + 1);
    let leaf = log_leaf::latest(transaction, "orders", &subject).await?;
    let leaf = leaf.ok_or_else(|| ServiceError::internal("a closed book without a leaf"))?;
    if log_head::first_of(transaction, leaf.leaf_index + 1).await?.is_some() {
        return Ok(());
    }
    let reason =
        format!("the closed book of {fund} is in no signed head yet: prices are told after it");
    Err(ServiceError::invalid("fund", reason))
}

/// Why joiners shall not deal at prices that were bound: those that are accepted now are too far from them.
async fn moved(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    sealed: &Sealed,
) -> Result<Option<String>, ServiceError> {
    let state = get_state(ledger, fund)?;
    let cash = state.cash(&ledger.state).to_femto();
    let (mut bound, mut now) = (cash, cash);
    for mark in accepted_marks(ledger, fund).await? {
        let units = state.units(&ledger.state, &mark.model);
        let ask = |price: PriceNano, estimate: Option<PriceNano>| {
            units.value_at(estimate.map_or(price, |estimate| estimate.max(price)))
        };
        let current = ask(mark.price, mark.estimate);
        let price = sealed.prices.get(&mark.model).copied();
        bound += price.map_or(current, |p| ask(p, sealed.estimates.get(&mark.model).copied()));
        now += current;
    }
    let apart = if now > bound { now - bound } else { bound - now };
    let apart: Femto = std::iter::repeat_n(apart, MOVED_PARTS).sum();
    let reason =
        || format!("prices moved since they were bound: NAV at the ask is {now} now, {bound} then");
    Ok((apart > bound).then(reason))
}

/// Writes down that a strike used a commitment up.
pub(crate) async fn use_up(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    used_by: i64,
    is_told: bool,
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let row = get_open(transaction, fund).await?;
    let revealed_at = is_told.then(|| ledger.at());
    if price_commitment::use_up(transaction, row.event_seq, used_by, revealed_at).await? {
        return Ok(());
    }
    Err(ServiceError::internal("a commitment that was used up in the table alone"))
}

/// Opens a book that has waited too long for its strike, so that nobody's order is shut in: its joiners have their money back, and
/// those who asked the window their shares.
pub(crate) async fn reopen_if_due(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    let closed = get_state(ledger, fund)?.closed_book();
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let Some(closed) = closed.filter(|closed| day - closed.day >= BOOK_DAYS_MAX) else {
        return Ok(());
    };
    let is_bound = get_state(ledger, fund)?.open_commitment().is_some();
    let (event_seq, _) = ledger.post(&Event::ReopenOrders { fund: fund.clone(), day }).await?;
    if !is_bound {
        // The book of a cut-off alone gives nothing back: all wait on, and may take their orders back.
        return Ok(());
    }
    let transaction = &ledger.unit.transaction;
    for (side, count) in
        [(OrderSide::Subscription, closed.subscriptions), (OrderSide::Window, closed.window)]
    {
        let orders = waiting(transaction, fund, side).await?;
        if let Some(last) = count.checked_sub(1).and_then(|place| orders.get(place)) {
            fund_order::close_up_to(transaction, fund.as_str(), side, (*last, event_seq)).await?;
        }
    }
    use_up(ledger, fund, event_seq, false).await
}
