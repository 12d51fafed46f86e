//! Owners, assets and accounts of the valuation ledger, each with one text form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::Name;

/// An owner in the custody book.
///
/// Several funds share one ledger, so an owner that belongs to a fund carries the fund's name.
/// Names hold no colon, so the text forms cannot be confused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// `ISSUE`: minus the supply of an asset; may be negative.
    Issue,
    /// `OUTSIDE`: where credits come from and go to; may be negative.
    Outside,
    /// A person, by name.
    Person(Name),
    /// `FUND:f`: what the fund owns.
    Fund(Name),
    /// `LOCKED:f`: the shares that nobody can redeem.
    Locked(Name),
    /// `ESC:SUB:f`: cash of subscription orders that wait.
    EscrowSubscriptions(Name),
    /// `ESC:RED:f`: shares of redemption orders that wait.
    EscrowRedemptions(Name),
    /// `CLAIM:who`: cash that a person can fetch.
    Claim(Name),
    /// `LIQ:f:e`: units of those who left at one strike, to be sold or delivered.
    Liquidation {
        /// The fund that they left.
        fund: Name,
        /// The strike.
        epoch: u64,
    },
    /// `PRIMARY:m`: units of a model never sold.
    Primary(Name),
    /// `BOND:m`: a publisher's bond.
    Bond(Name),
    /// `ESC:PUB:m`: proceeds of primary sales that have not vested.
    EscrowPublisher(Name),
    /// `SIDE:f:m`: units of a delisted model, kept for the holders of record of one fund.
    Side {
        /// The fund that held them.
        fund: Name,
        /// The delisted model.
        model: Name,
    },
}

/// Something that can be owned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// `CASH`: settlement credits, 1e-6.
    Cash,
    /// `U:m`: units of a model, 1e-6.
    Unit(Name),
    /// `SHARE:f`: shares of a fund, 1e-9.
    Share(Name),
    /// `SC:f:m`: a holder of record's claim on what a delisted model still brings.
    SideClaim {
        /// The fund whose holders have it.
        fund: Name,
        /// The delisted model.
        model: Name,
    },
}

/// An account of a fund's valuation ledger (FUND 1.4): debit positive, credit negative.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GlAccount {
    /// `1000`: cash.
    Cash,
    /// `1100:m`: units of a model at fair value.
    Units(Name),
    /// `2200`: redemptions payable.
    RedemptionsPayable,
    /// `2300`: management fee payable.
    ManagementFeePayable,
    /// `2400`: performance fee payable.
    PerformanceFeePayable,
    /// `3000`: capital.
    Capital,
    /// `4000`: trading result and leavers' dust.
    Trading,
    /// `4100`: unrealised gains.
    Unrealised,
    /// `4200`: royalties and recoveries.
    Income,
    /// `5000`: management fee.
    ManagementFee,
    /// `5100`: performance fee.
    PerformanceFee,
}

/// Why a text names no account or asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no {what}")]
pub struct ParseAccountError {
    text: String,
    what: &'static str,
}

fn unknown(text: &str, what: &'static str) -> ParseAccountError {
    ParseAccountError { text: text.chars().take(160).collect(), what }
}

/// Writes `head`, or `head:fund` where the fund is to be named.
fn scoped(f: &mut fmt::Formatter<'_>, head: &str, fund: &Name, elide: bool) -> fmt::Result {
    if elide { f.write_str(head) } else { write!(f, "{head}:{fund}") }
}

impl Account {
    /// Whether the balance may be negative: only where assets are made and where credits come from.
    #[must_use]
    pub const fn may_be_negative(&self) -> bool {
        matches!(self, Self::Issue | Self::Outside)
    }

    /// The text without the fund's name, as a ledger of one fund writes it (`FUND`, `LIQ:3`, `SIDE:m`).
    #[must_use]
    pub fn short(&self) -> String {
        Text(self, true).to_string()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, elide: bool) -> fmt::Result {
        match self {
            Self::Issue => f.write_str("ISSUE"),
            Self::Outside => f.write_str("OUTSIDE"),
            Self::Person(who) => f.write_str(who.as_str()),
            Self::Fund(fund) => scoped(f, "FUND", fund, elide),
            Self::Locked(fund) => scoped(f, "LOCKED", fund, elide),
            Self::EscrowSubscriptions(fund) => scoped(f, "ESC:SUB", fund, elide),
            Self::EscrowRedemptions(fund) => scoped(f, "ESC:RED", fund, elide),
            Self::Claim(who) => write!(f, "CLAIM:{who}"),
            Self::Liquidation { fund, epoch } => {
                scoped(f, "LIQ", fund, elide)?;
                write!(f, ":{epoch}")
            }
            Self::Primary(model) => write!(f, "PRIMARY:{model}"),
            Self::Bond(model) => write!(f, "BOND:{model}"),
            Self::EscrowPublisher(model) => write!(f, "ESC:PUB:{model}"),
            Self::Side { fund, model } => {
                scoped(f, "SIDE", fund, elide)?;
                write!(f, ":{model}")
            }
        }
    }
}

impl Asset {
    /// The text without the fund's name, as a ledger of one fund writes it (`SHARE`, `SC:m`).
    #[must_use]
    pub fn short(&self) -> String {
        Text(self, true).to_string()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, elide: bool) -> fmt::Result {
        match self {
            Self::Cash => f.write_str("CASH"),
            Self::Unit(model) => write!(f, "U:{model}"),
            Self::Share(fund) => scoped(f, "SHARE", fund, elide),
            Self::SideClaim { fund, model } => {
                scoped(f, "SC", fund, elide)?;
                write!(f, ":{model}")
            }
        }
    }
}

// The commonest texts are there already: writing them needs no formatter. Most of a batch's text is accounts and assets.

impl Account {
    fn whole(&self) -> Option<&str> {
        match self {
            Self::Issue => Some("ISSUE"),
            Self::Outside => Some("OUTSIDE"),
            Self::Person(who) => Some(who.as_str()),
            _ => None,
        }
    }
}

impl Asset {
    const fn whole(&self) -> Option<&str> {
        match self {
            Self::Cash => Some("CASH"),
            _ => None,
        }
    }
}

impl GlAccount {
    fn whole(&self) -> Option<&str> {
        NUMBERED.iter().find(|(_, account)| account == self).map(|(number, _)| *number)
    }
}

/// One value with the choice whether its fund is named.
struct Text<'a, T>(&'a T, bool);

impl fmt::Display for Text<'_, Account> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, self.1)
    }
}

impl fmt::Display for Text<'_, Asset> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, self.1)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl GlAccount {
    /// The first digit: 1 assets, 2 liabilities, 3 capital, 4 income, 5 expense.
    #[must_use]
    pub const fn class(&self) -> u8 {
        match self {
            Self::Cash | Self::Units(_) => 1,
            Self::RedemptionsPayable | Self::ManagementFeePayable | Self::PerformanceFeePayable => {
                2
            }
            Self::Capital => 3,
            Self::Trading | Self::Unrealised | Self::Income => 4,
            Self::ManagementFee | Self::PerformanceFee => 5,
        }
    }
}

/// Accounts of the valuation ledger without a model, with their numbers.
const NUMBERED: [(&str, GlAccount); 10] = [
    ("1000", GlAccount::Cash),
    ("2200", GlAccount::RedemptionsPayable),
    ("2300", GlAccount::ManagementFeePayable),
    ("2400", GlAccount::PerformanceFeePayable),
    ("3000", GlAccount::Capital),
    ("4000", GlAccount::Trading),
    ("4100", GlAccount::Unrealised),
    ("4200", GlAccount::Income),
    ("5000", GlAccount::ManagementFee),
    ("5100", GlAccount::PerformanceFee),
];

impl fmt::Display for GlAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NUMBERED.iter().find(|(_, account)| account == self)) {
            (Self::Units(model), _) => write!(f, "1100:{model}"),
            (_, Some((number, _))) => f.write_str(number),
            (_, None) => Err(fmt::Error),
        }
    }
}

impl FromStr for GlAccount {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || unknown(text, "account of the valuation ledger");
        if let Some(model) = text.strip_prefix("1100:") {
            return model.parse().map(Self::Units).map_err(|_| fail());
        }
        let found = NUMBERED.iter().find(|(number, _)| *number == text);
        found.map(|(_, account)| account.clone()).ok_or_else(fail)
    }
}

impl FromStr for Account {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || unknown(text, "account");
        let name = |part: &str| part.parse::<Name>().map_err(|_| fail());
        let parts: Vec<&str> = text.split(':').collect();
        let account = match parts[..] {
            ["ISSUE"] => Self::Issue,
            ["OUTSIDE"] => Self::Outside,
            [who] => Self::Person(name(who)?),
            ["FUND", fund] => Self::Fund(name(fund)?),
            ["LOCKED", fund] => Self::Locked(name(fund)?),
            ["CLAIM", who] => Self::Claim(name(who)?),
            ["PRIMARY", model] => Self::Primary(name(model)?),
            ["BOND", model] => Self::Bond(name(model)?),
            ["ESC", "SUB", fund] => Self::EscrowSubscriptions(name(fund)?),
            ["ESC", "RED", fund] => Self::EscrowRedemptions(name(fund)?),
            ["ESC", "PUB", model] => Self::EscrowPublisher(name(model)?),
            ["LIQ", fund, epoch] => Self::Liquidation {
                fund: name(fund)?,
                epoch: epoch
                    .parse()
                    .ok()
                    .filter(|e: &u64| e.to_string() == epoch)
                    .ok_or_else(fail)?,
            },
            ["SIDE", fund, model] => Self::Side { fund: name(fund)?, model: name(model)? },
            _ => return Err(fail()),
        };
        Ok(account)
    }
}

impl FromStr for Asset {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || unknown(text, "asset");
        let name = |part: &str| part.parse::<Name>().map_err(|_| fail());
        let parts: Vec<&str> = text.split(':').collect();
        Ok(match parts[..] {
            ["CASH"] => Self::Cash,
            ["U", model] => Self::Unit(name(model)?),
            ["SHARE", fund] => Self::Share(name(fund)?),
            ["SC", fund, model] => Self::SideClaim { fund: name(fund)?, model: name(model)? },
            _ => return Err(fail()),
        })
    }
}

macro_rules! text_in_json {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.whole() {
                    Some(text) => serializer.serialize_str(text),
                    None => serializer.collect_str(self),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_in_json!(Account);
text_in_json!(Asset);
text_in_json!(GlAccount);

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every account, asset and number has one text form and comes back from it, and that near misses are refused.
    #[test]
    fn text_round_trip() {
        for text in [
            "ISSUE",
            "OUTSIDE",
            "ALICE",
            "FUND:main",
            "LOCKED:main",
            "ESC:SUB:main",
            "ESC:RED:main",
            "CLAIM:ALICE",
            "LIQ:main:3",
            "PRIMARY:org/m",
            "BOND:m",
            "ESC:PUB:m",
            "SIDE:main:m",
        ] {
            assert_eq!(text.parse::<Account>().unwrap().to_string(), text);
        }
        for text in ["CASH", "U:m", "SHARE:main", "SC:main:m"] {
            assert_eq!(text.parse::<Asset>().unwrap().to_string(), text);
        }
        for (text, _) in NUMBERED {
            assert_eq!(text.parse::<GlAccount>().unwrap().to_string(), text);
        }
        assert_eq!("1100:m".parse::<GlAccount>().unwrap().to_string(), "1100:m");
        for bad in [
            "",
            "FUND",
            "LOCKED",
            "FUND:",
            "FUND:FUND",
            "LIQ:main:03",
            "LIQ:main:+3",
            "X:m",
            "LIQ:3",
        ] {
            assert!(bad.parse::<Account>().is_err(), "{bad}");
        }
        for bad in ["", "cash", "U:", "SHARE", "SC:m", "U:a:b"] {
            assert!(bad.parse::<Asset>().is_err(), "{bad}");
        }
        assert!("1100".parse::<GlAccount>().is_err());
        assert_eq!("LIQ:main:3".parse::<Account>().unwrap().short(), "LIQ:3");
        assert_eq!("SC:main:m".parse::<Asset>().unwrap().short(), "SC:m");
    }
}
