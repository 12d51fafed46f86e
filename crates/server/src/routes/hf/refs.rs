//! Branches, tags and the history of commits.

use poem::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use service::{HubCommit, HubRef, HubRefKind};

use super::{
    Ask, Place,
    answer::{Answer, Refusal, json, page},
    document,
};

pub(super) const TAG: HubRefKind = HubRefKind::Tag;
pub(super) const BRANCH: HubRefKind = HubRefKind::Branch;

/// Commits in a page.
const PAGE_COMMITS: usize = 50;

/// `GET /api/models/{id}/refs`.
pub(super) async fn list(ask: &Ask<'_>, place: Place<'_>) -> Answer {
    let repo = ask.repo(place).await?;
    let service = &ask.shared.service;
    let shown = |prefix: &str, refs: Vec<HubRef>| -> Value {
        let show = |one: HubRef| {
            let full = format!("refs/{prefix}/{}", one.name);
            json!({ "name": one.name, "ref": full, "targetCommit": one.commit })
        };
        refs.into_iter().map(show).collect()
    };
    let branches = shown("heads", service.hub_refs(&repo, BRANCH).await?);
    let tags = shown("tags", service.hub_refs(&repo, TAG).await?);
    Ok(json(&json!({ "branches": branches, "converts": [], "tags": tags })))
}

/// `GET /api/models/{id}/commits/{revision}`.
pub(super) async fn commits(ask: &Ask<'_>, place: Place<'_>, revision: &str) -> Answer {
    let repo = ask.repo(place).await?;
    let service = &ask.shared.service;
    let from = service.hub_revision(&repo, revision).await?;
    let (commits, next) = service.hub_history(&repo, from, PAGE_COMMITS).await?;
    let next = next.map(|id| format!("{}/api/models/{}/commits/{id}", ask.endpoint(), repo.id));
    let show = |commit: HubCommit| {
        json!({
            "id": commit.id, "title": commit.title, "message": commit.message,
            "date": commit.committed_at.to_string(), "authors": [{ "user": commit.author }],
        })
    };
    Ok(page(&commits.into_iter().map(show).collect(), next))
}

/// Longest request for a tag, its message included: whoever reads the tags of a repository loads them all.
const TAG_BYTES_MAX: usize = 16 << 10;

#[derive(Deserialize)]
struct Tag {
    tag: String,
    message: Option<String>,
}

/// `POST /api/models/{id}/tag/{revision}`.
pub(super) async fn create_tag(
    ask: &Ask<'_>,
    place: Place<'_>,
    revision: &str,
    body: &[u8],
) -> Answer {
    let (caller, repo) = ask.own_repo(place).await?;
    if body.len() > TAG_BYTES_MAX {
        let text = format!("a tag has {} bytes; at most {TAG_BYTES_MAX}", body.len());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &text));
    }
    let wanted: Tag = document(body)?;
    let service = &ask.shared.service;
    service.create_hub_ref(caller, &repo, TAG, &wanted.tag, revision, wanted.message).await?;
    Ok(json(&json!({})))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Branch {
    starting_point: Option<String>,
}

/// `POST /api/models/{id}/branch/{name}`.
pub(super) async fn create_branch(
    ask: &Ask<'_>,
    place: Place<'_>,
    name: &str,
    body: &[u8],
) -> Answer {
    let (caller, repo) = ask.own_repo(place).await?;
    let wanted: Branch = if body.is_empty() { Branch::default() } else { document(body)? };
    let from = wanted.starting_point.as_deref().unwrap_or(service::MAIN);
    let service = &ask.shared.service;
    service.create_hub_ref(caller, &repo, BRANCH, name, from, None).await?;
    Ok(json(&json!({})))
}

/// `DELETE` of a tag or a branch: the name goes, its history stays.
pub(super) async fn delete(
    ask: &Ask<'_>,
    place: Place<'_>,
    kind: HubRefKind,
    name: &str,
) -> Answer {
    let (caller, repo) = ask.own_repo(place).await?;
    if kind == BRANCH && name == service::MAIN {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the branch main stays"));
    }
    ask.shared.service.delete_hub_ref(caller, &repo, kind, name).await?;
    Ok(json(&json!({})))
}
