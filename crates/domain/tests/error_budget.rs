//! The error budget of a NAV: prices again out of items, and what names share.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;

use domain::{
    amount::{Cash, PriceNano, Shares, Units},
    disclosure::{BudgetName, ErrorBudget, error_budget},
    evaluation::{Report, report::ItemPrice},
};
use support::{context, label_counts, measurement, subject, suite};

const ITEMS: usize = 2000;

/// Right and wrong items: a share of `right` in a thousand of them, by a sequence that `turn` shifts.
fn outcomes(right: usize, turn: usize) -> String {
    (0..ITEMS).map(|item| if (item * 389 + turn * 97) % 1000 < right { '1' } else { '0' }).collect()
}

fn report(name: &str, right: &str, reference: &str) -> (Report, ItemPrice) {
    let measured = measurement(subject(name, right), Some(subject("reference", reference)), 3, 7);
    let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
    let report = Report::derive(&measured, &context(&suite, &counts)).unwrap();
    let items = ItemPrice::of(&report, &measured).unwrap();
    (report, items)
}

fn held(name: &str, right: &str, reference: &str, sigma_cost: f64) -> BudgetName {
    let (report, items) = report(name, right, reference);
    BudgetName {
        model: name.parse().unwrap(),
        units: Units::from_micro(1_000_000_000),
        price: PriceNano::from_micro(report.price_micro.unwrap()).unwrap(),
        suite: report.suite.digest,
        items,
        sigma_cost,
    }
}

fn budget(names: &[BudgetName], cash: i64) -> ErrorBudget {
    error_budget(Cash::from_micro(cash), Shares::from_nano(1_000_000_000_000), names, 11).unwrap()
}

/// Proves that with every item once the price is the report's own, to the micro-credit, and that its slope and items give the report's own
/// σ of the items: what is resampled is the price formula and nothing beside it.
#[test]
fn the_price_of_all_items_is_the_reports() {
    let reference = outcomes(800, 0);
    for (right, turn) in [(500, 1), (800, 3), (860, 2), (930, 0)] {
        let (report, items) = report("m", &outcomes(right, turn), &reference);
        let micro = (items.price(&vec![1; ITEMS]) * 1e6 + 0.5).floor() as i64;
        assert_eq!(Some(micro), report.price_micro, "{right}");
        let squares: f64 = items.difference().iter().map(|value| value * value).sum();
        let sigma = items.slope() * squares.sqrt() / ITEMS as f64;
        let own = report.sigma_items.unwrap();
        assert!((sigma - own).abs() < 1e-12 * own, "{right}: {sigma} {own}");
    }
    // The reference beside itself has no luck of its own.
    let measured =
        measurement(subject("reference", &reference), Some(subject("reference", &reference)), 3, 7);
    let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
    let own = Report::derive(&measured, &context(&suite, &counts)).unwrap();
    let items = ItemPrice::of(&own, &measured).unwrap();
    let mut times = vec![1; ITEMS];
    (times[0], times[1]) = (0, 2);
    assert!((items.price(&times) - items.price(&vec![1; ITEMS])).abs() < 1e-12);
}

/// Proves that one name's draws have the deviation that its report says; that two names with the same answers move together and two of
/// opposite luck cancel; that cash does not move; and that the same seed gives the same budget.
#[test]
fn what_names_share_does_not_diversify() {
    let reference = outcomes(800, 0);
    let one = [held("a", &outcomes(860, 2), &reference, 0.0)];
    let single = budget(&one, 0);
    let own = report("a", &outcomes(860, 2), &reference).0.sigma_items.unwrap();
    // Two hundred draws know a deviation to some 5 %.
    assert!((single.sd_cases / own - 1.0).abs() < 0.2, "{} {own}", single.sd_cases);
    assert!((single.sigma.sigma - own).abs() < 1e-9);
    assert_eq!((single.sd, single.sd_rest), (single.sd_cases, 0.0));
    assert!(single.quantiles.is_sorted());
    assert_eq!(budget(&one, 0), single);

    let twins = [one[0].clone(), held("b", &outcomes(860, 2), &reference, 0.0)];
    let twins = budget(&twins, 0);
    assert!((twins.sigma.sigma - own).abs() < 1e-9, "as one name: {:?}", twins.sigma);
    assert!((twins.sigma.independent * 2.0_f64.sqrt() - own).abs() < 1e-9);
    assert!((twins.sigma.common - 0.5).abs() < 1e-9);
    assert!((twins.sd_cases / single.sd_cases - 1.0).abs() < 1e-9, "the same draws for both");
    assert!(twins.sigma.reference > 0.0);

    // Half cash: half the deviation.
    let value = one[0].units.value_at(one[0].price).as_femto().unwrap() / 1_000_000_000;
    let half = budget(&one, i64::try_from(value).unwrap());
    assert!((half.sd_cases * 2.0 / single.sd_cases - 1.0).abs() < 1e-6);

    // Times are each name's own: their squares add, and an upper bound says what sharing would do.
    let timed = [
        held("a", &outcomes(860, 2), &reference, 0.02),
        held("b", &outcomes(860, 2), &reference, 0.02),
    ];
    let timed = budget(&timed, 0);
    assert!((timed.sd_rest - 0.02 / 2.0_f64.sqrt()).abs() < 1e-9);
    assert!((timed.sigma.upper - own.hypot(0.02)).abs() < 1e-9);
    let all = timed.sd_cases.hypot(timed.sd_rest);
    assert!((timed.sd / all - 1.0).abs() < 0.2, "{} {all}", timed.sd);
    let none = error_budget(Cash::ZERO, Shares::from_nano(1), &[], 1);
    assert!(none.is_none() && error_budget(Cash::from_micro(1), Shares::ZERO, &[], 1).is_none());
}
