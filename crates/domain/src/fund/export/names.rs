//! Names as beancount spells them: valid, unique, and readable where the name allows it.
//!
//! Beancount wants a capital or a digit first and letters, digits and hyphens after it in a part of an account, and nothing but
//! capitals, digits and `' . _ -` in a commodity, a capital or digit last. Ours are names with `/ . _ -` in either case,
//! and texts that join names by colons.
//!
//! | in the text | part of an account | commodity |
//! | --- | --- | --- |
//! | capital, digit | itself | itself, after `'` where a small letter came last |
//! | small letter | itself | its capital, after `'` where none or a capital came last |
//! | `:` | `-` | `-` |
//! | `-` | `--h` | `'-` |
//! | `_` | `--u` | `_` |
//! | `.` | `--p` | `.` |
//! | `/` | `--s` | `'_` |
//! | begins with a small letter | that one as a capital, and `--l` at the end | |
//! | ends with no letter or digit | | `'0` at the end |
//!
//! So `'` in a commodity turns small letters on and off. Both can be read backwards, so two texts are never spelled alike:
//! what follows a colon is always a letter or digit, and `--l` and `'0` stand for nothing else.

use std::fmt::Write as _;

/// The text of an account or a name as one part of a beancount account (`Alice--l`, `ESC-PUB-org--smodel`).
#[must_use]
pub fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    let small_first = text.starts_with(|c: char| c.is_ascii_lowercase());
    for (at, c) in text.chars().enumerate() {
        match c {
            ':' => out.push('-'),
            '-' => out.push_str("--h"),
            '_' => out.push_str("--u"),
            '.' => out.push_str("--p"),
            '/' => out.push_str("--s"),
            c if at == 0 => out.push(c.to_ascii_uppercase()),
            c => out.push(c),
        }
    }
    if small_first {
        out.push_str("--l");
    }
    out
}

/// The text of an asset as a beancount commodity (`CASH`, `U-M1`, `U-'ORG'_MODEL`).
#[must_use]
pub fn commodity(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    let mut small = false;
    for c in text.chars() {
        match c {
            ':' => out.push('-'),
            '-' => out.push_str("'-"),
            '/' => out.push_str("'_"),
            c if c.is_ascii_alphabetic() => {
                if c.is_ascii_lowercase() != small {
                    small = !small;
                    out.push('\'');
                }
                let _ = write!(out, "{}", c.to_ascii_uppercase());
            }
            c => out.push(c),
        }
    }
    if !out.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        out.push_str("'0");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Proves the table, row by row.
    #[test]
    fn spelling() {
        for (text, account, asset) in [
            ("ALICE", "ALICE", "ALICE"),
            ("alice", "Alice--l", "'ALICE"),
            ("Alice", "Alice", "A'LICE"),
            ("7up", "7up", "7'UP"),
            ("U:mlp/step-0270", "U-mlp--sstep--h0270", "U-'MLP'_STEP'-0270"),
            ("U:Org/Model_1.5", "U-Org--sModel--u1--p5", "U-O'RG'_'M'ODEL_1.5"),
            ("BOND-M1", "BOND--hM1", "BOND'-M1"),
            ("BOND:M1", "BOND-M1", "BOND-M1"),
            ("a.", "A--p--l", "'A.'0"),
            ("a/", "A--s--l", "'A'_'0"),
        ] {
            assert_eq!((component(text).as_str(), commodity(text).as_str()), (account, asset));
        }
    }

    /// Proves that all texts up to four characters of an unkind alphabet are spelled validly and differently.
    #[test]
    fn valid_and_unique() {
        let alphabet = ["A", "B", "h", "l", "u", "0", "-", "_", ".", "/"];
        let mut names: Vec<String> = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..4 {
            names = names
                .iter()
                .flat_map(|head| alphabet.iter().map(move |tail| format!("{head}{tail}")))
                .filter(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))
                .collect();
            all.extend(names.iter().cloned());
        }
        let short: Vec<String> = all.iter().filter(|name| name.len() < 3).cloned().collect();
        for first in &short {
            all.extend(short.iter().map(|second| format!("{first}:{second}")));
        }
        let (mut components, mut commodities) = (BTreeMap::new(), BTreeMap::new());
        for text in &all {
            let part = component(text);
            let first = part.chars().next().unwrap();
            assert!(first.is_ascii_uppercase() || first.is_ascii_digit(), "{text}: {part}");
            assert!(part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{text}: {part}");
            assert_eq!(components.insert(part, text), None, "{text}");
            let asset = commodity(&format!("U:{text}"));
            let inside = |c: char| {
                c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '\'' | '.' | '_' | '-')
            };
            assert!(asset.chars().all(inside), "{text}: {asset}");
            assert!(asset.ends_with(|c: char| c.is_ascii_alphanumeric()), "{text}: {asset}");
            assert_eq!(commodities.insert(asset, text), None, "{text}");
        }
        assert!(all.len() > 8_000);
    }
}
