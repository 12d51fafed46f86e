//! What an entry of the journal records.

use serde::{Deserialize, Serialize};

/// What an entry records; the texts are those of the journal in `FUND.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Credits came in.
    Deposit,
    /// Credits went out.
    Withdraw,
    /// Between two persons.
    Transfer,
    /// A claim was fetched.
    Claim,
    /// A model was admitted.
    Admit,
    /// A fund was seeded.
    Seed,
    /// Management fee.
    MgmtFee,
    /// Performance fee.
    PerfFee,
    /// Prices were set.
    Mark,
    /// A subscription order was placed.
    SubRequest,
    /// A redemption order was placed.
    RedRequest,
    /// A subscription order was taken back.
    SubCancel,
    /// A redemption order was taken back.
    RedCancel,
    /// Bids were sealed.
    BidSeal,
    /// Bids were opened.
    BidOpen,
    /// Bids stayed shut, or were not paid for.
    BidForfeit,
    /// A deposit was returned.
    BidReturn,
    /// A request at the window was placed.
    WindowRequest,
    /// A request at the window was taken back.
    WindowCancel,
    /// The window was paid.
    WindowPay,
    /// The official valuation; no legs.
    Strike,
    /// Subscription orders were settled.
    SettleSubs,
    /// Redemption orders were settled.
    SettleReds,
    /// Redemption in kind.
    InKind,
    /// The fund sold.
    Sell,
    /// Leavers sold.
    LiqSell,
    /// Leavers were paid for what bidders bought of them.
    LiqPay,
    /// The fund bought.
    Buy,
    /// Leavers received what was not sold.
    LiqDeliver,
    /// Contributors were paid.
    Vest,
    /// Income was paid out.
    Royalty,
    /// A delisted model was set apart.
    SidePocket,
    /// Creation in kind.
    CreateInKind,
    /// An event was reversed.
    Correction,
    /// Those harmed by a wrong NAV were paid.
    Compensation,
    /// Publishers received their part of the management fee.
    FeeDistribution,
}

impl Kind {
    /// The text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdraw => "withdraw",
            Self::Transfer => "transfer",
            Self::Claim => "claim",
            Self::Admit => "admit",
            Self::Seed => "seed",
            Self::MgmtFee => "mgmt_fee",
            Self::PerfFee => "perf_fee",
            Self::Mark => "mark",
            Self::SubRequest => "sub_request",
            Self::RedRequest => "red_request",
            Self::SubCancel => "sub_cancel",
            Self::RedCancel => "red_cancel",
            Self::BidSeal => "bid_seal",
            Self::BidOpen => "bid_open",
            Self::BidForfeit => "bid_forfeit",
            Self::BidReturn => "bid_return",
            Self::WindowRequest => "window_request",
            Self::WindowCancel => "window_cancel",
            Self::WindowPay => "window_pay",
            Self::Strike => "strike",
            Self::SettleSubs => "settle_subs",
            Self::SettleReds => "settle_reds",
            Self::InKind => "in_kind",
            Self::Sell => "sell",
            Self::LiqSell => "liq_sell",
            Self::LiqPay => "liq_pay",
            Self::Buy => "buy",
            Self::LiqDeliver => "liq_deliver",
            Self::Vest => "vest",
            Self::Royalty => "royalty",
            Self::SidePocket => "side_pocket",
            Self::CreateInKind => "create_in_kind",
            Self::Correction => "correction",
            Self::Compensation => "compensation",
            Self::FeeDistribution => "fee_distribution",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the text of a kind is its JSON.
    #[test]
    fn kind_text() {
        for kind in
            [Kind::MgmtFee, Kind::LiqDeliver, Kind::SidePocket, Kind::SettleSubs, Kind::InKind]
        {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
