//! Orders of closed books: an owner is given the path from his order to the root that the log has of the book (ops/decisions/0048).

use std::sync::Arc;

use domain::{
    fund::{Event, Salt},
    name::Name,
    proof::{Book, LeafProof, LeafRecord, OrderEvidence},
};
use store::{
    LogLeafRow, OrderSide, PriceCommitmentRow, fund_order, ledger, log_head, log_leaf,
    price_commitment,
};

use crate::{
    Service, ServiceError,
    kept::Kept,
    log::{inclusion, read_head},
    orders::Order,
    proofs::strike_subject,
    reveal::book_orders,
    token::{Caller, Scope},
};

/// Books that are kept.
pub(crate) type KeptBooks = Kept<Book>;

/// Orders read from the database at a time.
const PAGE_ORDERS: u64 = 10_000;
/// Leaves read from the database at a time.
const PAGE_LEAVES: u64 = 100;

impl Service {
    /// What shows that an order is in the closed book of a strike, the last that was closed while it waited; none for one that is in none:
    /// it was placed after the cut-off, nobody bound the prices before, or no head has the cut-off yet. The owner's own, or anybody's
    /// for the operator.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for no order, or another's; [`ServiceError::Replaying`] and [`ServiceError::Crowded`] where the same
    /// question has to be asked again, because the state at the cut-off is far from any that is kept.
    pub async fn order_evidence(
        &self,
        caller: &Caller,
        id: i64,
    ) -> Result<Option<OrderEvidence>, ServiceError> {
        let order = self.find_order(id).await?;
        let order = order.ok_or_else(|| ServiceError::absent("order", id.to_string()))?;
        self.evidence_of(caller, &order).await
    }

    /// The same for an order as it was seen at a moment: what came later is not known.
    ///
    /// # Errors
    /// As [`order_evidence`](Self::order_evidence).
    pub async fn evidence_of(
        &self,
        caller: &Caller,
        order: &Order,
    ) -> Result<Option<OrderEvidence>, ServiceError> {
        let absent = || ServiceError::absent("order", order.id.to_string());
        if order.owner != caller.owner && !caller.may(Scope::Operate) {
            return Err(absent());
        }
        let row = fund_order::find(&self.store, order.id).await?.ok_or_else(absent)?;
        let end = row.closed_by.unwrap_or(i64::MAX).min(order.last.saturating_add(1));
        let span = (order.id, end);
        let made = price_commitment::find_closed_between(&self.store, &row.fund, span).await?;
        let Some(made) = made else { return Ok(None) };
        let Some(cut_off) = made.closed_by else { return Ok(None) };
        let book = self.book_of(&made, &order.fund, cut_off).await?;
        let Some(proof) = book.prove(order.id.unsigned_abs()) else { return Ok(None) };
        let Some((row, leaf)) = self.leaf_of_book(&made, &order.fund, cut_off).await? else {
            return Ok(None);
        };
        let head = log_head::first_of(&self.store, row.leaf_index + 1).await?;
        let Some(head) = head.map(read_head).transpose()? else { return Ok(None) };
        if order.known_at.is_some_and(|known_at| head.at > known_at) {
            return Ok(None);
        }
        let index = row.leaf_index.unsigned_abs();
        let path = inclusion(&self.store, index, head.size).await?;
        let path = path.ok_or_else(|| ServiceError::internal("a head without its leaf"))?;
        let leaf = LeafProof { index, leaf, path };
        Ok(Some(OrderEvidence { order_version: OrderEvidence::VERSION, proof, leaf, head }))
    }

    /// The book that an event closed, out of the state that it left.
    async fn book_of(
        &self,
        made: &PriceCommitmentRow,
        fund: &Name,
        cut_off: i64,
    ) -> Result<Arc<Book>, ServiceError> {
        let key = format!("{fund}@{cut_off}");
        if let Some(book) = self.books.find(&key) {
            return Ok(book);
        }
        let turn = self.books.turn.lock().await;
        if let Some(book) = self.books.find(&key) {
            return Ok(book);
        }
        let (state, _) = self.history.state_at(&self.store, cut_off).await?;
        let ids = [
            self.waited(fund, OrderSide::Subscription, cut_off).await?,
            self.waited(fund, OrderSide::Redemption, cut_off).await?,
            self.waited(fund, OrderSide::Window, cut_off).await?,
        ];
        let orders = book_orders(&state, fund, ids);
        let orders = orders.ok_or_else(|| ServiceError::internal("a cut-off without a book"))?;
        let (number, salt) = (made.number.unsigned_abs(), self.salt_of_book(cut_off).await?);
        let book = Arc::new(Book::new(fund.clone(), number, orders, salt));
        let root = book.root();
        if made.book_root.as_deref() != Some(root.root.to_string().as_str()) {
            return Err(ServiceError::internal(format!("the book {key} is not that of its leaf")));
        }
        self.books.keep(&key, root.count, book.clone());
        drop(turn);
        Ok(book)
    }

    /// The ids of the orders of a side that waited right after an event.
    async fn waited(
        &self,
        fund: &Name,
        side: OrderSide,
        event: i64,
    ) -> Result<Vec<i64>, ServiceError> {
        let mut orders: Vec<i64> = Vec::new();
        loop {
            let (of, after) = ((fund.as_str(), side), orders.last().copied());
            let page =
                fund_order::list_waiting_at(&self.store, of, event, after, PAGE_ORDERS).await?;
            orders.extend(page.iter().map(|row| row.event_seq));
            if (page.len() as u64) < PAGE_ORDERS {
                return Ok(orders);
            }
        }
    }

    async fn salt_of_book(&self, cut_off: i64) -> Result<Salt, ServiceError> {
        let event = ledger::find_event(&self.store, cut_off).await?;
        let event = event.ok_or_else(|| ServiceError::internal("a cut-off without its event"))?;
        match serde_json::from_str(&event.body).map_err(ServiceError::internal)? {
            Event::CloseOrders { salt, .. } => Ok(salt),
            _ => Err(ServiceError::internal("a cut-off whose event is none")),
        }
    }

    /// The leaf of a cut-off. A book that was opened again has a leaf too, and the strike may have another.
    async fn leaf_of_book(
        &self,
        made: &PriceCommitmentRow,
        fund: &Name,
        of: i64,
    ) -> Result<Option<(LogLeafRow, LeafRecord)>, ServiceError> {
        let subject = strike_subject(fund, made.number.unsigned_abs());
        let mut after = None;
        loop {
            let about = ("orders", subject.as_str());
            let page = log_leaf::list_about(&self.store, about, after, PAGE_LEAVES).await?;
            let is_last = (page.len() as u64) < PAGE_LEAVES;
            after = page.last().map(|row| row.leaf_index);
            for row in page {
                let leaf: LeafRecord =
                    serde_json::from_str(&row.body).map_err(ServiceError::internal)?;
                let is_it = matches!(&leaf, LeafRecord::Orders { cut_off, .. }
                    if *cut_off == of.unsigned_abs());
                if is_it {
                    return Ok(Some((row, leaf)));
                }
            }
            if is_last {
                return Ok(None);
            }
        }
    }
}
