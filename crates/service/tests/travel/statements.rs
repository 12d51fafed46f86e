//! Statements over a life: what was before, every posting, what was after.

use std::collections::BTreeMap;

use domain::{amount::Cash, fund::Asset, time::Timestamp};
use service::{Balance, Moment, Posting, Purse, Service};

use crate::{Answer, market::name, moment};

type Sums = BTreeMap<(Asset, Purse), i64>;

fn sums(balances: Vec<Balance>) -> Sums {
    balances.into_iter().map(|b| ((b.asset, b.purse), b.amount)).collect()
}

/// Between any two moments opening and postings make closing, page by page as at once, and both ends are the ledger's own balances.
pub(crate) async fn check(service: &Service, answers: &[Answer], now: Timestamp) {
    let mut seen = 0;
    for owner in ["ann", "bob", "LP", "lab", "nobody"] {
        let owner = name(owner);
        for (place, begin) in answers.iter().enumerate().step_by(3) {
            for end in answers[place..].iter().step_by(4) {
                let to = service.ledger_at(&moment(now, end.at.as_millis())).await.unwrap();
                let statement = service.statement(&owner, begin.at, to, now).await.unwrap();
                let mut sum = sums(statement.opening());
                let all = service.list_postings(&statement, None, 1_000).await.unwrap();
                let mut pages: Vec<Posting> = Vec::new();
                loop {
                    let after = pages.last().map(|posting| posting.place);
                    let page = service.list_postings(&statement, after, 2).await.unwrap();
                    if page.is_empty() {
                        break;
                    }
                    pages.extend(page);
                }
                assert_eq!(pages, all, "{owner}: two at a time");
                for posting in all {
                    assert!(posting.at > begin.at && posting.at <= end.at, "{posting:?}");
                    let balance = sum.entry((posting.asset, posting.place.purse)).or_default();
                    *balance += posting.delta;
                    seen += 1;
                }
                sum.retain(|_, balance| *balance != 0);
                assert_eq!(sum, sums(statement.closing()), "{owner}, {} to {}", begin.at, end.at);
            }
        }
    }
    assert!(seen > 100, "{seen} postings");
    let live = service.ledger_at(&Moment::now(now)).await.unwrap();
    let first = answers[0].at.plus_millis(-1);
    let statement = service.statement(&name("ann"), first, live, now).await.unwrap();
    assert!(statement.opening().is_empty());
    let first = service.list_postings(&statement, None, 1).await.unwrap().remove(0);
    assert_eq!(
        (first.kind.as_str(), Cash::from_micro(first.delta)),
        ("deposit", Cash::from_micro(5_000_000_000))
    );
    let last = answers.last().unwrap();
    let early = service.ledger_at(&moment(now, answers[3].at.as_millis())).await.unwrap();
    let refused = service.statement(&name("ann"), last.at, early, now).await.unwrap_err();
    assert!(refused.to_string().starts_with("from: "), "{refused}");
}
