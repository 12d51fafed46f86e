//! `POST /api/models/{id}/commit/{revision}`: lines of JSON, each a change, files among them.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::Stream;
use poem::{Body, Request, http::StatusCode};
use serde::Deserialize;
use serde_json::json;
use service::{Caller, HUB_REGULAR_BYTES_MAX, HubChange, HubCommitRequest, Service};

use super::{
    Ask, Place, Shared,
    answer::{Answer, Refusal, json, warn},
    drain,
    lines::Lines,
};

/// Longest line: the greatest file that goes inside a commit in base64, and its path.
const LINE_BYTES_MAX: usize = (HUB_REGULAR_BYTES_MAX as usize) / 3 * 4 + (64 << 10);

/// Most changes of one commit.
const CHANGES_MAX: usize = 50_000;
/// Longest line that carries no file: a title, a description, or a path.
const SHORT_LINE_BYTES_MAX: usize = 64 << 10;
/// Longest path; the service refuses the rest of what is no path.
const PATH_BYTES_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(tag = "key", content = "value", rename_all = "camelCase")]
enum Line<'a> {
    #[serde(rename_all = "camelCase")]
    Header {
        #[serde(default)]
        summary: String,
        #[serde(default)]
        description: String,
        #[serde(default)]
        parent_commit: Option<String>,
    },
    File {
        #[serde(borrow)]
        content: Cow<'a, str>,
        path: String,
        #[serde(default)]
        encoding: Option<String>,
    },
    LfsFile {
        path: String,
        oid: String,
    },
    DeletedFile {
        path: String,
    },
    DeletedFolder {
        path: String,
    },
}

/// Stores the files of the body as they pass by, then commits them all or none.
pub(super) async fn commit(
    request: &Request,
    shared: &Shared,
    place: Place<'_>,
    revision: &str,
    body: Body,
) -> Answer {
    let mut stream = std::pin::pin!(body.into_bytes_stream());
    let committed = async {
        let ask = Ask { request, shared, caller: shared.caller(request).await? };
        commit_stream(&ask, place, revision, &mut stream).await
    };
    let answer = committed.await;
    if answer.is_err() {
        drain(stream).await;
    }
    answer
}

async fn commit_stream<S>(ask: &Ask<'_>, place: Place<'_>, revision: &str, stream: S) -> Answer
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send,
{
    let (caller, repo) = ask.own_repo(place).await?;
    if ask.query("create_pr").is_some() {
        return Err(bad("this server has no pull requests; commit to a branch"));
    }
    let service = &ask.shared.service;
    // Asked before the files are taken, so that a commit to nowhere stores nothing.
    service.hub_branch_head(&repo, revision).await?;
    let request = read(service, caller, stream).await?;
    let (commit, refusal) = service.commit_to_hub(caller, &repo, revision, &request).await?;
    let url = format!("{}/commit/{}", ask.address(&repo.id), commit.id);
    let mut response = json(
        &json!({ "success": true, "commitUrl": url, "commitOid": commit.id, "hookOutput": "" }),
    );
    if let Some(reason) = refusal {
        let text = format!("committed, but this is no version: {reason}");
        warn(&mut response, "version", &text);
    }
    Ok(response)
}

async fn read<S>(service: &Service, caller: &Caller, stream: S) -> Result<HubCommitRequest, Refusal>
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send,
{
    let mut lines = Lines::new(stream, LINE_BYTES_MAX);
    let mut request = HubCommitRequest::default();
    let mut headers = 0;
    while let Some(line) = lines.next().await.map_err(|error| bad(&error.to_string()))? {
        if request.changes.len() >= CHANGES_MAX {
            return Err(bad(&format!("a commit has at most {CHANGES_MAX} changes")));
        }
        let parsed = serde_json::from_slice::<Line<'_>>(&line);
        let parsed = parsed.map_err(|error| bad(&format!("line of the commit: {error}")))?;
        check_size(&parsed, line.len())?;
        match parsed {
            Line::Header { summary, description, parent_commit } => {
                headers += 1;
                if headers > 1 {
                    return Err(bad("a commit has one header"));
                }
                request.title = summary;
                request.message = description;
                request.parent = parent_commit;
            }
            Line::File { content, path, encoding } => {
                let bytes = decode(&content, &path, encoding.as_deref())?;
                let digest = service.receive_hub_file(caller, &path, bytes).await?;
                request.changes.push(HubChange::Put { path, digest });
            }
            Line::LfsFile { path, oid } => {
                let digest = oid.parse().map_err(|_| bad(&format!("{path}: oid is no SHA-256")))?;
                request.changes.push(HubChange::Put { path, digest });
            }
            Line::DeletedFile { path } => request.changes.push(HubChange::DeleteFile(path)),
            Line::DeletedFolder { path } => request.changes.push(HubChange::DeleteFolder(path)),
        }
    }
    Ok(request)
}

/// Refuses what would be kept for a whole commit and is longer than it need be; the bytes of a file are not kept.
fn check_size(line: &Line<'_>, bytes: usize) -> Result<(), Refusal> {
    let path = match line {
        Line::Header { .. } => "",
        Line::File { path, .. }
        | Line::LfsFile { path, .. }
        | Line::DeletedFile { path }
        | Line::DeletedFolder { path } => path.as_str(),
    };
    if path.len() > PATH_BYTES_MAX {
        return Err(bad(&format!("a path has {} bytes; at most {PATH_BYTES_MAX}", path.len())));
    }
    if bytes > SHORT_LINE_BYTES_MAX && !matches!(line, Line::File { .. }) {
        return Err(bad(&format!(
            "a line without a file has {bytes} bytes; at most {SHORT_LINE_BYTES_MAX}"
        )));
    }
    Ok(())
}

fn decode(content: &str, path: &str, encoding: Option<&str>) -> Result<Bytes, Refusal> {
    match encoding {
        Some("base64") => STANDARD
            .decode(content)
            .map(Bytes::from)
            .map_err(|error| bad(&format!("{path}: content is no base64: {error}"))),
        Some("utf-8") | None => Ok(Bytes::copy_from_slice(content.as_bytes())),
        Some(other) => Err(bad(&format!("{path}: unknown encoding {other:?}"))),
    }
}

fn bad(text: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, text)
}
