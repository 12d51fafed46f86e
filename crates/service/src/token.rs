//! Bearer tokens: `mf_`, 40 random hexadecimal digits, 8 digits of checksum. Only the SHA-256 is stored.

use std::{collections::BTreeSet, fmt, str::FromStr};

use domain::{
    digest::{Digest, to_hex},
    name::Name,
    time::Timestamp,
};

use crate::ServiceError;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Create models, upload and publish versions.
    Publish,
    /// Place orders for the owner's own accounts.
    Invest,
    /// Ask for evaluations.
    Evaluate,
    /// Run the installation: suites, funds, deposits, strikes.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Invest, Self::Evaluate, Self::Operate];

    /// The word in commands and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Invest => "invest",
            Self::Evaluate => "evaluate",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No scope has this name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("unknown scope {0:?}: expected publish, invest, evaluate or operate")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// Who asks, and what he may do.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The login; ledger accounts bear the same name.
    pub owner: Name,
    /// Scopes of the token.
    pub scopes: BTreeSet<Scope>,
    /// The token's row, for the audit log; empty for who acts without one.
    pub token_id: String,
    /// The models that the token may write; none without such a bound.
    pub models: Option<BTreeSet<Name>>,
    /// When the request came in, by the server's clock.
    pub now: Timestamp,
}

impl Caller {
    /// Whether the token has `scope`.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Checks that the token may write a model, whoever its publisher is.
    pub(crate) fn check_bound(&self, model: &Name) -> Result<(), ServiceError> {
        match &self.models {
            Some(models) if !models.contains(model) => {
                Err(ServiceError::TokenBound(format!("model {model}")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the token is not bound to models, for what concerns the login itself.
    pub(crate) fn check_unbound(&self) -> Result<(), ServiceError> {
        match &self.models {
            Some(_) => Err(ServiceError::TokenBound(format!("login {}", self.owner))),
            None => Ok(()),
        }
    }

    /// Whether the bearer runs evaluations, and so may see the cases of suites.
    #[must_use]
    pub fn may_measure(&self) -> bool {
        self.may(Scope::Evaluate) || self.may(Scope::Operate)
    }
}

/// A token as its owner sees it, once.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes a token of 20 random bytes.
    #[must_use]
    pub fn of(random: [u8; 20]) -> Self {
        let body = to_hex(&random);
        Self(format!("mf_{body}{}", checksum(&body)))
    }

    /// Checks form and checksum, so that a mistyped token is told from an unknown one without asking the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix("mf_")?;
        let (body, sum) = body.split_at_checked(40)?;
        let formed = body.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && checksum(body) == sum;
        formed.then(|| Self(text.to_owned()))
    }

    /// The text that the owner keeps.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the database keeps, in hexadecimal digits.
    #[must_use]
    pub fn secret_sha256(&self) -> String {
        Digest::of(self.0.as_bytes()).hex()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn checksum(body: &str) -> String {
    Digest::of(body.as_bytes()).hex()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a token survives its text, that one wrong letter is seen, and that it never shows in debug output.
    #[test]
    fn token_form() {
        let token = Token::of([7; 20]);
        assert_eq!(Token::parse(token.reveal()).unwrap().secret_sha256(), token.secret_sha256());
        for bad in [
            "",
            "mf_",
            "xx_",
            &token.reveal().replace("07070", "07071"),
            &format!("{}0", token.reveal()),
            "mf_é",
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
