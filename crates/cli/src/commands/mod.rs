//! One file a command.

pub(crate) mod attack;
pub(crate) mod backtest;
pub(crate) mod bids;
pub(crate) mod evaluate;
pub(crate) mod evaluator;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod inspect;
pub(crate) mod log;
pub(crate) mod pack;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod replay;
pub(crate) mod runtime;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod token;
pub(crate) mod transfer;
pub(crate) mod verify;
pub(crate) mod verify_bundle;
pub(crate) mod verify_evidence;
pub(crate) mod worker;

use std::path::PathBuf;

use server::Installation;

use crate::exit::Failure;

/// Where the installation lies; every command that needs it takes the same options.
#[derive(Debug, clap::Args)]
pub(crate) struct InstallationArguments {
    /// Folder for everything that has no address of its own.
    #[arg(long, default_value = "data", env = "MODELFOLIO_DATA")]
    data: PathBuf,
    /// Database: `sqlite://PATH` or `postgres://…`; by default a file in the data folder.
    #[arg(long, env = "MODELFOLIO_DATABASE")]
    database: Option<String>,
    /// Objects: a folder; by default one in the data folder.
    #[arg(long, env = "MODELFOLIO_OBJECTS")]
    objects: Option<String>,
}

impl InstallationArguments {
    /// The installation that these options name.
    pub(crate) fn installation(&self) -> Installation {
        let defaults = Installation::in_folder(&self.data);
        Installation {
            database: self.database.clone().unwrap_or(defaults.database),
            objects: self.objects.clone().unwrap_or(defaults.objects),
            data: defaults.data,
        }
    }
}

/// An address to listen on: `host:port`.
pub(crate) fn listen_address(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("expected host:port, such as 127.0.0.1:8080".to_owned()),
    }
}

/// A device's name; whether it can be used is found out later, and is then a fault of the environment.
pub(crate) fn device_name(text: &str) -> Result<String, String> {
    match service::check_device(text) {
        Err(error) if error.code() == "bad_device" => Err(error.to_string()),
        _ => Ok(text.to_owned()),
    }
}

/// `migrate`: brings the database up to date and says so.
///
/// # Errors
/// [`Failure::Environment`] if the database cannot be reached or migrated.
pub(crate) async fn migrate(arguments: &InstallationArguments) -> Result<(), Failure> {
    arguments.installation().migrate().await.map_err(Failure::environment)?;
    crate::exit::print("the database is up to date\n")
}

/// Ready when the process is told to end: by Ctrl-C, by SIGTERM or, where asked for, by the end of its standard input.
pub(crate) async fn told_to_end(until_stdin_closes: bool) {
    use tokio::{
        io::AsyncReadExt as _,
        signal::unix::{SignalKind, signal},
    };
    let stdin_closed = async {
        if until_stdin_closes {
            let mut discard = [0; 64];
            let mut stdin = tokio::io::stdin();
            while matches!(stdin.read(&mut discard).await, Ok(read) if read > 0) {}
        } else {
            std::future::pending::<()>().await;
        }
    };
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
        () = stdin_closed => {}
    }
}
