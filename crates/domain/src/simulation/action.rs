//! What the world does to the ledger, one action after another: enough to run a life again without its generator.

use std::fmt;

use crate::fund::Event;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The process dies before the batch is appended to the journal.
    KillBefore,
    /// It dies after the batch was appended, before it has answered.
    KillAfter,
    /// Storage refuses the batch so many times, then takes it.
    AppendRefused(u8),
    /// The batch is committed and the answer does not arrive.
    ReplyLost,
}

/// One request as it arrives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Action {
    /// The idempotency key.
    pub(super) key: u64,
    pub(super) event: Event,
    pub(super) fault: Fault,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = serde_json::to_string(&self.event).unwrap_or_default();
        write!(f, "key {} {event}", self.key)?;
        match self.fault {
            Fault::None => Ok(()),
            fault => write!(f, " {fault:?}"),
        }
    }
}
