//! Cards: what a publisher says about a model, in revisions, and the words that a search finds it by.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A revision of a model's card.
    pub struct CardRow in "model_card" {
        /// The model.
        model_id: String,
        /// Place among the revisions, from 1, by the caller's count.
        seq: i64,
        /// Markdown.
        body: String,
        /// Licence, such as `Apache-2.0`; null: not stated.
        licence: Option<String>,
        /// The login that wrote it.
        written_by: String,
        /// Milliseconds since 1970.
        written_at: i64,
    }
}

record! {
    /// A tag of a revision.
    pub struct TagRow in "model_tag" {
        /// The model.
        model_id: String,
        /// The revision.
        seq: i64,
        /// The tag.
        tag: String,
    }
}

record! {
    /// A word of a model's name (place 0) or of a revision of its card.
    pub struct WordRow in "model_word" {
        /// The word, in lower case.
        word: String,
        /// The model.
        model_id: String,
        /// The revision; 0 for the name.
        seq: i64,
    }
}

/// Writes a revision with its tags.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_card_pkey` when somebody else wrote one at the same time, on `model_tag_pkey` for a tag
/// given twice; [`StoreError::MissingReference`] without the model.
pub async fn insert(
    transaction: &StoreTransaction,
    row: CardRow,
    tags: Vec<String>,
) -> Result<(), StoreError> {
    let tag = |tag| TagRow { model_id: row.model_id.clone(), seq: row.seq, tag };
    let tags: Vec<TagRow> = tags.into_iter().map(tag).collect();
    record::insert(transaction, row).await?;
    record::insert_all(transaction, tags).await
}

/// Writes words that a search finds a model by.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_word_pkey` for a word given twice; [`StoreError::MissingReference`] without the model.
pub async fn insert_words(
    transaction: &StoreTransaction,
    words: Vec<WordRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, words).await
}

/// The last revision; null when nothing was written.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<CardRow>, StoreError> {
    record::last(connection, equal("model_id", model_id), "seq").await
}

/// A page of the revisions, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    model_id: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<CardRow>, StoreError> {
    let condition = equal("model_id", model_id).into_condition();
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}

/// The tags of a revision, in the order of their bytes.
///
/// # Errors
/// Those of the database.
pub async fn list_tags<C: Connection>(
    connection: &C,
    model_id: &str,
    seq: i64,
) -> Result<Vec<TagRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("seq", seq));
    record::page(connection, condition, "tag", None, record::PAGE_ROWS_MAX).await
}
