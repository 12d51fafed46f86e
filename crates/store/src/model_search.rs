//! Search: models by words, tag and structure, among those that the reader sees.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement};

use crate::model_access::{Reading, visible};
use crate::record::{self, equal};
use crate::{Connection, ModelRow, StoreError};

/// What a model must satisfy; what is empty or none is not asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ModelSearch {
    /// Beginnings of words, in lower case, each found in its name or in its current card.
    pub words: Vec<String>,
    /// A tag of its current card.
    pub tag: Option<String>,
    /// A type of elements in one of its versions.
    pub dtype: Option<String>,
    /// Least number of parameters of one of its versions.
    pub parameters_min: Option<i64>,
    /// Greatest number of parameters of that version.
    pub parameters_max: Option<i64>,
    /// Signature of that version's structure, 64 hex digits.
    pub signature: Option<String>,
}

/// A page of the models that a reading sees and that satisfy a search, by name.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    search: &ModelSearch,
    after_name: Option<&str>,
    limit: u64,
) -> Result<Vec<ModelRow>, StoreError> {
    let mut condition = visible(reading);
    let mut all = Condition::all();
    for word in &search.words {
        all = all.add(Expr::col("id").in_subquery(with_word(word)));
    }
    if let Some(tag) = &search.tag {
        let tagged = Query::select()
            .column("model_id")
            .from_as("model_tag", "found")
            .and_where(Expr::col(("found", "tag")).eq(Expr::val(tag.as_str())))
            .and_where(Expr::not_exists(later_card()))
            .take();
        all = all.add(Expr::col("id").in_subquery(tagged));
    }
    if let Some(structures) = structures(search) {
        let versions = Query::select()
            .column("model_id")
            .from("model_version")
            .and_where(Expr::col("checkpoint_digest").in_subquery(structures))
            .take();
        all = all.add(Expr::col("id").in_subquery(versions));
    }
    condition = Condition::all().add(condition).add(all);
    record::page(connection, condition, "name", after_name.map(Into::into), limit).await
}

/// Models with a word that begins so; words are stored in the order of their bytes, so that this is a range of the key.
fn with_word(beginning: &str) -> SelectStatement {
    let end = format!("{beginning}{}", char::MAX);
    Query::select()
        .column("model_id")
        .from_as("model_word", "found")
        .and_where(Expr::col(("found", "word")).gte(Expr::val(beginning)))
        .and_where(Expr::col(("found", "word")).lt(Expr::val(end)))
        .cond_where(
            Condition::any()
                .add(Expr::col(("found", "seq")).eq(Expr::val(0)))
                .add(Expr::not_exists(later_card())),
        )
        .take()
}

/// Revisions of the card after that of the row `found`.
fn later_card() -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from_as("model_card", "later")
        .and_where(Expr::col(("later", "model_id")).equals(("found", "model_id")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("found", "seq"))))
        .take()
}

fn structures(search: &ModelSearch) -> Option<SelectStatement> {
    let mut conditions = Vec::new();
    if let Some(signature) = &search.signature {
        conditions.push(equal("signature", signature.as_str()));
    }
    if let Some(least) = search.parameters_min {
        conditions.push(Expr::col("parameters").gte(Expr::val(least)));
    }
    if let Some(greatest) = search.parameters_max {
        conditions.push(Expr::col("parameters").lte(Expr::val(greatest)));
    }
    if let Some(dtype) = &search.dtype {
        conditions.push(Expr::col("dtypes").like(format!("% {dtype} %")));
    }
    if conditions.is_empty() {
        return None;
    }
    let mut statement = Query::select();
    statement.column("checkpoint_digest").from("checkpoint_structure");
    for condition in conditions {
        statement.and_where(condition);
    }
    Some(statement.take())
}
