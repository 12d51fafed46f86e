//! What a model answered, item by item, as far as metrics other than shares of right answers need it.

use serde::{Deserialize, Serialize};

/// Raw answers beside `SubjectMeasurement::right`; each field is empty where no metric of the suite reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// One character an item: `1` where the right class is among the first five (classification, `top_k`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub top_k: String,
    /// The class that was chosen for each item (`f1_macro`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<u32>,
    /// The right class of each item (`f1_macro`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<u32>,
    /// Numbers that were answered, `width` an item: values, scores or similarities; null for what is no finite number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Option<f64>>,
    /// Numbers that were wanted, in the same order; 1 and 0 for a question of yes or no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<f64>,
    /// Numbers of one item.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub width: u32,
    /// What was scored of each document (language models).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Answers {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The scores, if all of them are finite numbers.
    #[must_use]
    pub fn finite_scores(&self) -> Option<Vec<f64>> {
        self.scores.iter().map(|score| score.filter(|value| value.is_finite())).collect()
    }
}

/// A document of a language model's suite: the unit of its intervals, since the tokens of a text depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its number in the suite.
    pub id: i64,
    /// Sum of −ln p of the scored tokens; null where that is no finite number.
    pub nats: Option<f64>,
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens that were scored.
    pub tokens: u64,
    /// Tokens for which the right one was the likeliest.
    pub right: u64,
}
