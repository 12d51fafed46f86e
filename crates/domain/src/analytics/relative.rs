//! Returns beside those of a benchmark.

use super::{
    covariance, mean, quotient,
    returns::{Returns, ReturnsError},
};

/// Returns and a benchmark's returns over the same periods.
#[derive(Clone, Copy, Debug)]
pub struct Relative<'a> {
    returns: &'a Returns,
    benchmark: &'a Returns,
}

impl<'a> Relative<'a> {
    /// Puts them side by side.
    ///
    /// # Errors
    /// Different numbers of periods.
    pub fn of(returns: &'a Returns, benchmark: &'a Returns) -> Result<Self, ReturnsError> {
        let (given, other) = (returns.as_slice().len(), benchmark.as_slice().len());
        if given != other {
            return Err(ReturnsError::Lengths { given, other });
        }
        Ok(Self { returns, benchmark })
    }

    fn active(&self) -> Vec<f64> {
        self.returns.as_slice().iter().zip(self.benchmark.as_slice()).map(|(r, b)| r - b).collect()
    }

    /// Tracking error a year (FUND 2.10): the sample deviation (`n−1`) of the differences of returns, times `√periods`.
    #[must_use]
    pub fn tracking_error(&self, periods: f64) -> Option<f64> {
        let active = self.active();
        covariance(&active, &active).map(|variance| variance.sqrt() * periods.sqrt())
    }

    /// Information ratio a year: mean difference over its deviation, times `√periods`; nothing without a deviation.
    #[must_use]
    pub fn information_ratio(&self, periods: f64) -> Option<f64> {
        quotient(mean(&self.active())? * periods, self.tracking_error(periods)?)
    }

    /// Beta: sample covariance with the benchmark over the benchmark's sample variance; nothing where that is 0.
    #[must_use]
    pub fn beta(&self) -> Option<f64> {
        let benchmark = self.benchmark.as_slice();
        let variance = covariance(benchmark, benchmark)?;
        quotient(covariance(self.returns.as_slice(), benchmark)?, variance)
    }

    /// Alpha a year, not compounded: `(mean − beta·benchmark's mean)·periods`.
    #[must_use]
    pub fn alpha(&self, periods: f64) -> Option<f64> {
        let beta = self.beta()?;
        Some((self.returns.mean() - beta * self.benchmark.mean()) * periods)
    }
}
