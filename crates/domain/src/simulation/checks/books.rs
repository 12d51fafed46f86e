//! Both books: 1 to 6, 18, 19, 33, 40.

use std::collections::BTreeMap;

use super::{Standing, Violation, ensure, locked};
use crate::{
    amount::{Femto, LIMIT},
    fund::{Account, Asset, FundState, GlAccount, State},
    simulation::cast::{CASH, Cast, MODELS, SHARE, esc_pub, unit},
};

/// Checks a fund's valuation ledger against what it holds: 4, 5, 6.
pub(in crate::simulation) fn check_fund(
    fund: &FundState,
    now: &Standing,
    cast: &Cast,
) -> Result<(), Violation> {
    let (mut assets, mut dues, mut equity) = (Femto::ZERO, Femto::ZERO, Femto::ZERO);
    let (mut cash, mut units) = (Femto::ZERO, [Femto::ZERO; MODELS]);
    for (account, balance) in fund.gl_accounts() {
        match account.class() {
            1 => assets += balance,
            2 => dues += balance,
            _ => equity += balance,
        }
        match account {
            GlAccount::Cash => cash = balance,
            GlAccount::Units(model) => {
                if let Some(model) = cast.find_model(model) {
                    units[model] = balance;
                }
            }
            _ => {}
        }
    }
    let held = Femto::from_femto(now.cash * 1_000_000_000);
    ensure(4, cash == held, || format!("cash is booked at {cash} and is {held}"))?;
    for (model, booked) in units.into_iter().enumerate() {
        let worth = Femto::from_femto(now.units[model] * now.prices[model]);
        ensure(5, booked == worth, || {
            format!("{} is booked at {booked} and worth {worth}", cast.models[model])
        })?;
    }
    ensure(3, (assets + dues + equity).is_zero(), || {
        format!("the valuation ledger sums to {}", assets + dues + equity)
    })?;
    let nav = Femto::from_femto(now.nav);
    ensure(6, dues.is_zero() && assets == nav && -equity == nav, || {
        format!("NAV {nav}, assets {assets}, payables {dues}, equity {equity}")
    })
}

/// Checks everything that the whole ledger can be asked for.
pub(in crate::simulation) fn check_all(state: &State, cast: &Cast) -> Result<(), Violation> {
    let mut sums = BTreeMap::<&Asset, i128>::new();
    for (account, asset, balance) in state.balances() {
        *sums.entry(asset).or_default() += i128::from(balance);
        let place = || format!("{account} has {balance} of {asset}");
        let free = matches!(account, Account::Issue | Account::Outside);
        ensure(2, balance >= 0 || free, place)?;
        ensure(40, balance.unsigned_abs() <= LIMIT.unsigned_abs(), place)?;
        check_place(state, account, asset)?;
    }
    for (asset, sum) in sums {
        ensure(1, sum == 0, || format!("all of {asset} together are {sum}"))?;
    }
    for (name, record) in state.models() {
        let Some(model) = cast.find_model(name) else { continue };
        let issued = state.balance(&Account::Issue, &cast.assets[unit(model)]);
        ensure(33, issued == -1_000_000_000_000, || format!("{issued} units of {name}"))?;
        let escrow = state.balance(&cast.accounts[esc_pub(model)], &cast.assets[CASH]);
        let unpaid = record.sales().iter().map(|s| s.amount.as_micro() - s.paid.as_micro());
        let unpaid: i64 = unpaid.sum();
        ensure(19, escrow == unpaid, || format!("escrow of {name} is {escrow}, owes {unpaid}"))?;
    }
    if let Some(fund) = state.fund(&cast.fund) {
        check_fund(fund, &Standing::of(state, fund, cast), cast)?;
        check_queues(state, fund, cast)?;
    }
    // The engine's own list, which others call; it may see what is forgotten here.
    state.check().map_err(|text| super::broken(6, format!("by the ledger's own check: {text}")))
}

/// Who may hold what: leavers' accounts are those of open pools, claims of holders of record belong to persons.
fn check_place(state: &State, account: &Account, asset: &Asset) -> Result<(), Violation> {
    let place = || format!("{account} holds {asset}");
    if let Account::Liquidation { fund, epoch } = account {
        let open = state.fund(fund).is_some_and(|fund| fund.pools().contains_key(epoch));
        let live = matches!(asset, Asset::Unit(model) if !state.is_delisted(model));
        ensure(19, open && live, place)?;
    }
    match asset {
        Asset::SideClaim { .. } => {
            let ours = [Account::Issue, Account::Outside].contains(account);
            let holder = matches!(account, Account::Person(_) | Account::Locked(_));
            ensure(33, ours || holder, place)
        }
        Asset::Unit(model) if state.is_delisted(model) => {
            ensure(33, !matches!(account, Account::Fund(_)), place)
        }
        _ => Ok(()),
    }
}

/// Escrows hold what is ordered, to the step; the locked shares are there.
pub(in crate::simulation) fn check_queues(
    state: &State,
    fund: &FundState,
    cast: &Cast,
) -> Result<(), Violation> {
    use crate::simulation::cast::{ESC_RED, ESC_SUB};
    let escrow = |row: usize, column: usize| {
        i128::from(state.balance(&cast.accounts[row], &cast.assets[column]))
    };
    let cash = fund.pending_subscriptions().iter().map(|o| i128::from(o.1.as_micro()));
    let (held, ordered) = (escrow(ESC_SUB, CASH), cash.sum::<i128>() + fund.auction().deposits());
    ensure(19, held == ordered, || format!("{held} in escrow for joiners, {ordered} ordered"))?;
    let waiting = fund.pending_redemptions().iter().chain(fund.window().requests());
    let shares = waiting.map(|o| i128::from(o.1.as_nano()));
    let (held, ordered) = (escrow(ESC_RED, SHARE), shares.sum::<i128>());
    ensure(19, held == ordered, || format!("{held} in escrow for leavers, {ordered} ordered"))?;
    let (locked, constant) = (locked(state, cast), fund.params().locked_shares.as_nano());
    ensure(18, fund.hwm().is_none() || locked == constant, || format!("{locked} locked shares"))
}
