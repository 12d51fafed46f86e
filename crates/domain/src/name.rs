//! Names of parties, models, versions and funds.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that a person chose: `[A-Za-z0-9][A-Za-z0-9_./-]{0,63}` (FUND 1.6), never one of the reserved words.
///
/// System accounts hold a colon and so can never be spelled as a name.
/// The text is shared between clones: the fund engine writes the same few names into every leg of every batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Not of the form.
    #[error(
        "{0:?} is no name: expected 1 to 64 of A-Z a-z 0-9 _ . / -, starting with a letter or a digit"
    )]
    Form(String),
    /// A word that the ledger uses itself.
    #[error("{0:?} is reserved by the ledger")]
    Reserved(String),
}

impl Name {
    /// Owners that the ledger itself uses; nobody may bear these names.
    pub const RESERVED: [&'static str; 4] = ["ISSUE", "OUTSIDE", "FUND", "LOCKED"];

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
        let formed = (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(allowed);
        if !formed {
            return Err(ParseNameError::Form(text.chars().take(80).collect()));
        }
        if Self::RESERVED.contains(&text) {
            return Err(ParseNameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the form of FUND 1.6, the reserved words and the length bound.
    #[test]
    fn name_form() {
        for good in ["a", "PUB1", "org/model-1.5_x", &"x".repeat(64)] {
            assert_eq!(good.parse::<Name>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", ".a", "a b", "a:b", "é", &"x".repeat(65), "FUND", "ISSUE"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
