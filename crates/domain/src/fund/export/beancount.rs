//! The journal as a beancount ledger, for an independent double-entry checker.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::names::{commodity, component};
use crate::{
    amount::Femto,
    fund::{Account, Asset, Batch, Effect},
    name::Name,
};

/// The whole journal as beancount text: every entry a transaction in its order, every account opened before and asserted after them.
///
/// Custody stands under `Assets:C`, one account an owner, in steps of each asset; the valuation ledgers stand under `Equity:GL` in
/// `FEMTO`. The tolerance is zero, so that `bean-check` passes only what balances to the last step.
/// Where the ledger has one fund its name is left out, as in the reference; with several, whatever belongs to a fund bears its name.
/// The ledger knows an order and no calendar, so all entries have one date; the number of an entry stands in its text.
/// [`component`] and [`commodity`] say how names are spelled.
pub fn beancount<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> String {
    let batches: Vec<&Batch> = batches.into_iter().collect();
    let funds: BTreeSet<&Name> = batches
        .iter()
        .flat_map(|batch| &batch.effects)
        .filter_map(|effect| match effect {
            Effect::FundCreated { fund, .. } => Some(fund),
            _ => None,
        })
        .collect();
    let mut ledger = Ledger { several: funds.len() > 1, ..Ledger::default() };
    for batch in batches {
        ledger.post(batch);
    }
    ledger.finish()
}

#[derive(Default)]
struct Ledger {
    several: bool,
    entries: u64,
    transactions: String,
    /// By the texts of owner and asset, in the order of the reference.
    custody: BTreeMap<(String, String), i128>,
    valuation: BTreeMap<(Option<Name>, String), Femto>,
}

impl Ledger {
    fn owner(&self, account: &Account) -> String {
        if self.several { account.to_string() } else { account.short() }
    }

    fn asset(&self, asset: &Asset) -> String {
        if self.several { asset.to_string() } else { asset.short() }
    }

    fn post(&mut self, batch: &Batch) {
        for entry in &batch.entries {
            let kind = entry.kind.as_str();
            let _ = writeln!(self.transactions, "2026-01-01 * \"{} {kind}\"", self.entries);
            self.entries += 1;
            for leg in &entry.custody {
                let asset = self.asset(&leg.asset);
                let amount = i128::from(leg.amount);
                for (owner, change) in [(&leg.from, -amount), (&leg.to, amount)] {
                    let owner = self.owner(owner);
                    let (account, name) = (custody(&owner), commodity(&asset));
                    let _ = writeln!(self.transactions, "  {account}  {change} {name}");
                    *self.custody.entry((owner, asset.clone())).or_default() += change;
                }
            }
            let fund = entry.fund.clone().filter(|_| self.several);
            for line in &entry.gl {
                let key = (fund.clone(), line.account.to_string());
                let _ = writeln!(self.transactions, "  {}  {} FEMTO", valuation(&key), line.delta);
                *self.valuation.entry(key).or_default() += line.delta;
            }
        }
    }

    fn finish(self) -> String {
        let mut text =
            "option \"operating_currency\" \"CASH\"\noption \"inferred_tolerance_default\" \"*:0\"\n"
                .to_owned();
        let owners = self.custody.keys().map(|(owner, _)| custody(owner));
        let accounts: BTreeSet<String> =
            owners.chain(self.valuation.keys().map(valuation)).collect();
        for account in accounts {
            let _ = writeln!(text, "2025-12-31 open {account}");
        }
        text.push_str(&self.transactions);
        for ((owner, asset), balance) in &self.custody {
            let (account, name) = (custody(owner), commodity(asset));
            let _ = writeln!(text, "2026-01-02 balance {account}  {balance} {name}");
        }
        for (key, balance) in &self.valuation {
            let _ = writeln!(text, "2026-01-02 balance {}  {balance} FEMTO", valuation(key));
        }
        text
    }
}

fn custody(owner: &str) -> String {
    format!("Assets:C:{}", component(owner))
}

fn valuation((fund, account): &(Option<Name>, String)) -> String {
    let account = component(account);
    match fund {
        Some(fund) => format!("Equity:GL:{}:{account}", component(fund.as_str())),
        None => format!("Equity:GL:{account}"),
    }
}
