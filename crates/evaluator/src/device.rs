//! Where a model runs.

use std::{fmt, str::FromStr};

use crate::{error::EvaluationError, gpu};

/// Where a model runs. Prices of different device classes never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device, by number.
    Cuda(u32),
}

impl Device {
    /// The number of a CUDA device.
    #[must_use]
    pub const fn cuda(self) -> Option<u32> {
        match self {
            Self::Cpu => None,
            Self::Cuda(number) => Some(number),
        }
    }

    /// Checks that the driver knows the device, before anything is started on it.
    ///
    /// # Errors
    /// [`EvaluationError::DeviceUnusable`] with what the driver says.
    pub fn check(self) -> Result<(), EvaluationError> {
        let Some(number) = self.cuda() else { return Ok(()) };
        gpu::check(number)
            .map_err(|reason| EvaluationError::DeviceUnusable { device: self.to_string(), reason })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = EvaluationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("cuda:").and_then(|n| n.parse().ok());
        match (text, number) {
            ("cpu", _) => Ok(Self::Cpu),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(EvaluationError::BadDevice { text: text.chars().take(40).collect() }),
        }
    }
}
