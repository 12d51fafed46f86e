//! Amounts in canonical JSON: decimal strings of whole steps, because JSON numbers end at 2^53.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::amount::{Cash, PriceNano, Shares, Units};

/// Something that is a whole number of steps.
pub(super) trait Steps: Copy {
    fn steps(self) -> i64;
    fn of(steps: i64) -> Self;
}

macro_rules! steps {
    ($($type:ident $from:ident $as:ident),*) => {
        $(impl Steps for $type {
            fn steps(self) -> i64 {
                self.$as()
            }

            fn of(steps: i64) -> Self {
                Self::$from(steps)
            }
        })*
    };
}

steps!(Cash from_micro as_micro, PriceNano from_nano as_nano, Shares from_nano as_nano, Units from_micro as_micro);

impl Steps for i64 {
    fn steps(self) -> i64 {
        self
    }

    fn of(steps: i64) -> Self {
        steps
    }
}

fn parse<T: Steps, E: de::Error>(text: &str) -> Result<T, E> {
    // One number has one text, or one record would have two hashes.
    let steps = text.parse::<i64>().ok().filter(|steps| steps.to_string() == text);
    let shown = || text.chars().take(80).collect::<String>();
    steps.map(T::of).ok_or_else(|| E::custom(format!("{:?} is no whole number of steps", shown())))
}

pub(super) fn serialize<T: Steps, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&value.steps())
}

pub(super) fn deserialize<'de, T: Steps, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    parse(&String::deserialize(from)?)
}

/// The same where there may be none.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Steps, parse};

    pub(in super::super) fn serialize<T: Steps, S: Serializer>(
        value: &Option<T>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.steps().to_string()).serialize(out)
    }

    pub(in super::super) fn deserialize<'de, T: Steps, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| parse(&text)).transpose()
    }
}

/// The same by name.
pub(super) mod by_name {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Steps, parse};
    use crate::name::Name;

    pub(in super::super) fn serialize<T: Steps, S: Serializer>(
        map: &BTreeMap<Name, T>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_map(map.iter().map(|(name, value)| (name, value.steps().to_string())))
    }

    pub(in super::super) fn deserialize<'de, T: Steps, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Name, T>, D::Error> {
        let texts = BTreeMap::<Name, String>::deserialize(from)?;
        texts.into_iter().map(|(name, text)| Ok((name, parse(&text)?))).collect()
    }
}
