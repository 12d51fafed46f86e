//! Waiting for a server that comes back.

use std::time::Duration;

use crate::ClientError;

/// Attempts in a row without any progress, after which a call gives up: about 20 s.
const ATTEMPTS_MAX: u32 = 8;
/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Counts the attempts of one call that the server makes harmless to repeat.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    attempts: u32,
}

impl Patience {
    /// Starts to count anew: the last attempt got further than the one before.
    pub(crate) fn renew(&mut self) {
        self.attempts = 0;
    }

    /// Waits before the next attempt, each time longer.
    ///
    /// # Errors
    /// The error itself, if a repetition cannot mend it or there were too many.
    pub(crate) async fn wait(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.attempts += 1;
        let mendable = error.is_connection() || error.code() == Some("busy");
        if !mendable || self.attempts >= ATTEMPTS_MAX {
            return Err(error);
        }
        let wait = Duration::from_millis(250) * 2u32.pow(self.attempts - 1);
        tokio::time::sleep(wait.min(WAIT_MAX)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a refusal is final at once.
    #[tokio::test]
    async fn refusals_are_final() {
        let refusal = ClientError::Answer { reason: "no".to_owned() };
        assert!(Patience::default().wait(refusal).await.is_err());
        let mut patience = Patience { attempts: ATTEMPTS_MAX - 1 };
        assert!(patience.wait(ClientError::Unreachable("gone".to_owned())).await.is_err());
        patience.renew();
        assert!(patience.wait(ClientError::Unreachable("gone".to_owned())).await.is_ok());
    }
}
