//! `modelfolio serve`.

use std::time::Duration;

use server::{Clock, GarbageOptions, ServeOptions};

use super::{InstallationArguments, told_to_end};
use crate::exit::Failure;

/// Arguments of `modelfolio serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    installation: InstallationArguments,
    /// Address; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = super::listen_address)]
    listen: String,
    /// `system`, or `manual`: a clock that a mutation moves, for tests and the demo.
    #[arg(long, default_value = "system", value_parser = clap::value_parser!(Clock))]
    clock: Clock,
    /// How long an upload that no version, suite, report or commit cites stays, such as `24h` or `30m`; then its bytes stay as long
    /// again.
    #[arg(long, default_value = "24h", value_parser = super::gc::duration)]
    garbage_grace: Duration,
    /// Time between two collections.
    #[arg(long, default_value = "1h", value_parser = super::gc::duration)]
    garbage_interval: Duration,
    /// Bytes that a login may hold unless the operator sets another limit for it, such as `20G`; without it, there is none.
    #[arg(long, value_parser = super::gc::bytes)]
    storage_quota_default: Option<u64>,
    /// Evaluators that a price rests on from now on: 1, a single machine, or at least 3; without it, what was set before.
    #[arg(long)]
    quorum: Option<u32>,
    /// Time between two looks for prices that are five days old and are to be measured again, such as `1h`; `0s` never looks.
    #[arg(long, default_value = "1h", value_parser = super::gc::duration)]
    renewal_interval: Duration,
    /// Time between two looks for funds that their calendar strikes now, such as `5s`; `0s` never looks and leaves it to another server.
    #[arg(long, default_value = "1s", value_parser = super::gc::duration)]
    calendar_interval: Duration,
    /// Let webhooks lead to loopback and private addresses, for tests and closed networks.
    #[arg(long)]
    webhook_allow_private: bool,
    /// Send readers of whole objects (graphs, reports, files of the hub) to the bucket by a link that is signed for some minutes;
    /// only for a bucket that clients can reach.
    #[arg(long)]
    redirect_reads: bool,
    /// End when standard input closes: the parent is gone.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Serves until told to end.
///
/// # Errors
/// [`Failure::Environment`] if something that it needs is not there.
pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    server::log_to_stderr();
    let options = ServeOptions {
        installation: arguments.installation.installation(),
        listen: arguments.listen,
        clock: arguments.clock,
        redirect_reads: arguments.redirect_reads,
        garbage: GarbageOptions {
            grace: arguments.garbage_grace,
            // Without any pause it would do nothing else.
            interval: arguments.garbage_interval.max(Duration::from_secs(1)),
        },
        quorum: arguments.quorum,
        renewal_interval: arguments.renewal_interval,
        calendar_interval: arguments.calendar_interval,
        storage_quota_default: arguments.storage_quota_default,
        webhook_allow_private: arguments.webhook_allow_private,
    };
    let ready = |url: &str| {
        // Nobody may be reading; the server serves all the same.
        let _ = crate::exit::print(&format!("listening on {url}\n"));
    };
    server::serve(options, ready, told_to_end(arguments.until_stdin_closes))
        .await
        .map_err(Failure::environment)
}
