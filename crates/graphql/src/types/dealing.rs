//! The register of what insiders did with a fund's shares.

use async_graphql::{Enum, Object};
use domain::dealing::DealingKind as KindValue;
use service::RegisteredDealing;

use crate::scalars::{NameText, Time};

/// How somebody dealt in shares of a fund.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DealingKind {
    /// He placed an order to buy.
    Subscription,
    /// He took one back.
    Cancellation,
    /// A strike filled one.
    Fill,
    /// He gave shares away.
    Given,
    /// He was given shares.
    Received,
    /// He placed an order to leave, which is open at any time.
    Redemption,
    /// He left at once, in kind, which is open at any time.
    InKind,
    /// He asked the instant window for cash.
    Window,
    /// He took that back.
    WindowCancellation,
    /// The instant window paid him; it stands with the strike that it was paid for.
    WindowPayment,
    /// He made shares in kind.
    CreatedInKind,
}

impl From<KindValue> for DealingKind {
    fn from(kind: KindValue) -> Self {
        match kind {
            KindValue::Subscription => Self::Subscription,
            KindValue::Cancellation => Self::Cancellation,
            KindValue::Fill => Self::Fill,
            KindValue::Given => Self::Given,
            KindValue::Received => Self::Received,
            KindValue::Redemption => Self::Redemption,
            KindValue::InKind => Self::InKind,
            KindValue::Window => Self::Window,
            KindValue::WindowCancellation => Self::WindowCancellation,
            KindValue::WindowPayment => Self::WindowPayment,
            KindValue::CreatedInKind => Self::CreatedInKind,
        }
    }
}

/// A dealing of one who may know of a model's next version before the fund's mark does: its publisher, a maintainer, a contributor.
#[derive(Clone, Debug)]
pub(crate) struct Dealing(pub(crate) RegisteredDealing);

/// A dealing of one who may know of a model's next version before the fund's mark does: its publisher, a maintainer, a contributor.
#[Object]
impl Dealing {
    /// Number of its event in the journal.
    async fn event(&self) -> i64 {
        i64::try_from(self.0.entry.dealing.sequence).unwrap_or(i64::MAX)
    }

    /// Whose.
    async fn owner(&self) -> NameText {
        NameText(self.0.entry.dealing.owner.clone())
    }

    /// What.
    async fn kind(&self) -> DealingKind {
        self.0.entry.dealing.kind.into()
    }

    /// The model that makes him an insider.
    async fn model(&self) -> NameText {
        NameText(self.0.entry.model.clone())
    }

    /// The version in whose window it fell: published before the event, and known to no strike by then. Null outside of all windows.
    async fn window(&self) -> Option<NameText> {
        self.0.entry.inside.clone().map(NameText)
    }

    /// When, by the server's clock.
    async fn at(&self) -> Time {
        Time(self.0.entry.dealing.at)
    }
}

/// The place of an entry as a cursor.
pub(crate) fn cursor(dealing: &RegisteredDealing) -> String {
    format!("{}.{}", dealing.entry.dealing.sequence, dealing.place)
}

/// An entry's event and place out of a cursor.
pub(crate) fn read_cursor(text: &str) -> Option<(i64, u64)> {
    let (event, place) = text.split_once('.')?;
    Some((event.parse().ok().filter(|event| *event > 0)?, place.parse().ok()?))
}
