//! Salts: secret bytes that keep a digest from telling what it is of.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::to_hex;

/// 32 secret bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt([u8; 32]);

/// Why a text is no salt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a salt of {length} characters: expected 64 lower-case hexadecimal digits")]
pub struct ParseSaltError {
    length: usize,
}

impl Salt {
    /// Takes 32 bytes, which the caller drew.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret has no business in a log.
        f.write_str("Salt")
    }
}

impl FromStr for Salt {
    type Err = ParseSaltError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseSaltError { length: text.chars().count() };
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.bytes().map(digit).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a salt has one text, and that nothing else is one.
    #[test]
    fn one_text() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0x0f, 0xa0);
        let salt = Salt::from_bytes(bytes);
        let text = salt.to_string();
        assert!(text.starts_with("0f00") && text.ends_with("00a0"), "{text}");
        assert_eq!(text.parse::<Salt>().unwrap(), salt);
        assert_eq!(format!("{salt:?}"), "Salt");
        for wrong in ["", "0f", &text.to_uppercase(), &format!("{text}0"), &"g".repeat(64), "é"] {
            assert!(wrong.parse::<Salt>().is_err(), "{wrong}");
        }
    }
}
