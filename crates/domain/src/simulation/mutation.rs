//! One-line faults, put into batches on purpose: what shows that the checks can fail.
//!
//! A fault changes a batch between the engine and the journal, so that memory, journal and replay agree on it and only the rules tell.

mod effects;

use crate::{
    amount::{Cash, Femto, Shares},
    fund::{Account, Asset, Batch, Effect, Entry, GlAccount, Kind, Leg},
};

/// A fault of the engine, as if one line of it were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// A joiner receives one step of a share too many: the fill is rounded up.
    FillRoundedUp,
    /// The cost of a joiner's shares is rounded down.
    CostRoundedDown,
    /// No levy is kept.
    LevySkipped,
    /// What a joiner does not spend stays in escrow.
    RefundKept,
    /// A leaver's cash is rounded up.
    SliceRoundedUp,
    /// A leaver's units are rounded up.
    UnitsRoundedUp,
    /// A leaver's cash goes to the manager's claim.
    SliceToManager,
    /// A claim is paid to somebody else.
    ClaimToSponsor,
    /// The management fee is not charged.
    ManagementFeeSkipped,
    /// The publishers' part of the fee goes to the manager.
    PublishersForgotten,
    /// The performance fee is charged, and the high-water mark stays.
    HighWaterStays,
    /// The high-water mark is one step too low.
    HighWaterLow,
    /// The clock stands still.
    ClockStands,
    /// A winding fund comes back.
    WindingUndone,
    /// The fund sells before the leavers.
    FundSellsFirst,
    /// A sale brings one step of cash less: proceeds are rounded down.
    ProceedsRoundedDown,
    /// A purchase costs one step of cash more: rounded up.
    PurchaseRoundedUp,
    /// The bond receives nothing of a primary sale.
    BondSkipped,
    /// A primary sale is not remembered for vesting.
    TrancheLost,
    /// Leavers' batches are not counted.
    BatchNotCounted,
    /// A pool that is delivered stays open.
    PoolStaysOpen,
    /// Orders stay in the queue after the strike.
    QueueStays,
    /// The first of the leavers does not receive his units at delivery.
    DeliveryLost,
    /// A mark makes cash.
    MarkMakesCash,
    /// Estimates are not kept.
    EstimatesIgnored,
    /// A royalty's dust vanishes.
    RoyaltyDustLost,
    /// Vesting pays the last contributor what is the first's.
    VestingMisdirected,
    /// Holders of record receive one step of the claim too many.
    SideClaimInflated,
    /// Units of a delisted model stay in the fund.
    DelistedKept,
    /// A line of the valuation ledger is missing.
    LineMissing,
    /// Locked shares are redeemed in kind in place of the holder's.
    LockedRedeemed,
    /// Leaving in kind pays one unit too many.
    InKindRoundedUp,
    /// A deposit is credited twice.
    DepositTwice,
    /// A redemption order escrows nothing.
    RedemptionNotEscrowed,
    /// Who is frozen is not remembered.
    FreezeForgotten,
    /// Vesting panics.
    VestingPanics,
    /// New rules are adopted, and a day still costs what it cost: nothing, say.
    AdoptedFree,
    /// After a kill the journal lacks the end of its last batch.
    TornAppend,
    /// After a kill the answered keys are forgotten.
    KeysForgotten,
    /// A creation in kind takes one step of cash too little: rounded down.
    CreationRoundedDown,
    /// What was reversed is not remembered.
    CorrectionForgotten,
    /// What publishers have received of the fees is not remembered.
    DistributionForgotten,
    /// The fund's part of a compensation is in custody and not in the valuation ledger.
    CompensationUnbooked,
    /// The last joiner before a cut-off is left out of the book.
    BookShort,
    /// Prices count as told when the book is closed.
    RevealForged,
    /// A deposit that is lost stays in escrow.
    ForfeitKept,
    /// What bidders paid for leavers stays with their units.
    LeaversUnpaid,
    /// What was called may be opened for ever, or at no time.
    CallForgotten,
    /// The first who comes after a cut-off is in its book.
    CutOffSlips,
    /// An order that is held back is dealt with.
    HoldForgotten,
    /// A fee share is not remembered.
    FeeShareForgotten,
    /// The window pays one step of cash too much.
    WindowOverpaid,
    /// What was created in kind is as good as any at the window.
    YouthForgotten,
}

/// Every fault, in the order of their declaration.
pub const MUTATIONS: [Mutation; 53] = {
    use Mutation::*;
    [
        FillRoundedUp,
        CostRoundedDown,
        LevySkipped,
        RefundKept,
        SliceRoundedUp,
        UnitsRoundedUp,
        SliceToManager,
        ClaimToSponsor,
        ManagementFeeSkipped,
        PublishersForgotten,
        HighWaterStays,
        HighWaterLow,
        ClockStands,
        WindingUndone,
        FundSellsFirst,
        ProceedsRoundedDown,
        PurchaseRoundedUp,
        BondSkipped,
        TrancheLost,
        BatchNotCounted,
        PoolStaysOpen,
        QueueStays,
        DeliveryLost,
        MarkMakesCash,
        EstimatesIgnored,
        RoyaltyDustLost,
        VestingMisdirected,
        SideClaimInflated,
        DelistedKept,
        LineMissing,
        LockedRedeemed,
        InKindRoundedUp,
        DepositTwice,
        RedemptionNotEscrowed,
        FreezeForgotten,
        VestingPanics,
        AdoptedFree,
        TornAppend,
        KeysForgotten,
        CreationRoundedDown,
        CorrectionForgotten,
        DistributionForgotten,
        CompensationUnbooked,
        BookShort,
        RevealForged,
        ForfeitKept,
        LeaversUnpaid,
        CallForgotten,
        CutOffSlips,
        HoldForgotten,
        FeeShareForgotten,
        WindowOverpaid,
        YouthForgotten,
    ]
};

const fn is_cash(leg: &Leg) -> bool {
    matches!(leg.asset, Asset::Cash)
}

const fn is_unit(leg: &Leg) -> bool {
    matches!(leg.asset, Asset::Unit(_))
}

const fn is_share(leg: &Leg) -> bool {
    matches!(leg.asset, Asset::Share(_))
}

/// Entries of one kind.
fn of(batch: &mut Batch, kind: Kind) -> impl Iterator<Item = &mut Entry> {
    batch.entries.iter_mut().filter(move |entry| entry.kind == kind)
}

/// The first leg of one kind of entry that is `meant`.
fn leg(batch: &mut Batch, kind: Kind, meant: impl Fn(&Leg) -> bool) -> Option<&mut Leg> {
    of(batch, kind).flat_map(|entry| &mut entry.custody).find(|leg| meant(leg))
}

/// Changes the amount of such a leg, where one is large enough, and books a change of cash against capital or trading.
fn nudge(batch: &mut Batch, kind: Kind, by: i64, meant: impl Fn(&Leg) -> bool) -> bool {
    let Some(leg) = leg(batch, kind, |leg| leg.amount + by > 0 && meant(leg)) else { return false };
    leg.amount += by;
    true
}

/// Moves `by` micro-credits more of the fund's cash in the valuation ledger of the first entry of a kind.
fn book(batch: &mut Batch, kind: Kind, by: i64, against: &GlAccount) {
    let delta = Femto::from_femto(i128::from(by) * 1_000_000_000);
    let Some(entry) = of(batch, kind).next() else { return };
    for (account, delta) in [(&GlAccount::Cash, delta), (against, -delta)] {
        if let Some(line) = entry.gl.iter_mut().find(|line| line.account == *account) {
            line.delta += delta;
        }
    }
}

/// Removes the legs of one kind of entry that are `meant`.
fn drop_legs(batch: &mut Batch, kind: Kind, meant: impl Fn(&Leg) -> bool) {
    of(batch, kind).for_each(|entry| entry.custody.retain(|leg| !meant(leg)));
}

impl Mutation {
    /// Puts the fault into a batch, where it has a place for it.
    pub(super) fn spoil(self, batch: &mut Batch) {
        match self {
            Self::FillRoundedUp
            | Self::CostRoundedDown
            | Self::LevySkipped
            | Self::RefundKept
            | Self::SliceRoundedUp
            | Self::UnitsRoundedUp
            | Self::WindowOverpaid
            | Self::SliceToManager => self.spoil_strike(batch),
            Self::ManagementFeeSkipped
            | Self::PublishersForgotten
            | Self::HighWaterStays
            | Self::HighWaterLow
            | Self::ClockStands
            | Self::WindingUndone => self.spoil_progress(batch),
            Self::FundSellsFirst
            | Self::ProceedsRoundedDown
            | Self::PurchaseRoundedUp
            | Self::BondSkipped
            | Self::DeliveryLost => self.spoil_trades(batch),
            Self::TrancheLost
            | Self::BatchNotCounted
            | Self::PoolStaysOpen
            | Self::QueueStays
            | Self::FreezeForgotten
            | Self::YouthForgotten
            | Self::BookShort
            | Self::RevealForged
            | Self::CutOffSlips
            | Self::HoldForgotten
            | Self::FeeShareForgotten
            | Self::CorrectionForgotten
            | Self::DistributionForgotten
            | Self::CallForgotten
            | Self::EstimatesIgnored => self.spoil_effects(batch),
            _ => self.spoil_others(batch),
        }
    }

    fn spoil_strike(self, batch: &mut Batch) {
        let to_person = |leg: &Leg| matches!(leg.to, Account::Person(_));
        let to_fund = |leg: &Leg| matches!(leg.to, Account::Fund(_));
        let from_fund = |leg: &Leg| matches!(leg.from, Account::Fund(_));
        match self {
            Self::FillRoundedUp => {
                nudge(batch, Kind::SettleSubs, 1, is_share);
            }
            Self::CostRoundedDown => {
                if nudge(batch, Kind::SettleSubs, -1, |leg| is_cash(leg) && to_fund(leg)) {
                    nudge(batch, Kind::SettleSubs, 1, |leg| is_cash(leg) && to_person(leg));
                    book(batch, Kind::SettleSubs, -1, &GlAccount::Capital);
                }
            }
            Self::LevySkipped => {
                let Some(levy) = levy_of(batch).filter(|levy| *levy > 0) else { return };
                if nudge(batch, Kind::SettleSubs, -levy, |leg| is_cash(leg) && to_fund(leg)) {
                    nudge(batch, Kind::SettleSubs, levy, |leg| is_cash(leg) && to_person(leg));
                    book(batch, Kind::SettleSubs, -levy, &GlAccount::Capital);
                }
            }
            Self::RefundKept => {
                drop_legs(batch, Kind::SettleSubs, |leg| is_cash(leg) && to_person(leg));
            }
            Self::SliceRoundedUp => {
                if nudge(batch, Kind::SettleReds, 1, |leg| is_cash(leg) && from_fund(leg)) {
                    book(batch, Kind::SettleReds, -1, &GlAccount::Capital);
                }
            }
            Self::WindowOverpaid => {
                if nudge(batch, Kind::WindowPay, 1, is_cash) {
                    book(batch, Kind::WindowPay, -1, &GlAccount::Capital);
                }
            }
            Self::UnitsRoundedUp => {
                nudge(batch, Kind::SettleReds, 1, |leg| is_unit(leg) && from_fund(leg));
            }
            _ => {
                if let Some(leg) = leg(batch, Kind::SettleReds, is_cash) {
                    leg.to = Account::Claim(manager());
                }
            }
        }
    }

    fn spoil_progress(self, batch: &mut Batch) {
        match self {
            Self::ManagementFeeSkipped => batch.entries.retain(|e| e.kind != Kind::MgmtFee),
            Self::PublishersForgotten => {
                for leg in of(batch, Kind::MgmtFee).flat_map(|entry| &mut entry.custody) {
                    leg.to = Account::Person(manager());
                }
            }
            _ => {
                let progressed = batch.effects.iter_mut().filter_map(|effect| match effect {
                    Effect::Progressed { progress, .. } => Some(progress),
                    _ => None,
                });
                for progress in progressed {
                    match self {
                        Self::HighWaterStays => progress.high_water = progress.last,
                        Self::HighWaterLow => {
                            if let Some((nav, _)) = &mut progress.high_water {
                                *nav = *nav - Femto::from_femto(1);
                            }
                        }
                        Self::ClockStands => progress.day = (progress.day - 1).max(0),
                        _ => progress.winding = false,
                    }
                }
            }
        }
    }

    fn spoil_trades(self, batch: &mut Batch) {
        match self {
            Self::FundSellsFirst => {
                batch.entries.sort_by_key(|entry| entry.kind == Kind::LiqSell);
            }
            Self::ProceedsRoundedDown => {
                if nudge(batch, Kind::Sell, -1, is_cash) {
                    book(batch, Kind::Sell, -1, &GlAccount::Trading);
                }
            }
            Self::PurchaseRoundedUp => {
                if nudge(batch, Kind::Buy, 1, is_cash) {
                    book(batch, Kind::Buy, -1, &GlAccount::Trading);
                }
            }
            Self::BondSkipped => {
                for leg in of(batch, Kind::Buy).flat_map(|entry| &mut entry.custody) {
                    if let Account::Bond(model) = &leg.to {
                        leg.to = Account::EscrowPublisher(model.clone());
                    }
                }
            }
            _ => {
                let Some(entry) = of(batch, Kind::LiqDeliver).next() else { return };
                let person = |leg: &Leg| matches!(leg.to, Account::Person(_));
                if let Some(index) = entry.custody.iter().position(person) {
                    entry.custody.remove(index);
                }
            }
        }
    }

    fn spoil_others(self, batch: &mut Batch) {
        let to_person = |leg: &Leg| matches!(leg.to, Account::Person(_));
        match self {
            Self::ClaimToSponsor => {
                if let Some(leg) = leg(batch, Kind::Claim, is_cash) {
                    leg.to = Account::Person(sponsor());
                }
            }
            Self::MarkMakesCash => {
                if let Some(entry) = of(batch, Kind::Mark).next() {
                    let (from, to) = (Account::Outside, Account::Person(sponsor()));
                    entry.custody.push(Leg { amount: 1, asset: Asset::Cash, from, to });
                }
            }
            Self::RoyaltyDustLost => {
                nudge(batch, Kind::Royalty, -1, to_person);
            }
            Self::VestingMisdirected => {
                let last = of(batch, Kind::Vest).next().and_then(|e| e.custody.last().cloned());
                if let (Some(last), Some(first)) = (last, leg(batch, Kind::Vest, is_cash)) {
                    first.to = last.to;
                }
            }
            Self::SideClaimInflated => {
                let claim = |leg: &Leg| matches!(leg.asset, Asset::SideClaim { .. });
                nudge(batch, Kind::SidePocket, 1, claim);
            }
            Self::DelistedKept => drop_legs(batch, Kind::SidePocket, is_unit),
            Self::LineMissing => {
                if let Some(entry) = batch.entries.iter_mut().find(|entry| entry.gl.len() > 2) {
                    entry.gl.pop();
                }
            }
            Self::LockedRedeemed => {
                if let Some(leg) = leg(batch, Kind::InKind, is_share)
                    && let Asset::Share(fund) = &leg.asset
                {
                    leg.from = Account::Locked(fund.clone());
                }
            }
            Self::InKindRoundedUp => {
                nudge(batch, Kind::InKind, 1, is_unit);
            }
            Self::CreationRoundedDown if nudge(batch, Kind::CreateInKind, -1, is_cash) => {
                book(batch, Kind::CreateInKind, -1, &GlAccount::Capital);
            }
            Self::CompensationUnbooked => {
                of(batch, Kind::Compensation).for_each(|entry| entry.gl.clear());
            }
            Self::DepositTwice => {
                if let Some(entry) = of(batch, Kind::Deposit).next() {
                    entry.custody.extend_from_within(..);
                }
            }
            Self::RedemptionNotEscrowed => drop_legs(batch, Kind::RedRequest, is_share),
            Self::AdoptedFree => {
                for effect in &mut batch.effects {
                    if let Effect::MethodologyAdopted { retention, .. } = effect {
                        *retention = 1_000_000_000_000_000_000;
                    }
                }
            }
            Self::ForfeitKept => {
                of(batch, Kind::BidForfeit).for_each(|entry| entry.custody.clear());
            }
            Self::LeaversUnpaid => {
                drop_legs(batch, Kind::LiqPay, |leg| matches!(leg.to, Account::Claim(_)));
            }
            Self::VestingPanics => assert!(of(batch, Kind::Vest).next().is_none(), "on purpose"),
            _ => {}
        }
    }
}

fn manager() -> crate::name::Name {
    super::cast::name("MANAGER")
}

fn sponsor() -> crate::name::Name {
    super::cast::name("SPONSOR")
}

/// The levy of the first order that was filled.
fn levy_of(batch: &Batch) -> Option<i64> {
    let crate::fund::Outcome::Strike(strike) = &batch.outcome else { return None };
    strike.fills.first().filter(|f| f.shares > Shares::ZERO).map(|f| f.levy).map(Cash::as_micro)
}
