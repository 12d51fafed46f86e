//! Admission: a model's units are issued once, and its publisher posts a bond.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, MODELS_MAX, PARTIES_MAX, UNITS, check_amount, check_cash, find_fund},
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{Cash, PPB_ONE, Ppb, PriceNano},
    name::Name,
};

/// What an admission says.
pub(super) struct Admission<'a> {
    pub(super) fund: &'a Name,
    pub(super) model: &'a Name,
    pub(super) publisher: &'a Name,
    pub(super) price: PriceNano,
    pub(super) bond: Cash,
    pub(super) contributors: &'a [(Name, Ppb)],
}

pub(super) fn admit(state: &State, admission: &Admission<'_>) -> Result<Batch, Rejection> {
    let Admission { fund, model, publisher, price, bond, .. } = *admission;
    check_new(state, fund, model)?;
    check_amount("first price", price.as_nano(), 1)?;
    let bonded = check_cash("bond", bond)?;
    let contributors = contributors(state, admission)?;
    if find_fund(state, fund)?.prices().len() >= MODELS_MAX {
        return Err(Rejection::Limit { what: format!("models of {fund}"), max: MODELS_MAX as i64 });
    }
    let mut book = Book::over(state);
    let issued = if state.model(model).is_some() { 0 } else { i128::from(UNITS) };
    let (unit, primary) = (Asset::Unit(model.clone()), Account::Primary(model.clone()));
    let poster = Account::Person(publisher.clone());
    let legs = vec![
        (unit, Account::Issue, primary, issued),
        (Asset::Cash, poster, Account::Bond(model.clone()), bonded),
    ];
    let facts = Meta::Admission { contributors: contributors.clone(), model: model.clone(), price };
    book.post(Kind::Admit, Some(fund), legs, Vec::new(), facts)?;
    if issued > 0 {
        book.effect(Effect::ModelIssued { contributors, model: model.clone() });
    }
    let prices = BTreeMap::from([(model.clone(), price)]);
    book.effect(Effect::Priced { estimates: BTreeMap::new(), fund: fund.clone(), prices });
    Ok(book.finish(Outcome::None))
}

/// `delisted` for ever, then `exists` where the fund lists it.
pub(super) fn check_new(state: &State, fund: &Name, model: &Name) -> Result<(), Rejection> {
    let fund = find_fund(state, fund)?;
    if state.is_delisted(model) {
        return Err(Rejection::Delisted { model: model.clone() });
    }
    if fund.price(model).is_some() {
        return Err(Rejection::Exists { what: format!("model {model} in fund {}", fund.name()) });
    }
    Ok(())
}

/// Who receives the proceeds; fixed for ever by the first admission on the ledger.
fn contributors(state: &State, said: &Admission<'_>) -> Result<Vec<(Name, Ppb)>, Rejection> {
    if !said.contributors.is_empty() {
        check_split(said.model, said.contributors)?;
    }
    match state.model(said.model) {
        Some(issued) if said.contributors.is_empty() => Ok(issued.contributors().to_vec()),
        Some(issued) if issued.contributors() != said.contributors => Err(Rejection::Split {
            model: said.model.to_string(),
            why: "they differ from those at the first admission",
        }),
        None if said.contributors.is_empty() => {
            Ok(vec![(said.publisher.clone(), Ppb::from_ppb(PPB_ONE))])
        }
        _ => Ok(said.contributors.to_vec()),
    }
}

/// `split` unless the parts are at least 1 ppb each, sum to one, and their owners differ.
pub(super) fn check_split(model: &Name, parts: &[(Name, Ppb)]) -> Result<(), Rejection> {
    let fail = |why| Err(Rejection::Split { model: model.to_string(), why });
    if parts.len() > PARTIES_MAX {
        return fail("there are more than 1,000");
    }
    if parts.iter().any(|(_, part)| !(1..=PPB_ONE).contains(&part.as_ppb())) {
        return fail("a part is not between 1 and 1000000000 ppb");
    }
    if parts.iter().map(|(_, part)| i128::from(part.as_ppb())).sum::<i128>() != i128::from(PPB_ONE)
    {
        return fail("the parts do not sum to 1000000000 ppb");
    }
    if parts.iter().map(|(who, _)| who).collect::<BTreeSet<_>>().len() != parts.len() {
        return fail("a name stands twice");
    }
    Ok(())
}
