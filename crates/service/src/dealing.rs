//! Own dealing: whoever may know of a version that a fund's mark does not know yet neither joins that fund nor moves its shares until the
//! strike that knows it (FUND 1.2). Leaving uses no mark and is open to him as to everybody.
//!
//! A window is opened where a version is published and ended by the strike whose mark knows it, or by a yank. An evaluation that failed
//! can be asked for again, and a pin can be lifted, both by those whom the window keeps out: so neither ends one.

use domain::{
    dealing::{Insider, Window, closed_to},
    name::Name,
    time::Timestamp,
};
use store::{
    Connection, MaintainerRow, ModelRow, Moment, MomentRow, StoreTransaction, VersionRow,
    WindowEnd, WindowEndRow, dealing_window_end, ledger, model_contributor, model_maintainer,
    model_version, price_decision, registered_model, version_moment,
};

use crate::{
    ServiceError, contributors::CONTRIBUTORS_MAX, funds::live_models, ledger::LedgerUnit,
    prices::listed_ordinal,
};

/// Rows read from the database at a time.
const PAGE_ROWS: u64 = 100;

/// Writes down where a version's publishing or yank stands in the journal; the ledger's lock is held.
pub(crate) async fn record_moment(
    transaction: &StoreTransaction,
    (version_id, model_id): (&str, &str),
    what: Moment,
) -> Result<(), ServiceError> {
    let row = MomentRow {
        version_id: version_id.to_owned(),
        what,
        model_id: model_id.to_owned(),
        after_event: ledger::max_seq(transaction).await?.unwrap_or(0),
    };
    Ok(version_moment::insert(transaction, row).await?)
}

/// Refuses an owner what he may not do while he may know more of a model of the fund than its mark.
///
/// # Errors
/// [`ServiceError::OwnDealing`] with the version.
pub(crate) async fn check_own_dealing(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    owner: &Name,
) -> Result<(), ServiceError> {
    check_dealing(ledger, fund, owner, |_| true).await
}

/// Refuses an owner who has a part in a model that the fund lists: publisher, maintainer, or one whom the ledger pays for it. Who is only
/// named as a contributor has taken no part by it, or a publisher would name those who bid against his friends.
///
/// # Errors
/// [`ServiceError::OwnModel`] with the model.
pub(crate) async fn check_no_part(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    owner: &Name,
) -> Result<(), ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(()) };
    for model in live_models(ledger, state) {
        let paid = ledger.state.model(&model).map(|model| model.contributors()).unwrap_or_default();
        let transaction = &ledger.unit.transaction;
        let row = registered_model::find_by_name(transaction, model.as_str()).await?;
        let has_part = paid.iter().any(|(who, _)| who == owner)
            || match &row {
                None => false,
                Some(row) if row.publisher == owner.as_str() => true,
                Some(row) => model_maintainer::current(transaction, &row.id, owner.as_str())
                    .await?
                    .is_some_and(|role| role.granted),
            };
        if has_part {
            let (fund, owner) = (fund.to_string(), owner.to_string());
            return Err(ServiceError::OwnModel { fund, owner, model: model.to_string() });
        }
    }
    Ok(())
}

async fn check_dealing(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    owner: &Name,
    counts: impl Fn(&Insider) -> bool,
) -> Result<(), ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(()) };
    // The moment at which the dealing would be recorded: roles have moments of the same order.
    let now = Timestamp::from_millis(ledger.at());
    for name in live_models(ledger, state) {
        let transaction = &ledger.unit.transaction;
        let row = registered_model::find_by_name(transaction, name.as_str()).await?;
        let Some(row) = row else { continue };
        let mut windows = Vec::new();
        for version in open_versions(transaction, fund, &row).await? {
            windows.push(window(&name, &version, 0, None)?);
        }
        if windows.is_empty() {
            continue;
        }
        let mut insiders = insiders_of(transaction, &ledger.state, &row).await?;
        insiders.retain(&counts);
        // Every window that is open is open for the event that is asked for, whatever its number.
        if let Some(found) = closed_to(owner, &insiders, &windows, (1, now)) {
            return Err(ServiceError::OwnDealing {
                fund: fund.to_string(),
                owner: owner.to_string(),
                version: format!("{name}/{}", found.version),
            });
        }
    }
    Ok(())
}

/// Refuses an owner to take an order back that he placed when he was one of those who may know more: to be named afterwards takes nobody's
/// right to his own order.
///
/// # Errors
/// [`ServiceError::OwnDealing`] with the version.
pub(crate) async fn check_placed_order(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    (owner, placed_at): (&Name, Timestamp),
) -> Result<(), ServiceError> {
    check_dealing(ledger, fund, owner, |insider| insider.from < placed_at).await
}

/// A window of a version.
pub(crate) fn window(
    model: &Name,
    version: &VersionRow,
    opened_after: u64,
    ended_by: Option<u64>,
) -> Result<Window, ServiceError> {
    Ok(Window {
        model: model.clone(),
        version: version.name.parse().map_err(ServiceError::internal)?,
        opened_at: Timestamp::from_millis(version.published_at),
        opened_after,
        ended_by,
    })
}

/// Versions of a model that no strike of the fund knows and no yank has ended.
pub(crate) async fn open_versions(
    transaction: &StoreTransaction,
    fund: &Name,
    model: &ModelRow,
) -> Result<Vec<VersionRow>, ServiceError> {
    let (mut versions, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = version_moment::list_open(
            transaction,
            &model.id,
            fund.as_str(),
            after.as_deref(),
            PAGE_ROWS,
        )
        .await?;
        let is_last = (page.len() as u64) < PAGE_ROWS;
        for moment in page {
            let version = model_version::find_by_id(transaction, &moment.version_id).await?;
            versions.push(
                version.ok_or_else(|| ServiceError::internal("a moment without its version"))?,
            );
            after = Some(moment.version_id);
        }
        if is_last {
            return Ok(versions);
        }
    }
}

/// Ends the windows whose version the marks of these models know since the event `event_seq`: the strike that marked all models of a
/// fund, or the admission that marked one.
pub(crate) async fn end_known_windows(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    models: &[Name],
    event_seq: i64,
) -> Result<(), ServiceError> {
    let known = known_windows(ledger, fund, models).await?;
    write_ends(ledger, fund, known, event_seq).await
}

/// Writes down that the windows of versions ended with an event.
pub(crate) async fn write_ends(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    known: Vec<(String, WindowEnd)>,
    event_seq: i64,
) -> Result<(), ServiceError> {
    let ends = known.into_iter().map(|(version, why)| end(fund, version, event_seq, why)).collect();
    Ok(dealing_window_end::insert_all(&ledger.unit.transaction, ends).await?)
}

/// The open windows whose version the marks of these models know, and why they end.
pub(crate) async fn known_windows(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    models: &[Name],
) -> Result<Vec<(String, WindowEnd)>, ServiceError> {
    let mut ends = Vec::new();
    for name in models {
        let transaction = &ledger.unit.transaction;
        let row = registered_model::find_by_name(transaction, name.as_str()).await?;
        let Some(row) = row else { continue };
        let listed = listed_ordinal(transaction, &row.id).await?.unwrap_or(0);
        for version in open_versions(transaction, fund, &row).await? {
            let decided =
                price_decision::latest_by_version(transaction, &row.id, &version.id).await?;
            // A price that tripped is not the mark yet.
            let reason = if decided.is_some_and(|decision| decision.status != "TRIPPED") {
                WindowEnd::Marked
            } else if version.ordinal < listed {
                WindowEnd::PassedOver
            } else {
                continue;
            };
            ends.push((version.id, reason));
        }
    }
    Ok(ends)
}

/// Ends the windows of a model in every fund that listed it.
pub(crate) async fn end_delisted_windows(
    ledger: &LedgerUnit<'_>,
    model: &Name,
    event_seq: i64,
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let row = registered_model::find_by_name(transaction, model.as_str()).await?;
    let Some(row) = row else { return Ok(()) };
    for fund in ledger.state.funds().filter(|fund| fund.price(model).is_some()) {
        let versions = open_versions(transaction, fund.name(), &row).await?;
        let ended =
            |version: VersionRow| end(fund.name(), version.id, event_seq, WindowEnd::Delisted);
        let ends = versions.into_iter().map(ended).collect();
        dealing_window_end::insert_all(transaction, ends).await?;
    }
    Ok(())
}

fn end(fund: &Name, version_id: String, event_seq: i64, reason: WindowEnd) -> WindowEndRow {
    WindowEndRow { fund: fund.to_string(), version_id, event_seq, reason }
}

/// Everybody who is or was an insider of a model, with the times: its publisher, the contributors that the ledger pays, those that the
/// registry names or named, its maintainers.
pub(crate) async fn insiders_of<C: Connection>(
    connection: &C,
    state: &domain::fund::State,
    row: &ModelRow,
) -> Result<Vec<Insider>, ServiceError> {
    let model: Name = row.name.parse().map_err(ServiceError::internal)?;
    let insider = |owner: Name, from: i64, to: Option<i64>| Insider {
        owner,
        model: model.clone(),
        from: Timestamp::from_millis(from),
        to: to.map(Timestamp::from_millis),
    };
    let parse = |login: &str| login.parse::<Name>().map_err(ServiceError::internal);
    let mut insiders = vec![insider(parse(&row.publisher)?, i64::MIN, None)];
    let paid = state.model(&model).map(|model| model.contributors()).unwrap_or_default();
    insiders.extend(paid.iter().map(|(who, _)| insider(who.clone(), i64::MIN, None)));
    let last = model_contributor::last_revision(connection, &row.id).await?.unwrap_or(0);
    let mut until = None;
    for revision in (1..=last).rev() {
        let limit = CONTRIBUTORS_MAX as u64;
        let parts = model_contributor::list(connection, &row.id, revision, limit).await?;
        for part in &parts {
            insiders.push(insider(parse(&part.login)?, part.set_at, until));
        }
        until = parts.first().map(|part| part.set_at);
    }
    let mut after = None::<(String, i64)>;
    let mut roles: Vec<MaintainerRow> = Vec::new();
    loop {
        let cursor = after.as_ref().map(|(login, seq)| (login.as_str(), *seq));
        let page = model_maintainer::history(connection, &row.id, cursor, PAGE_ROWS).await?;
        after = page.last().map(|row| (row.login.clone(), row.seq));
        let is_last = (page.len() as u64) < PAGE_ROWS;
        roles.extend(page);
        if is_last {
            break;
        }
    }
    for (place, role) in roles.iter().enumerate().filter(|(_, role)| role.granted) {
        let next = roles.get(place + 1).filter(|next| next.login == role.login);
        insiders.push(insider(parse(&role.login)?, role.set_at, next.map(|next| next.set_at)));
    }
    Ok(insiders)
}
