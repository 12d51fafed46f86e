//! A statement: what an owner had at one moment, every posting since then, and what he had at another.
//!
//! Balances are the engine's, postings are the rows of the journal; the one is the other's sum, exactly, for every asset.

use std::{cmp::Ordering, fmt};

use domain::{
    fund::{Account, Asset},
    name::Name,
    time::Timestamp,
};
use store::{PostingPlace, PostingRow, PostingSide, posting};

use crate::{
    Service, ServiceError,
    moment::{LedgerAt, Moment},
};

/// Which of an owner's two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purse {
    /// What is his and free.
    Own,
    /// Credits that are left for him until he fetches them.
    Claim,
}

impl Purse {
    const ALL: [Self; 2] = [Self::Own, Self::Claim];

    fn account(self, owner: &Name) -> Account {
        match self {
            Self::Own => Account::Person(owner.clone()),
            Self::Claim => Account::Claim(owner.clone()),
        }
    }
}

/// A balance that is not nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The asset.
    pub asset: Asset,
    /// The account.
    pub purse: Purse,
    /// In the smallest part of the asset.
    pub amount: i64,
}

/// A posting: one movement of one asset, seen from one account of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Where it stands; its text is a cursor.
    pub place: Place,
    /// When it was recorded.
    pub at: Timestamp,
    /// Kind of the journal's entry.
    pub kind: String,
    /// The asset.
    pub asset: Asset,
    /// What the account gained, in the smallest part of the asset; negative for what it gave.
    pub delta: i64,
    /// Where it came from or went.
    pub counter: Account,
}

/// Where a posting stands among an owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The leg.
    pub leg: PostingPlace,
    /// The account.
    pub purse: Purse,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.leg, self.purse).cmp(&(other.leg, other.purse))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PostingPlace { event_seq, entry, position } = self.leg;
        write!(f, "{event_seq}.{entry}.{position}.{}", self.purse as i64)
    }
}

impl Place {
    /// The place of a cursor; none if it is no cursor.
    #[must_use]
    pub fn parse(cursor: &str) -> Option<Self> {
        let numbers: Vec<i64> = cursor.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [event_seq, entry, position, purse] = numbers[..] else { return None };
        let purse = usize::try_from(purse).ok().and_then(|place| Purse::ALL.get(place))?;
        Some(Self { leg: PostingPlace { event_seq, entry, position }, purse: *purse })
    }
}

/// A statement of an owner.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Whose it is.
    pub owner: Name,
    /// Where it begins: what was recorded later than this is in it.
    pub from: LedgerAt,
    /// Where it ends.
    pub to: LedgerAt,
}

impl Statement {
    /// What he had before.
    #[must_use]
    pub fn opening(&self) -> Vec<Balance> {
        balances(&self.from, &self.owner)
    }

    /// What he had after.
    #[must_use]
    pub fn closing(&self) -> Vec<Balance> {
        balances(&self.to, &self.owner)
    }
}

fn balances(ledger: &LedgerAt, owner: &Name) -> Vec<Balance> {
    let accounts = Purse::ALL.map(|purse| (purse, purse.account(owner)));
    let mine = ledger.state.balances().filter_map(|(account, asset, amount)| {
        let (purse, _) = accounts.iter().find(|(_, mine)| mine == account)?;
        Some(Balance { asset: asset.clone(), purse: *purse, amount })
    });
    let mut mine: Vec<Balance> = mine.collect();
    mine.sort_by(|one, other| (&one.asset, one.purse).cmp(&(&other.asset, other.purse)));
    mine
}

impl Service {
    /// The statement of an owner from a moment to what a ledger is.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] when it ends before it begins, and those of [`Service::ledger_at`].
    pub async fn statement(
        &self,
        owner: &Name,
        begin: Timestamp,
        to: LedgerAt,
        now: Timestamp,
    ) -> Result<Statement, ServiceError> {
        let late = || {
            let reason = format!("{begin} is later than the end, {}", to.as_of);
            ServiceError::invalid("from", reason)
        };
        if begin > to.as_of {
            return Err(late());
        }
        let from = self.ledger_at(&Moment::new(now, Some(begin), None)).await?;
        // The end may be known less well than it is late.
        if from.seq > to.seq {
            return Err(late());
        }
        Ok(Statement { owner: owner.clone(), from, to })
    }

    /// The postings of a statement in the order of the journal, after a place, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_postings(
        &self,
        statement: &Statement,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Posting>, ServiceError> {
        let start = PostingPlace { event_seq: statement.from.seq + 1, entry: 0, position: 0 };
        let first = after.map_or(start, |after| after.leg.max(start));
        let mut postings = Vec::new();
        for purse in Purse::ALL {
            let account = purse.account(&statement.owner).to_string();
            for side in [PostingSide::From, PostingSide::To] {
                // One more than the page: the leg of the cursor is read again.
                let found = (account.as_str(), side);
                let rows = posting::list(&self.store, found, first, statement.to.seq, limit + 1);
                for row in rows.await? {
                    postings.push(read(row, purse, side)?);
                }
            }
        }
        postings.retain(|posting| after.is_none_or(|after| posting.place > after));
        postings.sort_by_key(|posting| posting.place);
        postings.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(postings)
    }
}

fn read(row: PostingRow, purse: Purse, side: PostingSide) -> Result<Posting, ServiceError> {
    let (delta, counter) = match side {
        PostingSide::From => (-row.amount, row.to_account),
        PostingSide::To => (row.amount, row.from_account),
    };
    Ok(Posting {
        place: Place { leg: row.place, purse },
        at: Timestamp::from_millis(row.recorded_at),
        kind: row.kind,
        asset: row.asset.parse().map_err(ServiceError::internal)?,
        delta,
        counter: counter.parse().map_err(ServiceError::internal)?,
    })
}
