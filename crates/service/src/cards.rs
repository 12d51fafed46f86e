//! Model cards: what a publisher says about a model, in revisions; and the search that finds models by it and by structure.

use std::collections::BTreeSet;

use domain::{checkpoint::Dtype, digest::Digest, name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{CardRow, ModelRow, ModelSearch, WordRow, model_card, model_search};

use crate::roles::Right;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    models::Model,
    token::{Caller, Scope},
    visibility::Reader,
};

/// Longest card, in bytes.
const CARD_BYTES_MAX: usize = 64 << 10;
/// Most tags of a model.
const TAGS_MAX: usize = 32;
/// Longest licence and longest tag, in bytes.
const LABEL_BYTES_MAX: usize = 64;
/// Longest word that is searched by, in characters; the rest of a longer one does not count.
const WORD_CHARS_MAX: usize = 40;
/// Most words that a search asks for.
const SEARCH_WORDS_MAX: usize = 10;

/// A revision of a model's card.
#[derive(Clone, Debug)]
pub struct Card {
    /// Counts the revisions from 1.
    pub revision: i64,
    /// Markdown.
    pub text: String,
    /// Licence, if it is stated.
    pub licence: Option<String>,
    /// Tags in the order of their bytes.
    pub tags: Vec<String>,
    /// Who wrote it.
    pub written_by: Name,
    /// When.
    pub written_at: Timestamp,
}

/// A new revision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriteCard {
    /// The caller's model.
    pub model: Name,
    /// Markdown.
    pub text: String,
    /// Licence, if it is stated.
    pub licence: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// What a model must satisfy; what is none is not asked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words: each begins a word of its name, tags, licence or card.
    pub text: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A type of elements in one of its versions.
    pub dtype: Option<String>,
    /// Least number of parameters of one of its versions.
    pub parameters_min: Option<u64>,
    /// Greatest number of parameters of that version.
    pub parameters_max: Option<u64>,
    /// Signature of that version's architecture.
    pub signature: Option<Digest>,
}

/// Words of a text: runs of letters and digits in lower case, each once.
fn words_of(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().flat_map(char::to_lowercase).take(WORD_CHARS_MAX).collect())
        .collect()
}

/// The words of a model's name, as rows.
pub(crate) fn name_words(model: &ModelRow) -> Vec<WordRow> {
    let row = |word| WordRow { word, model_id: model.id.clone(), seq: 0 };
    words_of(&model.name).into_iter().map(row).collect()
}

impl WriteCard {
    fn check(&self) -> Result<(), ServiceError> {
        if self.text.len() > CARD_BYTES_MAX {
            let reason = format!("is {} bytes; at most {CARD_BYTES_MAX}", self.text.len());
            return Err(ServiceError::invalid("text", reason));
        }
        if self.text.contains('\0') {
            return Err(ServiceError::invalid("text", "has a zero character"));
        }
        if self.tags.len() > TAGS_MAX {
            let reason = format!("are {}; at most {TAGS_MAX}", self.tags.len());
            return Err(ServiceError::invalid("tags", reason));
        }
        let formed = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_graphic() || c == ' ')
                && label.trim() == label
        };
        let wrong = |label: &str| {
            format!("{label:?}: expected 1 to {LABEL_BYTES_MAX} printable ASCII characters")
        };
        if let Some(licence) = self.licence.as_deref().filter(|licence| !formed(licence)) {
            return Err(ServiceError::invalid("licence", wrong(licence)));
        }
        if let Some(tag) = self.tags.iter().find(|tag| !formed(tag)) {
            return Err(ServiceError::invalid("tags", wrong(tag)));
        }
        Ok(())
    }

    fn words(&self) -> BTreeSet<String> {
        let mut words = words_of(&self.text);
        words.extend(self.tags.iter().chain(&self.licence).flat_map(|label| words_of(label)));
        words
    }
}

impl Service {
    /// Writes a new revision of the card of the caller's model; what it does not repeat is no longer said.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the limit that is passed, [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn write_card(
        &self,
        caller: &Caller,
        key: &str,
        input: &WriteCard,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, &input.model, Right::Maintain).await?;
        input.check()?;
        let request =
            Request { caller, scope: &[Scope::Publish], key, operation: "model_card_write", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        let current = model_card::current(transaction, &model.id).await?;
        let row = CardRow {
            model_id: model.id.clone(),
            seq: current.map_or(1, |row| row.seq + 1),
            body: input.text.clone(),
            licence: input.licence.clone(),
            written_by: unit.owner().to_owned(),
            written_at: unit.now(),
        };
        let seq = row.seq;
        let tags: BTreeSet<String> = input.tags.iter().cloned().collect();
        model_card::insert(transaction, row, tags.into_iter().collect()).await?;
        let word = |word| WordRow { word, model_id: model.id.clone(), seq };
        model_card::insert_words(transaction, input.words().into_iter().map(word).collect())
            .await?;
        unit.finish(model.name.as_str(), model.name.to_string()).await?;
        Ok(model)
    }

    /// The current card of a model; none before its first revision.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_card(&self, model: &Model) -> Result<Option<Card>, ServiceError> {
        match model_card::current(&self.store, &model.id).await? {
            Some(row) => self.read_card(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Revisions of a model's card, oldest first, after a number, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_cards(
        &self,
        model: &Model,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Card>, ServiceError> {
        let mut cards = Vec::new();
        for row in model_card::list(&self.store, &model.id, after, limit).await? {
            cards.push(self.read_card(row).await?);
        }
        Ok(cards)
    }

    async fn read_card(&self, row: CardRow) -> Result<Card, ServiceError> {
        let tags = model_card::list_tags(&self.store, &row.model_id, row.seq).await?;
        Ok(Card {
            revision: row.seq,
            text: row.body,
            licence: row.licence,
            tags: tags.into_iter().map(|row| row.tag).collect(),
            written_by: row.written_by.parse().map_err(ServiceError::internal)?,
            written_at: Timestamp::from_millis(row.written_at),
        })
    }

    /// Models that the reader may see and that satisfy a search, by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for an unknown dtype or too many words.
    pub async fn search_models(
        &self,
        reader: &Reader,
        search: &Search,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Model>, ServiceError> {
        let words: Vec<String> =
            search.text.as_deref().map(words_of).unwrap_or_default().into_iter().collect();
        if words.len() > SEARCH_WORDS_MAX {
            let reason = format!("has {} words; at most {SEARCH_WORDS_MAX}", words.len());
            return Err(ServiceError::invalid("text", reason));
        }
        let dtype = search.dtype.as_deref().map(str::parse::<Dtype>).transpose();
        let dtype = dtype.map_err(|e| ServiceError::invalid("dtype", e))?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let wanted = ModelSearch {
            words,
            tag: search.tag.clone(),
            dtype: dtype.map(|dtype| dtype.to_string()),
            parameters_min: search.parameters_min.map(number),
            parameters_max: search.parameters_max.map(number),
            signature: search.signature.map(|digest| digest.hex()),
        };
        let rows = model_search::list(&self.store, reader.reading(), &wanted, after, limit).await?;
        rows.into_iter().map(Model::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what a word is: runs of letters and digits of any script, lower case, each once, cut at its limit.
    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let words = |text: &str| words_of(text).into_iter().collect::<Vec<_>>();
        assert_eq!(words("lab/Fashion-MNIST_v2, fashion!"), ["fashion", "lab", "mnist", "v2"]);
        assert_eq!(words("Größe ÄRA"), ["größe", "ära"]);
        assert!(words(" -- ").is_empty());
        assert_eq!(words(&"x".repeat(99))[0].len(), WORD_CHARS_MAX);
    }

    /// Proves that each limit of a card is refused with its field, and that a good one passes.
    #[test]
    fn cards_have_limits() {
        let card = WriteCard {
            model: "m".parse().unwrap(),
            text: "# A".into(),
            licence: Some("Apache-2.0".into()),
            tags: vec!["vision".into()],
        };
        card.check().unwrap();
        for (field, bad) in [
            ("text", WriteCard { text: "x".repeat(CARD_BYTES_MAX + 1), ..card.clone() }),
            ("text", WriteCard { text: "a\0b".into(), ..card.clone() }),
            ("licence", WriteCard { licence: Some(" ".into()), ..card.clone() }),
            ("tags", WriteCard { tags: vec![String::new()], ..card.clone() }),
            ("tags", WriteCard { tags: vec!["t".into(); TAGS_MAX + 1], ..card.clone() }),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
