//! Who am I, and repositories: made, listed, described.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::{GateMode, HubFile, HubFilter, HubRepo, Scope, ServiceError};

use super::{
    Ask, Place,
    answer::{Answer, Refusal, json, page},
    document, shards, tree,
};

/// Repositories in a page unless the client says otherwise, and at most.
const PAGE_REPOS: usize = 100;
const PAGE_REPOS_MAX: usize = 1000;

/// `GET /api/whoami-v2`.
pub(super) fn whoami(ask: &Ask<'_>) -> Answer {
    let caller = ask.caller()?;
    let role = if caller.may(Scope::Publish) { "write" } else { "read" };
    Ok(json(&json!({
        "type": "user", "id": caller.owner, "name": caller.owner, "fullname": caller.owner, "isPro": false, "orgs": [],
        "auth": { "type": "access_token", "accessToken": { "displayName": caller.token_id, "role": role } },
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    organization: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    private: Option<bool>,
    visibility: Option<String>,
}

/// `POST /api/repos/create`.
pub(super) async fn create(ask: &Ask<'_>, body: &[u8]) -> Answer {
    let caller = ask.caller()?;
    let wanted: Create = document(body)?;
    let refuse = |text: &str| Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    if wanted.kind.as_deref().is_some_and(|kind| kind != "model") {
        return refuse("this server holds models only, no datasets and no spaces");
    }
    let is_private = match wanted.visibility.as_deref() {
        None => wanted.private == Some(true),
        Some("private") => true,
        Some("public") => false,
        Some(_) => return refuse("visibility: expected public or private"),
    };
    let namespace = wanted.organization.as_deref().unwrap_or(caller.owner.as_str());
    match ask.shared.service.create_hub_repo(caller, namespace, &wanted.name, is_private).await {
        Ok(repo) => {
            Ok(json(&json!({ "url": ask.address(&repo.id), "name": repo.id, "id": repo.id })))
        }
        Err(ServiceError::Exists { name, .. }) => {
            let text = format!("repository {name:?} exists already");
            Err(Refusal::new(StatusCode::CONFLICT, &text)
                .with_body(json!({ "url": ask.address(&name) })))
        }
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /api/repos/delete`: prices cite digests, so nothing goes.
pub(super) fn delete(ask: &Ask<'_>) -> Answer {
    ask.caller()?;
    let text = "models are never deleted, because prices cite their versions; yank the versions that nobody should use";
    Err(Refusal::new(StatusCode::FORBIDDEN, text))
}

/// `POST /api/repos/move`: a name is what versions, prices and funds are known by.
pub(super) fn rename(ask: &Ask<'_>) -> Answer {
    ask.caller()?;
    let text = "models keep their names, because prices and funds cite them; create a model of the new name, name the old one as its base, and push to it";
    Err(Refusal::new(StatusCode::FORBIDDEN, text))
}

#[derive(Deserialize)]
struct Yaml {
    content: String,
}

/// `POST /api/validate-yaml`: the client asks it for every README.
pub(super) fn validate_yaml(body: &[u8]) -> Answer {
    let card: Yaml = document(body)?;
    let opened =
        card.content.strip_prefix("---\n").or_else(|| card.content.strip_prefix("---\r\n"));
    let is_open = opened.is_some_and(|rest| !rest.lines().any(|line| line.trim_end() == "---"));
    let errors = if is_open {
        json!([{ "message": "the metadata that opens with --- is not closed with ---" }])
    } else {
        json!([])
    };
    Ok(json(&json!({ "errors": errors, "warnings": [] })))
}

/// `GET /api/models`.
pub(super) async fn list(ask: &Ask<'_>) -> Answer {
    let limit = ask.query("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE_REPOS);
    let limit = limit.clamp(1, PAGE_REPOS_MAX);
    let filter = HubFilter {
        search: ask.query("search"),
        author: ask.query("author"),
        after: ask.query("cursor"),
        limit,
    };
    let (repos, next) = ask.shared.service.list_hub_repos(ask.caller.as_ref(), &filter).await?;
    let models: Vec<Value> = repos.iter().map(|repo| Value::Object(outline(repo))).collect();
    let next = next.map(|after| {
        let mut url = format!("{}/api/models?limit={limit}", ask.endpoint());
        let pairs = [("search", filter.search), ("author", filter.author), ("cursor", Some(after))];
        for (name, value) in pairs {
            if let Some(value) = value {
                url += &format!("&{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
            }
        }
        url
    });
    Ok(page(&Value::Array(models), next))
}

/// `GET /api/models/{id}` and `GET /api/models/{id}/revision/{revision}`.
pub(super) async fn info(ask: &Ask<'_>, place: Place<'_>, revision: &str) -> Answer {
    let service = &ask.shared.service;
    let repo = ask.repo(place).await?;
    let mut body = outline(&repo);
    if let Some(card) = service.find_card(&repo.model).await? {
        let licence = card.licence.iter().map(|licence| format!("license:{licence}"));
        body.insert("tags".into(), card.tags.iter().cloned().chain(licence).collect());
        let data = json!({ "license": card.licence, "tags": card.tags });
        body.insert("cardData".into(), data);
    }
    let commit = match service.hub_revision(&repo, revision).await {
        Ok(commit) => commit,
        // A model that was made without this surface has no commit yet, and is a model all the same.
        Err(ServiceError::Absent { .. }) if revision == service::MAIN => {
            return Ok(json(&Value::Object(body)));
        }
        Err(error) => return Err(error.into()),
    };
    let files = service.hub_tree(&commit).await?;
    let siblings = files.values().map(|file| sibling(file, ask.query("blobs").is_some()));
    body.insert("siblings".into(), siblings.collect());
    body.insert("lastModified".into(), commit.committed_at.to_string().into());
    body.insert("usedStorage".into(), files.values().map(|file| file.bytes).sum::<u64>().into());
    let weights = service.hub_weights(&files).await?;
    if !weights.is_empty() {
        body.insert("safetensors".into(), shards::parameters(ask, &weights).await?);
    }
    body.insert("sha".into(), commit.id.into());
    Ok(json(&Value::Object(body)))
}

/// A gate in the hub's words.
fn gate(mode: GateMode) -> Value {
    match mode {
        GateMode::None => json!(false),
        GateMode::Auto => json!("auto"),
        GateMode::Manual => json!("manual"),
    }
}

#[derive(Deserialize)]
struct Settings {
    gated: Option<Value>,
    private: Option<bool>,
    visibility: Option<String>,
}

/// `PUT /api/models/{id}/settings`: gate and visibility, whatever of them the request names.
pub(super) async fn settings(ask: &Ask<'_>, place: Place<'_>, body: &[u8]) -> Answer {
    let (caller, repo) = ask.own_repo(place).await?;
    let wanted: Settings = document(body)?;
    let refuse = |text: &str| Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    let mode = match &wanted.gated {
        None => None,
        Some(Value::Bool(false)) => Some(GateMode::None),
        Some(Value::String(word)) if word == "auto" => Some(GateMode::Auto),
        Some(Value::String(word)) if word == "manual" => Some(GateMode::Manual),
        Some(_) => return refuse("gated: expected \"auto\", \"manual\" or false"),
    };
    let is_private = match wanted.visibility.as_deref() {
        None => wanted.private,
        Some("private") => Some(true),
        Some("public") => Some(false),
        Some(_) => return refuse("visibility: expected public or private"),
    };
    let service = &ask.shared.service;
    // The stock client sends no idempotency key, and setting the same twice changes nothing: every request has a key of its own.
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| ServiceError::Internal(e.to_string().into()))?;
    let key = format!("hub.settings.{}", domain::digest::to_hex(&random));
    let name = &repo.model.name;
    // Visibility first: it has more reasons to be refused, and then nothing was set.
    if let Some(is_private) = is_private {
        service.set_visibility(caller, &format!("{key}.visibility"), name, is_private).await?;
    }
    if let Some(mode) = mode {
        service.set_gate(caller, &format!("{key}.gate"), name, mode).await?;
    }
    info(ask, place, service::MAIN).await
}

fn outline(repo: &HubRepo) -> Map<String, Value> {
    let fields = [
        ("_id", json!(repo.model.id)),
        ("id", json!(repo.id)),
        ("modelId", json!(repo.id)),
        ("author", json!(repo.model.publisher)),
        ("private", json!(repo.is_private)),
        ("gated", gate(repo.gate)),
        ("disabled", json!(false)),
        ("downloads", json!(0)),
        ("likes", json!(0)),
        ("tags", json!([])),
        ("createdAt", json!(repo.model.created_at.to_string())),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn sibling(file: &HubFile, with_blobs: bool) -> Value {
    if !with_blobs {
        return json!({ "rfilename": file.path });
    }
    let mut body = tree::entry(file);
    body["rfilename"] = json!(file.path);
    body["blobId"] = body["oid"].take();
    if let Some(lfs) = body.get_mut("lfs") {
        lfs["sha256"] = json!(file.digest.hex());
    }
    body
}
