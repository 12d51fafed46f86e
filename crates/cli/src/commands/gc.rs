//! `modelfolio gc`.

use std::time::Duration;

use server::Clock;

use super::InstallationArguments;
use crate::exit::Failure;

/// Arguments of `modelfolio gc`.
#[derive(Debug, clap::Args)]
pub(crate) struct GcArguments {
    #[command(flatten)]
    installation: InstallationArguments,
    /// How long an upload that nothing cites stays, such as `24h`, `30m`, `10s` or `0s`; then its bytes stay as long again.
    #[arg(long, default_value = "24h", value_parser = duration)]
    grace: Duration,
    /// Only tell what is due.
    #[arg(long)]
    dry_run: bool,
    /// The clock that the grace is counted by: that of the server.
    #[arg(long, default_value = "system", value_parser = clap::value_parser!(Clock))]
    clock: Clock,
}

/// Removes uploads that nothing cites, beside a running server or without one.
///
/// # Errors
/// [`Failure::Environment`] without database or storage.
pub(crate) async fn run(arguments: GcArguments) -> Result<(), Failure> {
    let installation = arguments.installation.installation();
    let done =
        server::collect_garbage(&installation, arguments.clock, arguments.grace, arguments.dry_run);
    let done = done.await.map_err(Failure::environment)?;
    let verb = if arguments.dry_run { "due:" } else { "removed:" };
    let (objects, bytes) = (done.objects, done.object_bytes);
    let (parts, part_bytes) = (done.parts, done.part_bytes);
    crate::exit::print(&format!(
        "{verb} {objects} objects of {bytes} bytes, {parts} stored parts of {part_bytes} bytes\n"
    ))
}

/// A length of time: a whole number and `d`, `h`, `m` or `s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?}; expected a whole number and d, h, m or s, such as 24h");
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(expected()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

/// A number of bytes: a whole number, with `K`, `M`, `G` or `T` for powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || format!("{text:?}; expected bytes, such as 500000 or 20G");
    let shift = match text.chars().next_back().ok_or_else(expected)? {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => 0,
    };
    let number = if shift == 0 { text } else { &text[..text.len() - 1] };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(1 << shift).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the forms of times and sizes, and that what is neither is refused and not guessed.
    #[test]
    fn times_and_sizes() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("2d", 172_800)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, number) in [("0", 0), ("17", 17), ("2K", 2048), ("3G", 3 << 30), ("1T", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for bad in ["", "h", "24", "1.5h", "-1h", "9999999999999999999d", "1ü"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "G", "1.5G", "-1", "99999999999T", "1ü"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
