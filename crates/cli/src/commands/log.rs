//! `modelfolio log`: a witness who keeps the last head that he verified, and holds the next one against it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use client::{Client, ClientError};
use domain::{
    digest::Digest,
    evaluation::PublicKey,
    proof::{KeptHead, SignedHead},
};
use serde::Serialize;
use server::KeyError;

use crate::exit::{Failure, print};

/// What to do with a log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LogCommand {
    /// Fetch the log's head, check that it begins with the one that is kept, and keep it; exit 1 on a fork, which is kept too.
    Follow(FollowArguments),
    /// Check that of two kept heads the later begins with the earlier.
    Compare(CompareArguments),
}

/// Arguments of `modelfolio log follow`.
#[derive(Debug, clap::Args)]
pub(crate) struct FollowArguments {
    /// The server: `http://HOST:PORT`.
    url: String,
    /// The file that the head is kept in; made the first time.
    #[arg(long, value_name = "FILE")]
    keep: PathBuf,
    /// The log's public key that is trusted, 64 hexadecimal digits; without it that of the first head.
    #[arg(long, value_name = "HEX")]
    key: Option<PublicKey>,
    /// A key file of one's own, as `evaluator keygen` makes it: the kept head is cosigned with it.
    #[arg(long, value_name = "FILE")]
    cosign: Option<PathBuf>,
}

/// Arguments of `modelfolio log compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArguments {
    /// A head that somebody kept.
    one: PathBuf,
    /// Another.
    other: PathBuf,
    /// A server of the log, which has the path between heads of two sizes.
    #[arg(long, env = "MODELFOLIO_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// The log's public key that is trusted, 64 hexadecimal digits; without it that of the heads.
    #[arg(long, value_name = "HEX")]
    key: Option<PublicKey>,
}

/// Two heads that are not of one history: both signed, so whoever has the file can show it to anybody.
#[derive(Serialize)]
struct Fork<'a> {
    kept: &'a KeptHead,
    newer: &'a SignedHead,
    path: &'a [Digest],
    reason: String,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] for a log that is not the kept one; [`Failure::Environment`] for a server that does not answer.
pub(crate) async fn run(command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Follow(arguments) => follow(arguments).await,
        LogCommand::Compare(arguments) => compare(arguments).await,
    }
}

async fn follow(arguments: FollowArguments) -> Result<(), Failure> {
    let FollowArguments { url, keep, key, cosign } = arguments;
    let own = cosign
        .as_deref()
        .map(server::load_log_key)
        .transpose()
        .map_err(|error: KeyError| Failure::input(error))?;
    let client = Client::new(&url, None).map_err(Failure::environment)?;
    let newer = client.log_head().await.map_err(super::transfer::failure)?;
    let newer =
        newer.ok_or_else(|| Failure::Input(format!("{url}: the log has no signed head yet")))?;
    let kept = if keep.exists() { Some(read(&keep)?) } else { None };
    let from = match &kept {
        None => {
            newer.verify(key.as_ref()).map_err(|error| wrong(&url, &error))?;
            None
        }
        Some(kept) => {
            let path = path(&client, kept.head.size, newer.size).await?;
            let found = kept.is_followed_by(&newer, &path, key.as_ref());
            found.map_err(|error| fork(&keep, (kept, &newer, &path), &error))?;
            Some(kept.head.size)
        }
    };
    let size = newer.size;
    let taken = KeptHead::new(newer, own.as_ref()).map_err(Failure::input)?;
    write(&keep, &taken)?;
    let said = match from {
        None => "the first head that is kept: nothing was there to compare it with".to_owned(),
        Some(from) if from == size => "no leaf more than before, and the same ones".to_owned(),
        Some(from) => format!("begins with the {from} leaves that were kept before"),
    };
    let signed = taken
        .cosignature
        .map_or_else(String::new, |cosignature| format!("cosigned   {}\n", cosignature.public_key));
    let (log, root, public_key) = (&taken.head.log, taken.head.root, taken.head.public_key);
    print(&format!(
        "log        {log}, {size} leaves\nroot       {root}\nkey        {public_key}\nhistory    {said}\n{signed}"
    ))
}

async fn compare(arguments: CompareArguments) -> Result<(), Failure> {
    let CompareArguments { one, other, server, key } = arguments;
    let mut heads = [(read(&one)?, one), (read(&other)?, other)];
    for (head, name) in &heads {
        let found = head.verify(key.as_ref());
        found.map_err(|error| wrong(&name.display().to_string(), &error))?;
    }
    heads.sort_by_key(|(kept, _)| (kept.head.size, kept.head.at));
    let [(older, _), (newer, name)] = heads;
    let path = if older.head.size == newer.head.size {
        Vec::new()
    } else {
        let client = Client::new(&server, None).map_err(Failure::environment)?;
        path(&client, older.head.size, newer.head.size).await?
    };
    let found = older.is_followed_by(&newer.head, &path, key.as_ref());
    found.map_err(|error| wrong(&name.display().to_string(), &error))?;
    let (from, to) = (older.head.size, newer.head.size);
    print(&format!("one log    {}: {to} leaves begin with {from}\n", newer.head.log))
}

/// The path from one size to another; none where the log shrank or the server has none, which is then refused by whoever checks it.
async fn path(client: &Client, from: u64, to: u64) -> Result<Vec<Digest>, Failure> {
    if from >= to {
        return Ok(Vec::new());
    }
    match client.log_consistency(from, to).await {
        Ok(path) => Ok(path),
        // The server has no such log: no path is no proof.
        Err(ClientError::Api(refusal)) if refusal.extensions.code == "invalid" => Ok(Vec::new()),
        Err(error) => Err(super::transfer::failure(error)),
    }
}

fn wrong(name: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Input(format!("{name}: {}", crate::exit::chain(error)))
}

/// A log that is not the kept one: both heads are kept beside the file, and the file stays as it is.
fn fork(
    keep: &Path,
    (kept, newer, path): (&KeptHead, &SignedHead, &[Digest]),
    error: &dyn std::error::Error,
) -> Failure {
    let reason = crate::exit::chain(error);
    let beside = keep.with_extension("fork.json");
    let found = Fork { kept, newer, path, reason: reason.clone() };
    let saved = serde_json::to_string_pretty(&found).map_err(std::io::Error::from);
    let saved = saved.and_then(|text| std::fs::write(&beside, text + "\n"));
    let saved = match saved {
        Ok(()) => format!("both heads are in {}", beside.display()),
        Err(error) => format!("{} was not written: {error}", beside.display()),
    };
    Failure::Input(format!(
        "the log is not the one that {} keeps: {reason}; {saved}",
        keep.display()
    ))
}

fn read(file: &Path) -> Result<KeptHead, Failure> {
    let text = std::fs::read(file).map_err(|e| wrong(&file.display().to_string(), &e))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::Input(format!("{}: no kept head: {error}", file.display())))
}

/// Replaces the file at once, or leaves it as it is.
fn write(file: &Path, kept: &KeptHead) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Environment(format!("{}: {error}", file.display()));
    let text = serde_json::to_string_pretty(kept).map_err(Failure::environment)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    new.write_all(text.as_bytes()).and_then(|()| new.write_all(b"\n")).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(file).map(drop).map_err(|error| failed(error.error))
}

#[cfg(test)]
mod tests {
    use domain::proof::LogKey;

    use super::*;

    /// Proves that a kept head comes back from its file as it was, cosigned or not, and that a file of another form is refused by name.
    #[test]
    fn files_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("head.json");
        let (key, at) = (LogKey::from_secret(&[1; 32]), domain::time::Timestamp::from_millis(5));
        let log = "log".parse().unwrap();
        let head = key.sign(&log, 0, domain::proof::merkle::empty_root(), at).unwrap();
        for own in [None, Some(&key)] {
            let kept = KeptHead::new(head.clone(), own).unwrap();
            write(&file, &kept).unwrap();
            assert_eq!(read(&file).unwrap(), kept);
        }
        std::fs::write(&file, "{}").unwrap();
        let Err(Failure::Input(said)) = read(&file) else { return assert!(file.is_dir()) };
        assert!(said.contains("head.json: no kept head"), "{said}");
    }
}
