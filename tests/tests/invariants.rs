//! Where each invariant of the fund (FUND 3) is held: a table of numbers against the lines that assert them, so that none is ever lost.

use std::{fs, path::Path};

/// A number, the file that asserts it, and what stands there.
const HELD: &[(u8, &str, &str)] = &[
    (1, "crates/domain/src/simulation/checks/books.rs", "ensure(1, "),
    (2, "crates/domain/src/simulation/checks/books.rs", "ensure(2, "),
    (3, "crates/domain/src/simulation/checks/books.rs", "ensure(3, "),
    (4, "crates/domain/src/simulation/checks/books.rs", "ensure(4, "),
    (5, "crates/domain/src/simulation/checks/books.rs", "ensure(5, "),
    (6, "crates/domain/src/simulation/checks/books.rs", "ensure(6, "),
    (7, "crates/domain/src/simulation/checks/dealing.rs", "ensure(7, "),
    (8, "crates/domain/src/simulation/checks/dealing.rs", "ensure(8, "),
    (9, "crates/domain/src/simulation/checks/forks.rs", "ensure(9, "),
    (10, "crates/domain/src/simulation/checks/dealing.rs", "ensure(10, "),
    (11, "crates/domain/src/simulation/checks/dealing.rs", "ensure(11, "),
    (12, "crates/domain/src/simulation/checks/forks.rs", "ensure(12, "),
    (13, "crates/domain/src/simulation/checks/dealing.rs", "ensure(13, "),
    (14, "crates/domain/src/simulation/checks/trading.rs", "ensure(14, "),
    (15, "crates/domain/src/simulation/checks/trading.rs", "ensure(15, "),
    (16, "crates/domain/src/simulation/checks/mod.rs", "ensure(16, "),
    (17, "crates/domain/tests/simulation.rs", "Proves invariant 17"),
    (18, "crates/domain/src/simulation/checks/books.rs", "ensure(18, "),
    (19, "crates/domain/src/simulation/checks/books.rs", "ensure(19, "),
    (20, "crates/domain/src/simulation/life.rs", "ensure(20, "),
    (21, "crates/domain/src/simulation/life.rs", "ensure(21, "),
    (22, "crates/domain/src/simulation/life.rs", "ensure(22, "),
    (23, "crates/domain/src/simulation/life.rs", "ensure(23, "),
    (24, "crates/domain/src/simulation/life.rs", "ensure(24, "),
    (25, "crates/domain/src/simulation/checks/reveal.rs", "ensure(25, "),
    (26, "crates/domain/src/simulation/checks/reveal.rs", "ensure(26, "),
    (27, "crates/domain/tests/observation.rs", "inv_27_"),
    (28, "crates/service/tests/rules/main.rs", "inv_28_"),
    (29, "crates/domain/tests/plan/properties.rs", "inv_29_"),
    (30, "crates/domain/tests/plan/properties.rs", "inv_30_"),
    (31, "crates/domain/tests/plan/properties.rs", "inv_31_"),
    (32, "crates/domain/tests/plan/properties.rs", "inv_32_"),
    (33, "crates/domain/src/simulation/checks/books.rs", "ensure(33, "),
    (34, "crates/domain/src/simulation/checks/access.rs", "ensure(34, "),
    (35, "crates/domain/tests/merkle.rs", "Proves invariant 35"),
    (36, "tests/tests/fund/travel.rs", "inv_36_"),
    (37, "crates/domain/tests/plan/properties.rs", "inv_37"),
    (38, "crates/domain/src/simulation/life.rs", "ensure(38, "),
    (39, "crates/domain/src/simulation/checks/mod.rs", "ensure(39, "),
    (40, "crates/domain/src/simulation/checks/books.rs", "ensure(40, "),
];

/// Proves that every invariant from 1 to 40 is asserted somewhere under its number.
#[test]
fn every_invariant_is_held() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert!(HELD.iter().map(|row| row.0).eq(1..=40), "one row for each number");
    for (number, file, text) in HELD {
        let whole = fs::read_to_string(root.join(file)).unwrap();
        // A comment is no assertion.
        let code = |line: &&str| !line.trim_start().starts_with("//") || text.starts_with("Proves");
        let found = whole.lines().filter(code).any(|line| line.contains(text));
        assert!(found, "invariant {number}: {file} has no {text:?}");
    }
}
