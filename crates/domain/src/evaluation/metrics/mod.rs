//! Every metric of SUITE with its 95 % interval, and the influence of each item on it.
//!
//! An influence ψ says how much the metric would move if an item's weight grew: to first order metric − truth is the mean of ψ, so that
//! the mean of ψ² over n is its squared standard error (Hampel 1974; the infinitesimal jackknife, Efron 1982). With it one rule serves
//! all metrics: an error of its own, and that of a difference of two models on the same items.

mod errors;
mod language;
mod ranks;
mod shares;

pub use errors::{f1_macro, mae, mean_error_base, mse, r2};
pub use language::{bits_per_byte, perplexity, token_accuracy};
pub use ranks::{auc, pearson, spearman};
pub use shares::share;

use super::{report::MetricValue, statistics::Z95};

/// A metric, its interval, and the influence of each item on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Value and 95 % interval.
    pub value: MetricValue,
    /// ψ of each item, or of each document of a language model; their mean is 0.
    pub influence: Vec<f64>,
}

impl Measured {
    /// Standard error: √(Σψ²/(n − 1)/n), with the divisor of a sample variance; 0 for a single item, which tells none.
    #[must_use]
    pub fn se(&self) -> f64 {
        standard_error(&self.influence)
    }

    /// The interval value ± z·se, kept within `least` and `most`.
    fn symmetric(value: f64, influence: Vec<f64>, n: u64, least: f64, most: f64) -> Self {
        let half = Z95 * standard_error(&influence);
        let (low, high) = ((value - half).max(least), (value + half).min(most));
        Self { value: MetricValue { value, low, high, n }, influence }
    }
}

fn standard_error(influence: &[f64]) -> f64 {
    let n = influence.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    libm::sqrt(influence.iter().map(|psi| psi * psi).sum::<f64>() / (n - 1.0) / n)
}

/// The mean; none without values.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
