//! The tables and words of `suite.toml`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::digest::Digest;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant),*
        }

        impl $name {
            /// The word that stands for it in files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What the cases of a suite ask for.
    Task {
        /// One class out of several.
        Classification = "classification",
        /// A score for one question of yes or no.
        Detection = "detection",
        /// A number.
        Regression = "regression",
        /// The next token.
        LanguageModel = "language_model",
        /// How alike two items are.
        Similarity = "similarity",
        /// The nearest item of a gallery.
        Retrieval = "retrieval",
    }
}

words! {
    /// A named reduction of what a model answered.
    Metric {
        /// Share of right answers.
        Accuracy = "accuracy",
        /// Share of items whose class is among the first k.
        TopK = "top_k",
        /// Mean F1 score of the classes.
        F1Macro = "f1_macro",
        /// Area under the receiver operating curve.
        Auc = "auc",
        /// Bits that the model needs for a byte of text.
        BitsPerByte = "bits_per_byte",
        /// Perplexity; reported only, since it depends on the tokenizer.
        Perplexity = "perplexity",
        /// Mean squared error.
        Mse = "mse",
        /// Mean absolute error.
        Mae = "mae",
        /// Coefficient of determination.
        R2 = "r2",
        /// Pearson correlation.
        Pearson = "pearson",
        /// Spearman rank correlation.
        Spearman = "spearman",
        /// Share of queries whose nearest item is the right one.
        RetrievalAt1 = "retrieval_at_1",
    }
}

words! {
    /// How the rows of one output become one row an item.
    Pool {
        /// The output has one row an item.
        None = "none",
        /// The first row.
        First = "first",
        /// The mean of all rows.
        Mean = "mean",
        /// The mean of the rows whose mask is 1.
        MaskedMean = "masked_mean",
    }
}

/// Along which axis cases are batched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAxis {
    /// This axis.
    Axis(u32),
    /// Not at all: the tensor is given whole with every call.
    None,
}

impl<'de> Deserialize<'de> for BatchAxis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = BatchAxis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("batch_axis: an axis from 0, or \"none\"")
            }

            fn visit_i64<E: de::Error>(self, axis: i64) -> Result<BatchAxis, E> {
                let unexpected = || E::invalid_value(de::Unexpected::Signed(axis), &self);
                u32::try_from(axis).map(BatchAxis::Axis).map_err(|_| unexpected())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BatchAxis, E> {
                if text == "none" {
                    Ok(BatchAxis::None)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// How one graph input gets its values: `[input.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRule {
    /// The axis of cases.
    #[serde(default = "first_axis")]
    pub batch_axis: BatchAxis,
    /// The output that the next case receives here: cases then run in order, one by one.
    pub carried_from: Option<String>,
}

fn first_axis() -> BatchAxis {
    BatchAxis::Axis(0)
}

/// What the metrics read: `[output]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The graph output.
    pub name: String,
    /// The column that holds the score, for detection.
    pub column: Option<u32>,
    /// How rows are pooled.
    #[serde(default = "no_pool")]
    pub pool: Pool,
    /// The input that masks, for a masked mean.
    pub mask: Option<String>,
    /// Whether rows are divided by their L2 norm afterwards.
    #[serde(default)]
    pub normalize: bool,
}

fn no_pool() -> Pool {
    Pool::None
}

/// Names of tensors in `cases.safetensors`, and what else the labels need: `[labels]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The right answers.
    pub target: Option<String>,
    /// Pairs of rows, for similarity.
    pub pairs: Option<String>,
    /// How alike people found the pairs.
    pub score: Option<String>,
    /// The row that must be nearest to each query.
    pub nearest: Option<String>,
    /// The rows that are queries, half open.
    pub queries: Option<[u64; 2]>,
    /// Score from which detection says yes.
    pub threshold: Option<f64>,
    /// The document of each case.
    pub documents: Option<String>,
    /// Bytes of text in each case.
    pub utf8_bytes: Option<String>,
}

/// The frozen reference: `[reference]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Digest of `reference/model.safetensors`, the one that is timed.
    pub digest: Digest,
    /// Digests of further references, whose mean quality anchors.
    #[serde(default)]
    pub panel: Vec<Digest>,
    /// Mean quality of the references on the suite that opened the price track, in bits; by default that on this suite.
    pub q_genesis: Option<f64>,
}

/// Parameters of the cost index: `[cost]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// t0 of EVALUATION 5.4, added to both sides of time and latency ratios.
    pub overhead_ms: f64,
}

impl Default for Cost {
    fn default() -> Self {
        Self { overhead_ms: crate::evaluation::PARAMS.overhead_ms }
    }
}

/// How outputs are compared with the tensors `expected.<output>`: `[expected]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Absolute tolerance.
    pub atol: f64,
    /// Tolerance relative to the expected value.
    #[serde(default)]
    pub rtol: f64,
    /// Compare only where this input is 1.
    pub mask: Option<String>,
}
