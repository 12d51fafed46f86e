//! The model beside the engine: after each event on what was touched, now and then in everything.

use super::{
    cast::{Cast, MODELS, esc_pub},
    checks::Violation,
    model::{
        Code, GL_CAPITAL, GL_CASH, GL_INCOME, GL_MANAGEMENT, GL_MANAGEMENT_DUE, GL_PERFORMANCE,
        GL_PERFORMANCE_DUE, GL_REDEMPTIONS, GL_TRADING, GL_UNITS, GL_UNREALISED, Model, Struck,
        Told,
        auction::{Called, Sealed},
        window::Paid,
    },
};
use crate::{
    amount::{Cash, Femto, Shares},
    fund::{Batch, ClearedMarket, FundState, GlAccount, Outcome, State, StrikeOutcome, WindowFill},
};

fn differs(text: impl Into<String>) -> Violation {
    Violation { invariant: None, text: format!("model: {}", text.into()) }
}

fn same(holds: bool, text: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(differs(text())) }
}

/// Compares the answers: a code, or what was returned.
pub(super) fn compare_answer(
    cast: &Cast,
    said: Result<&Batch, &'static str>,
    told: &Result<Told, Code>,
) -> Result<(), Violation> {
    let batch = match (said, told) {
        (Err(code), Err(own)) => {
            return same(code == *own, || format!("the engine says {code}, the model {own}"));
        }
        (Err(code), Ok(_)) => {
            return Err(differs(format!("the engine refuses with {code}, the model does it")));
        }
        (Ok(_), Err(own)) => {
            return Err(differs(format!("the model refuses with {own}, the engine does it")));
        }
        (Ok(batch), Ok(_)) => batch,
    };
    match (&batch.outcome, told) {
        (Outcome::None, Ok(Told::Nothing)) => Ok(()),
        (Outcome::Vested(cash), Ok(Told::Vested(own))) => {
            same(i128::from(cash.as_micro()) == *own, || {
                format!("{cash} vests, {own} in the model")
            })
        }
        (Outcome::Strike(strike), Ok(Told::Struck(own))) => {
            let theirs = struck(cast, strike);
            same(theirs.as_ref() == Some(own), || format!("strike {theirs:?}, model {own:?}"))
        }
        (Outcome::Window(fills), Ok(Told::Window(own))) => {
            let theirs: Option<Vec<_>> = fills.iter().map(|f| paid(cast, f)).collect();
            same(theirs.as_ref() == Some(own), || format!("window {theirs:?}, model {own:?}"))
        }
        (outcome, told) => Err(differs(format!("outcome {outcome:?}, model {told:?}"))),
    }
}

fn paid(cast: &Cast, fill: &WindowFill) -> Option<Paid> {
    let [asked, given, levy] =
        [fill.requested, fill.shares, fill.levy].map(|shares| i128::from(shares.as_nano()));
    Some((cast.find_person(&fill.who)?, asked, given, levy, i128::from(fill.cash.as_micro())))
}

fn struck(cast: &Cast, strike: &StrikeOutcome) -> Option<Struck> {
    let fill = |f: &crate::fund::Fill| {
        let cash = |c: Cash| i128::from(c.as_micro());
        let shares = i128::from(f.shares.as_nano());
        Some((cast.find_person(&f.who)?, shares, cash(f.cost), cash(f.levy)))
    };
    let slice = |s: &crate::fund::Slice| {
        let (shares, cash) = (i128::from(s.shares.as_nano()), i128::from(s.cash.as_micro()));
        Some((cast.find_person(&s.who)?, shares, cash))
    };
    Some(Struck {
        epoch: strike.epoch,
        nav: strike.nav.as_femto()?,
        ask: strike.ask.as_femto()?,
        shares: i128::from(strike.shares.as_nano()),
        winding: strike.winding,
        fills: strike.fills.iter().map(fill).collect::<Option<_>>()?,
        slices: strike.slices.iter().map(slice).collect::<Option<_>>()?,
    })
}

/// Compares every balance that the batch or the model touched, and the fund's small facts.
pub(super) fn compare_touched(
    model: &Model,
    state: &State,
    batch: &Batch,
    cells: &mut Vec<usize>,
) -> Result<(), Violation> {
    cells.clear();
    cells.extend(model.touched().iter().map(|touched| touched.0));
    for leg in batch.entries.iter().flat_map(|entry| &entry.custody) {
        for account in [&leg.from, &leg.to] {
            let cell = model.find_cell(account, &leg.asset);
            let stranger = || differs(format!("{account} is no party of this life"));
            cells.push(cell.ok_or_else(stranger)?);
        }
    }
    cells.sort_unstable();
    cells.dedup();
    for cell in cells.iter() {
        compare_cell(model, state, *cell)?;
    }
    let Some(fund) = state.fund(&model.cast.fund) else { return Ok(()) };
    let facts = &model.facts;
    let pair = |pair: Option<(Femto, Shares)>| {
        pair.map(|(nav, shares)| {
            (nav.as_femto().unwrap_or(i128::MAX), i128::from(shares.as_nano()))
        })
    };
    let theirs = (pair(fund.hwm()), pair(fund.last()), fund.day(), fund.epoch(), fund.winding());
    let ours = (facts.hwm, facts.last, facts.day, facts.epoch, facts.winding);
    same(theirs == ours, || {
        format!(
            "high-water mark, last strike, day, epoch, winding are {theirs:?}, in the model {ours:?}"
        )
    })
}

fn compare_cell(model: &Model, state: &State, cell: usize) -> Result<(), Violation> {
    let own = model.value(cell);
    let (account, asset) = model.place(cell);
    let balance = i128::from(state.balance(&account, asset));
    same(balance == own, || format!("{account} has {balance} of {asset}, in the model {own}"))
}

/// Compares NAV and shares.
pub(super) fn compare_nav(model: &Model, nav: i128, shares: i128) -> Result<(), Violation> {
    let own = (model.nav(), model.shares());
    same((nav, shares) == own, || format!("NAV and shares {nav}, {shares}, in the model {own:?}"))
}

/// Compares the whole state.
pub(super) fn compare_all(model: &Model, state: &State) -> Result<(), Violation> {
    let mut filled = 0;
    for (cell, _) in model.filled_cells() {
        filled += 1;
        compare_cell(model, state, cell)?;
    }
    let held = state.balances().count();
    same(held == filled, || format!("{held} balances, {filled} in the model"))?;
    for (index, name) in model.cast.models.iter().enumerate() {
        let Some(record) = state.model(name) else { continue };
        same(record.is_delisted() == model.facts.dead[index], || format!("{name} is delisted"))?;
        let theirs = record.sales().iter().map(|s| {
            let [amount, paid] = [s.amount, s.paid].map(|c| i128::from(c.as_micro()));
            (s.day, amount, paid)
        });
        let own = model.facts.sales[index].iter().map(|s| (s.day, s.amount, s.paid));
        same(theirs.eq(own), || format!("sales of {name} differ"))?;
        let owed: i128 = model.facts.sales[index].iter().map(|s| s.amount - s.paid).sum();
        let escrow = model.cell(esc_pub(index), super::cast::CASH);
        same(escrow == owed, || format!("escrow of {name} is {escrow}, owes {owed}"))?;
    }
    for (sequence, ..) in &model.reversible {
        let corrected = state.is_corrected(*sequence);
        same(corrected == model.facts.corrected.contains(sequence), || {
            format!("event {sequence} corrected: {corrected}, in the model otherwise")
        })?;
    }
    match state.fund(&model.cast.fund) {
        Some(fund) => compare_fund(model, fund),
        None => Ok(()),
    }
}

/// Compares who may receive shares, and what is paused.
fn compare_lists(model: &Model, fund: &FundState) -> Result<(), Violation> {
    let (cast, own, theirs) = (&model.cast, &model.facts.access, fund.restrictions());
    let switches = (theirs.has_allow_list(), theirs.is_paused());
    same(switches == (own.list_counts, own.paused), || format!("list, pause are {switches:?}"))?;
    for (index, name) in cast.persons.iter().enumerate() {
        let theirs = (theirs.allowed().contains(name), theirs.frozen().contains(name));
        same(theirs == (own.listed[index], own.frozen[index]), || {
            format!("{name} is allowed, frozen: {theirs:?}")
        })?;
    }
    Ok(())
}

/// The window's queue and the auction's bids.
fn compare_venues(model: &Model, fund: &FundState) -> Result<(), Violation> {
    let (cast, facts) = (&model.cast, &model.facts);
    let who = |name: &crate::name::Name| cast.find_person(name);
    let waits = fund.window().requests().iter();
    let waits = waits.map(|(name, shares)| {
        let least = i128::from(fund.window().least(name).as_nano());
        (who(name), i128::from(shares.as_nano()), least)
    });
    let own = facts.window.iter().map(|(who, shares, least)| (Some(*who), *shares, *least));
    same(waits.eq(own), || "requests at the window differ".to_owned())?;
    let bids = fund.auction().sealed();
    let sealed = |own: &Sealed| {
        let theirs = bids.get(&cast.persons[own.who]);
        theirs.is_some_and(|bids| {
            let opened = bids.opened.as_deref();
            let theirs = (bids.commitment, opened, i128::from(bids.deposit.as_micro()));
            theirs == (own.digest, own.bids.as_deref(), own.deposit)
        })
    };
    let micro = |cash: Cash| i128::from(cash.as_micro());
    let auction = fund.auction();
    let call = auction.call().map(|call| Called {
        day: call.day,
        lost: call.closed.map(micro),
        marked: call.marked,
        met: call.met,
    });
    same(call == facts.call, || format!("call {call:?}, in the model {:?}", facts.call))?;
    same(auction.passed() == facts.passed, || format!("batches to strike {}", auction.passed()))?;
    let cleared = auction.last().map(|last| {
        let market = |m: &ClearedMarket| {
            let model = cast.models.iter().position(|name| *name == m.model).unwrap_or(usize::MAX);
            (model, m.side, i128::from(m.price.as_nano()), i128::from(m.units.as_micro()))
        };
        let markets = last.markets.iter().map(market).collect::<Vec<_>>();
        (last.day, last.epoch, micro(last.forfeited), markets)
    });
    same(cleared == facts.cleared, || format!("{cleared:?}, in the model {:?}", facts.cleared))?;
    let all = bids.len() == facts.sealed.len() && facts.sealed.iter().all(sealed);
    same(all, || "sealed bids differ".to_owned())?;
    for (index, name) in cast.models.iter().enumerate() {
        let theirs = fund.window().sales().get(name).into_iter().flatten().map(|sale| {
            let wide = |x: i64| i128::from(x);
            let (mark, traded) = (wide(sale.mark.as_nano()), wide(sale.traded.as_nano()));
            (sale.day, mark, traded, wide(sale.units.as_micro()))
        });
        let own = facts.sold[index].iter().copied();
        same(theirs.eq(own), || format!("sales of {name} that are open differ"))?;
    }
    let supply = i128::from(fund.window().sales_supply().as_nano());
    same(supply == facts.sold_supply, || format!("sales are open for {supply} shares"))?;
    same(fund.window().paid() == facts.window_paid, || "another payment was the last".to_owned())?;
    for (index, name) in cast.persons.iter().enumerate() {
        let (theirs, own) = (fund.window().young_shares(name, fund.day()), model.young(index));
        same(theirs == own, || format!("{theirs} shares of {name} are young, {own} in the model"))?;
    }
    Ok(())
}

/// The cut-off, what is held back, and fee shares.
fn compare_waiting(model: &Model, fund: &FundState) -> Result<(), Violation> {
    let facts = &model.facts;
    let cut = fund.cut_off().map(|cut| {
        let book = cut.book.map(|book| (book.subscriptions, book.redemptions, book.window));
        (cut.at, cut.since, book)
    });
    let own = facts.cut.as_ref().map(|cut| (cut.at, cut.since, cut.book));
    same(cut == own, || format!("the cut-off is {cut:?}, in the model {own:?}"))?;
    for (place, own) in facts.waits.iter().enumerate() {
        let theirs = fund.held_since(place as u64);
        same(theirs == *own, || format!("order {place} is held since {theirs:?}, not {own:?}"))?;
    }
    let held = fund.held_orders().count();
    same(held == facts.waits.iter().flatten().count(), || format!("{held} orders are held"))?;
    for (index, name) in model.cast.models.iter().enumerate() {
        let theirs = i128::from(fund.fee_share(name).as_ppb());
        same(theirs == facts.fee_shares[index], || format!("the fee share of {name} is {theirs}"))?;
    }
    Ok(())
}

fn compare_fund(model: &Model, fund: &FundState) -> Result<(), Violation> {
    let (cast, facts) = (&model.cast, &model.facts);
    let (theirs, own) = (fund.methodology(), model.adopted);
    same(theirs == own, || format!("rules {theirs:?} are in force, in the model {own:?}"))?;
    for (index, name) in cast.models.iter().enumerate() {
        let theirs = (fund.price(name), fund.estimate(name));
        let theirs = (theirs.0.map(|p| p.as_nano()), theirs.1.map(|e| e.as_nano()));
        same(fund.is_eligible(name) != facts.access.weightless[index], || {
            format!("{name} may have weight: {}", fund.is_eligible(name))
        })?;
        let own = (facts.px[index], facts.est[index]);
        same(theirs == own, || format!("{name} stands at {theirs:?}, in the model {own:?}"))?;
    }
    compare_lists(model, fund)?;
    let who = |name: &crate::name::Name| cast.find_person(name);
    let joins = fund.pending_subscriptions().iter();
    let joins = joins.map(|(name, cash)| (who(name), i128::from(cash.as_micro())));
    let own = facts.subs.iter().map(|(who, cash)| (Some(*who), *cash));
    same(joins.eq(own), || "orders of joiners differ".to_owned())?;
    let leaves = fund.pending_redemptions().iter();
    let leaves = leaves.map(|(name, shares)| (who(name), i128::from(shares.as_nano())));
    let own = facts.reds.iter().map(|(who, shares)| (Some(*who), *shares));
    same(leaves.eq(own), || "orders of leavers differ".to_owned())?;
    let open = fund.open_commitment().map(|open| {
        let book = open.book.map(|b| (b.day, b.subscriptions, b.redemptions, b.window));
        (open.digest, book, open.revealed)
    });
    let own = facts.open.as_ref().map(|open| (open.digest, open.book, open.told));
    same(open == own, || format!("the commitment is {open:?}, in the model {own:?}"))?;
    compare_waiting(model, fund)?;
    compare_venues(model, fund)?;
    same(fund.pools().len() == facts.pools.len(), || "open pools differ".to_owned())?;
    for (epoch, own) in &facts.pools {
        let pool = fund.pools().get(epoch);
        let owners = |pool: &crate::fund::Pool| {
            let owners = pool.owners.iter();
            owners
                .map(|(name, shares)| (who(name), i128::from(shares.as_nano())))
                .eq(own.owners.iter().map(|(who, shares)| (Some(*who), *shares)))
        };
        let holds = pool.is_some_and(|pool| pool.batches == own.batches && owners(pool));
        same(holds, || format!("pool of strike {epoch}: {pool:?}, in the model {own:?}"))?;
    }
    same(fund.distributed() == facts.distributed, || {
        format!("fees are distributed to strike {}", fund.distributed())
    })?;
    for (strike, last) in &facts.compensated {
        let theirs = fund.compensated(*strike);
        same(theirs == Some(*last), || format!("strike {strike} compensated at {theirs:?}"))?;
    }
    for (account, index) in ledger_accounts(cast) {
        let (theirs, own) = (fund.gl(&account), Femto::from_femto(facts.gl[index]));
        same(theirs == own, || format!("account {account} is {theirs}, in the model {own}"))?;
    }
    Ok(())
}

fn ledger_accounts(cast: &Cast) -> Vec<(GlAccount, usize)> {
    let mut accounts = vec![
        (GlAccount::Cash, GL_CASH),
        (GlAccount::RedemptionsPayable, GL_REDEMPTIONS),
        (GlAccount::ManagementFeePayable, GL_MANAGEMENT_DUE),
        (GlAccount::PerformanceFeePayable, GL_PERFORMANCE_DUE),
        (GlAccount::Capital, GL_CAPITAL),
        (GlAccount::Trading, GL_TRADING),
        (GlAccount::Unrealised, GL_UNREALISED),
        (GlAccount::Income, GL_INCOME),
        (GlAccount::ManagementFee, GL_MANAGEMENT),
        (GlAccount::PerformanceFee, GL_PERFORMANCE),
    ];
    accounts.extend((0..MODELS).map(|m| (GlAccount::Units(cast.models[m].clone()), GL_UNITS + m)));
    accounts
}
