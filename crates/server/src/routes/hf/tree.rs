//! The files of a revision: by folder, or by their paths.

use std::collections::{BTreeMap, BTreeSet};

use domain::digest::Digest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::StatusCode;
use serde_json::{Value, json};
use service::{HubFile, is_safetensors};

use super::{
    Ask, Place,
    answer::{Answer, Refusal, json, page},
    form_value,
};

/// Most different paths that one request may ask about.
const PATHS_MAX: usize = 2_000;
/// Entries in a page unless the client says otherwise, and at most.
const PAGE_ENTRIES: usize = 1000;

/// Size of the text that stands for a file in a git of LFS; the client only shows it.
const POINTER_BYTES: u64 = 134;

/// `GET /api/models/{id}/tree/{revision}/{path}`.
pub(super) async fn list(ask: &Ask<'_>, place: Place<'_>, revision: &str, folder: &str) -> Answer {
    let service = &ask.shared.service;
    let repo = ask.repo(place).await?;
    let commit = service.hub_revision(&repo, revision).await?;
    let files = service.hub_tree(&commit).await?;
    let folder = folder.trim_matches('/');
    let is_deep = ask.query("recursive").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let entries = below(&files, folder, is_deep);
    if entries.is_empty() && !folder.is_empty() {
        return Err(Refusal::no_entry(folder, &commit.id));
    }
    let limit = ask.query("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE_ENTRIES);
    let limit = limit.clamp(1, PAGE_ENTRIES);
    let after = ask.query("cursor");
    let mut rest = entries.into_iter().filter(|(path, _)| after.as_ref().is_none_or(|a| path > a));
    let shown: Vec<(String, Value)> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(shown.last()).map(|(last, _)| {
        let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path: Vec<String> = folder.split('/').map(plain).collect();
        format!(
            "{}/api/models/{}/tree/{}/{}?recursive={is_deep}&limit={limit}&cursor={}",
            ask.endpoint(),
            repo.id,
            commit.id,
            path.join("/"),
            plain(last)
        )
    });
    Ok(page(&shown.into_iter().map(|(_, value)| value).collect(), next))
}

/// `POST /api/models/{id}/paths-info/{revision}`: a form, not JSON.
pub(super) async fn paths(ask: &Ask<'_>, place: Place<'_>, revision: &str, body: &[u8]) -> Answer {
    let service = &ask.shared.service;
    let repo = ask.repo(place).await?;
    let commit = service.hub_revision(&repo, revision).await?;
    let text = String::from_utf8_lossy(body);
    let files = service.hub_tree(&commit).await?;
    let wanted: BTreeSet<String> =
        form_value(&text, "paths").map(|path| path.trim_matches('/').to_owned()).collect();
    if wanted.len() > PATHS_MAX {
        let text = format!("the request asks about {} paths; at most {PATHS_MAX}", wanted.len());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &text));
    }
    let known = |path: &String| {
        let file = files.get(path).map(entry);
        file.or_else(|| is_folder(&files, path).then(|| directory(path)))
    };
    Ok(json(&wanted.iter().filter_map(known).collect()))
}

/// Whether anything lies under this path; one look, however many files there are.
fn is_folder(files: &BTreeMap<String, HubFile>, path: &str) -> bool {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    files.range(prefix.clone()..).next().is_some_and(|(found, _)| found.starts_with(&prefix))
}

/// A file as the client reads it. What came in by a link, and every safetensors file, shows its SHA-256.
pub(super) fn entry(file: &HubFile) -> Value {
    let hex = file.digest.hex();
    let oid = file.git_oid.as_deref().unwrap_or(&hex[..40]);
    let mut body = json!({ "type": "file", "oid": oid, "size": file.bytes, "path": file.path });
    if file.git_oid.is_none() || is_safetensors(&file.path) {
        body["lfs"] = json!({ "oid": hex, "size": file.bytes, "pointerSize": POINTER_BYTES });
    }
    body
}

fn directory(path: &str) -> Value {
    let oid = &Digest::of(path.as_bytes()).hex()[..40];
    json!({ "type": "directory", "oid": oid, "size": 0, "path": path })
}

/// What lies in a folder, by path: the next level, or everything.
fn below(
    files: &BTreeMap<String, HubFile>,
    folder: &str,
    is_deep: bool,
) -> BTreeMap<String, Value> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut entries = BTreeMap::new();
    for (path, file) in files.range(prefix.clone()..) {
        let Some(rest) = path.strip_prefix(&prefix) else { break };
        let folders = rest.match_indices('/').map(|(at, _)| &path[..prefix.len() + at]);
        for name in folders.take(if is_deep { usize::MAX } else { 1 }) {
            entries.entry(name.to_owned()).or_insert_with(|| directory(name));
        }
        if is_deep || !rest.contains('/') {
            entries.insert(path.clone(), entry(file));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what a folder shows, one level and all levels, and that a name that only begins alike is not in it.
    #[test]
    fn levels() {
        let file = |path: &str| {
            let (digest, git_oid) = (Digest::of(b""), None);
            (path.to_owned(), HubFile { path: path.to_owned(), digest, bytes: 0, git_oid })
        };
        let files = ["a/b/c", "a/d", "ab", "e"].map(file).into();
        let names =
            |folder, is_deep| below(&files, folder, is_deep).into_keys().collect::<Vec<_>>();
        assert_eq!(names("", false), ["a", "ab", "e"]);
        assert_eq!(names("", true), ["a", "a/b", "a/b/c", "a/d", "ab", "e"]);
        assert_eq!(names("a", false), ["a/b", "a/d"]);
        assert_eq!(names("x", true), Vec::<String>::new());
    }
}
