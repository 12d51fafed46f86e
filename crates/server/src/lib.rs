//! The processes of an installation: `serve` answers over HTTP, `work` takes evaluation jobs.
//!
//! Laws of this crate: it is the only place that reads the wall clock and puts the parts together; it decides nothing.

// The mutations are merged objects, one inside the next: their futures nest deeper than the compiler follows by itself.
#![recursion_limit = "256"]

mod calendars;
mod clock;
mod garbage;
mod installation;
mod key;
mod log;
mod rounds;
mod routes;
mod serve;
mod webhooks;
mod work;

pub use clock::{Clock, UnknownClock};
pub use garbage::{GarbageError, GarbageOptions, collect_garbage};
pub use installation::{Installation, OpenError, mint_token};
pub use key::{KeyError, load_key, load_log_key, make_key};
pub use serve::{ServeError, ServeOptions, serve};
pub use work::{WorkOptions, work};

/// Writes the log to standard error; `RUST_LOG` chooses what.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn")
    });
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call, from a test in the same process, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The schema in SDL.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}
