//! Who sees which model, and through the models which object: one condition, used by every query that lists or finds.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Query, SelectStatement};

use crate::record::{self, equal};
use crate::{
    Connection, GateMode, ModelRow, StoreError, SuiteRow, model_visibility, object_holder,
    stored_object,
};

/// On whose behalf rows are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading<'a> {
    /// Nobody known: public models only.
    Anybody,
    /// A login: public models, its own, and those that it was granted.
    Login(&'a str),
    /// Everything, for the operator and for the program itself.
    Everything,
}

/// The models that a reading sees, as a condition on `registered_model`.
pub(crate) fn visible(reading: Reading<'_>) -> Condition {
    let hidden = current("model_visibility", &["model_id"])
        .and_where(Expr::col(("now", "model_id")).equals(("registered_model", "id")))
        .and_where(Expr::col(("now", "private")).eq(Expr::val(1)))
        .take();
    match reading {
        Reading::Everything => Condition::all(),
        Reading::Anybody => Expr::not_exists(hidden).into_condition(),
        Reading::Login(login) => named(login).add(Expr::not_exists(hidden)),
    }
}

/// The models whose bytes a reading may have, as a condition on `registered_model`: it sees them, and no gate keeps it out.
pub(crate) fn open(reading: Reading<'_>) -> Condition {
    let gated = current("model_gate", &["model_id"])
        .and_where(Expr::col(("now", "model_id")).equals(("registered_model", "id")))
        .and_where(Expr::col(("now", "mode")).ne(Expr::val(GateMode::None.as_str())))
        .take();
    let passes = match reading {
        Reading::Everything => return Condition::all(),
        Reading::Anybody => Expr::not_exists(gated).into_condition(),
        Reading::Login(login) => named(login).add(Expr::not_exists(gated)),
    };
    Condition::all().add(visible(reading)).add(passes)
}

/// The models that know a login by name: its own, those that it was granted, and those that it maintains.
fn named(login: &str) -> Condition {
    let of = |table: &'static str, column: &'static str| {
        current(table, &["model_id", column])
            .and_where(Expr::col(("now", "model_id")).equals(("registered_model", "id")))
            .and_where(Expr::col(("now", column)).eq(Expr::val(login)))
            .and_where(Expr::col(("now", "granted")).eq(Expr::val(1)))
            .take()
    };
    Condition::any()
        .add(equal("publisher", login))
        .add(Expr::exists(of("access_grant", "grantee")))
        .add(Expr::exists(of("model_maintainer", "login")))
}

/// The models that a reading sees and that satisfy a condition.
fn seen(reading: Reading<'_>, condition: Expr) -> Condition {
    Condition::all().add(visible(reading)).add(condition)
}

/// The rows of a history that no later row of the same key follows, under the name `now`.
fn current(table: &'static str, key: &[&'static str]) -> SelectStatement {
    let mut later = Query::select();
    later.expr(Expr::val(1)).from_as(table, "later");
    for column in key {
        later.and_where(Expr::col(("later", *column)).equals(("now", *column)));
    }
    later.and_where(Expr::col(("later", "seq")).gt(Expr::col(("now", "seq"))));
    Query::select()
        .expr(Expr::val(1))
        .from_as(table, "now")
        .and_where(Expr::not_exists(later))
        .take()
}

/// Whether a model is private.
///
/// # Errors
/// Those of the database.
pub async fn is_private<C: Connection>(connection: &C, model_id: &str) -> Result<bool, StoreError> {
    Ok(model_visibility::current(connection, model_id).await?.is_some_and(|row| row.private))
}

/// The model of a name, if the reading sees it.
///
/// # Errors
/// Those of the database.
pub async fn find_by_name<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    name: &str,
) -> Result<Option<ModelRow>, StoreError> {
    record::find(connection, seen(reading, equal("name", name))).await
}

/// The model of an id, if the reading sees it.
///
/// # Errors
/// Those of the database.
pub async fn find_by_id<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    id: &str,
) -> Result<Option<ModelRow>, StoreError> {
    record::find(connection, seen(reading, equal("id", id))).await
}

/// A page of the models that a reading sees, by name, in the order of their bytes.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    after_name: Option<&str>,
    limit: u64,
) -> Result<Vec<ModelRow>, StoreError> {
    record::page(connection, visible(reading), "name", after_name.map(Into::into), limit).await
}

/// Whether a reading may have the bytes of a model.
///
/// # Errors
/// Those of the database.
pub async fn is_open<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    model_id: &str,
) -> Result<bool, StoreError> {
    let condition = Condition::all().add(open(reading)).add(equal("id", model_id));
    Ok(record::find::<ModelRow, C>(connection, condition).await?.is_some())
}

/// Whether an object is kept from a reading by nothing but a gate: a model that it sees has it.
///
/// # Errors
/// Those of the database.
pub async fn sees_gated_object<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    digest: &str,
) -> Result<bool, StoreError> {
    let condition = Condition::all().add(visible(reading)).add(has_bytes(digest));
    Ok(record::find::<ModelRow, C>(connection, condition).await?.is_some())
}

/// Whether a reading sees an object: a model that is open to it names it in a version or as a shard of a version's checkpoint, a
/// model that it sees in a report, a suite names it, or the login sent it.
///
/// # Errors
/// Those of the database.
pub async fn sees_object<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    digest: &str,
) -> Result<bool, StoreError> {
    if reading == Reading::Everything {
        return Ok(true);
    }
    if sees_object_of_model(connection, reading, digest).await?
        || is_of_suite(connection, digest).await?
    {
        return Ok(true);
    }
    let Reading::Login(login) = reading else { return Ok(false) };
    if object_holder::is_held(connection, digest, login).await? {
        return Ok(true);
    }
    // Objects of the time before holders were kept have one: who brought them first.
    let object = stored_object::find(connection, digest).await?;
    Ok(object.is_some_and(|row| row.uploaded_by == login))
}

/// The checkpoints whose tensors a reading may count as there, as a condition on a column that holds a checkpoint's digest:
/// those in versions of models that are open to it, references of suites, and those that the login sent itself.
///
/// The cases of a suite are none of them: they are hidden from those whom they measure.
pub(crate) fn readable_checkpoint(column: &'static str, reading: Reading<'_>) -> Condition {
    if reading == Reading::Everything {
        return Condition::all();
    }
    let models =
        Query::select().column("id").from("registered_model").cond_where(open(reading)).take();
    let versions = Query::select()
        .column("checkpoint_digest")
        .from("model_version")
        .and_where(Expr::col("model_id").in_subquery(models))
        .take();
    let references = Query::select().column("reference_checkpoint_digest").from("suite").take();
    let shards = Query::select()
        .column("shard_digest")
        .from("checkpoint_shard")
        .and_where(Expr::col("checkpoint_digest").in_subquery(versions.clone()))
        .take();
    let condition = Condition::any()
        .add(Expr::col(column).in_subquery(versions))
        .add(Expr::col(column).in_subquery(shards))
        .add(Expr::col(column).in_subquery(references));
    let Reading::Login(login) = reading else { return condition };
    let held = Query::select()
        .column("digest")
        .from("object_holder")
        .and_where(equal("holder", login))
        .take();
    let brought = Query::select()
        .column("digest")
        .from("stored_object")
        .and_where(equal("uploaded_by", login))
        .take();
    condition.add(Expr::col(column).in_subquery(held)).add(Expr::col(column).in_subquery(brought))
}

async fn sees_object_of_model<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    digest: &str,
) -> Result<bool, StoreError> {
    let reports = Query::select()
        .column("version_id")
        .from("evaluation_report")
        .cond_where(
            Condition::any().add(equal("digest", digest)).add(equal("samples_digest", digest)),
        )
        .take();
    let reported = Query::select()
        .column("model_id")
        .from("model_version")
        .and_where(Expr::col("id").in_subquery(reports))
        .take();
    // Reports stay public while the weights are gated: prices stand on them.
    let condition = Condition::any()
        .add(Condition::all().add(open(reading)).add(has_bytes(digest)))
        .add(Condition::all().add(visible(reading)).add(Expr::col("id").in_subquery(reported)));
    Ok(record::find::<ModelRow, C>(connection, condition).await?.is_some())
}

/// The models that name an object in a version, or as a shard of a version's checkpoint.
fn has_bytes(digest: &str) -> Expr {
    let sets = Query::select()
        .column("checkpoint_digest")
        .from("checkpoint_shard")
        .and_where(equal("shard_digest", digest))
        .take();
    let versions = Query::select()
        .column("model_id")
        .from("model_version")
        .cond_where(
            Condition::any()
                .add(equal("checkpoint_digest", digest))
                .add(equal("graph_digest", digest))
                .add(Expr::col("checkpoint_digest").in_subquery(sets)),
        )
        .take();
    Expr::col("id").in_subquery(versions)
}

async fn is_of_suite<C: Connection>(connection: &C, digest: &str) -> Result<bool, StoreError> {
    let condition = Condition::any()
        .add(equal("cases_digest", digest))
        .add(equal("reference_checkpoint_digest", digest))
        .add(equal("reference_graph_digest", digest));
    Ok(record::find::<SuiteRow, C>(connection, condition).await?.is_some())
}
