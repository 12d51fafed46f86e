//! The surface of the stock Hugging Face client under `/hf`: models as repositories, files by LFS links or inside commits.
//!
//! Paths hold quoted revisions and file names of any depth, so they are taken apart here and not by the router.

mod answer;
mod commit;
mod lines;
mod refs;
mod repos;
mod resolve;
mod shards;
mod tree;
mod upload;
mod xet;

use std::borrow::Cow;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use percent_encoding::percent_decode_str;
use poem::{
    Body, Request, Response, handler,
    http::{Method, StatusCode, header},
    web::Data,
};
use serde::Deserialize;
use service::{Caller, HubRepo, ServiceError};

use self::answer::{Answer, Refusal};
use super::Shared;

/// Most bytes of a request that is one JSON document.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// Most bytes that are taken after a refusal.
const DRAINED_BYTES_MAX: usize = 256 << 20;

/// A request on its way to its answer.
struct Ask<'a> {
    request: &'a Request,
    shared: &'a Shared,
    caller: Option<Caller>,
}

/// A repository's place in a path, and what follows it.
#[derive(Clone, Copy)]
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

/// Answers everything below `/hf`.
#[handler]
pub(super) async fn hub(request: &Request, body: Body, shared: Data<&Shared>) -> Response {
    match serve(request, body, &shared).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(request.method() == Method::HEAD),
    }
}

async fn serve(request: &Request, body: Body, shared: &Shared) -> Answer {
    let path = request.uri().path().strip_prefix("/hf/").unwrap_or_default();
    let parts: Vec<Cow<'_, str>> =
        path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy()).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let method = request.method();
    // A link carries its own permission and is used without a token.
    match (method, parts.as_slice()) {
        (&Method::PUT, ["lfs", digest]) => {
            return upload::receive(request, body, shared, digest, None).await;
        }
        (&Method::PUT, ["lfs", digest, part]) => {
            return upload::receive(request, body, shared, digest, Some(part)).await;
        }
        (&Method::POST, ["lfs", digest, "complete"]) => {
            drain(std::pin::pin!(body.into_bytes_stream())).await;
            return upload::complete(request, shared, digest).await;
        }
        _ => {}
    }
    if let (&Method::POST, ["api", "models", namespace, name, "commit", revision]) =
        (method, parts.as_slice())
    {
        return commit::commit(request, shared, Place { namespace, name }, revision, body).await;
    }
    match (method, parts.as_slice()) {
        (&Method::POST, ["xet", "v1", "xorbs", "default", hash]) => {
            return xet::receive_xorb(request, body, shared, hash).await;
        }
        (&Method::POST, ["xet", "v1", "shards"]) => {
            return xet::receive_shard(request, body, shared).await;
        }
        (_, ["xet", ..]) => {
            drain(std::pin::pin!(body.into_bytes_stream())).await;
            return xet::not_spoken();
        }
        _ => {}
    }
    // Read before anything is refused: a connection with an unread body cannot be used again.
    let body = body.into_bytes_limit(DOCUMENT_BYTES_MAX).await;
    let body = body.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, &error.to_string()))?;
    let ask = Ask { request, shared, caller: shared.caller(request).await? };
    match (method, parts.as_slice()) {
        (&Method::GET, ["api", "whoami-v2"]) => repos::whoami(&ask),
        (&Method::POST, ["api", "repos", "create"]) => repos::create(&ask, &body).await,
        (&Method::DELETE, ["api", "repos", "delete"]) => repos::delete(&ask),
        (&Method::POST, ["api", "repos", "move"]) => repos::rename(&ask),
        (&Method::POST, ["api", "validate-yaml"]) => repos::validate_yaml(&body),
        (&Method::GET, ["api", "models"]) => repos::list(&ask).await,
        (_, ["api", "models", namespace, name, rest @ ..]) => {
            model(&ask, Place { namespace, name }, rest, &body).await
        }
        (&Method::POST, [namespace, name, "info", "lfs", "objects", "batch"]) => {
            let name = name.strip_suffix(".git").unwrap_or(name);
            upload::batch(&ask, Place { namespace, name }, &body).await
        }
        (&Method::GET | &Method::HEAD, [namespace, name, "resolve", revision, path @ ..]) => {
            resolve::resolve(&ask, Place { namespace, name }, revision, &path.join("/")).await
        }
        _ => Err(Refusal::unknown_route()),
    }
}

/// The routes below one model.
async fn model(ask: &Ask<'_>, place: Place<'_>, rest: &[&str], body: &[u8]) -> Answer {
    match (ask.request.method(), rest) {
        (&Method::GET, []) => repos::info(ask, place, service::MAIN).await,
        (&Method::PUT, ["settings"]) => repos::settings(ask, place, body).await,
        (&Method::GET, ["revision", revision]) => repos::info(ask, place, revision).await,
        (&Method::GET, ["tree", revision, path @ ..]) => {
            tree::list(ask, place, revision, &path.join("/")).await
        }
        (&Method::POST, ["paths-info", revision]) => tree::paths(ask, place, revision, body).await,
        (&Method::GET, ["safetensors-metadata", path @ ..]) => {
            shards::metadata(ask, place, &path.join("/")).await
        }
        (&Method::GET, ["refs"]) => refs::list(ask, place).await,
        (&Method::GET, ["commits", revision]) => refs::commits(ask, place, revision).await,
        (&Method::POST, ["tag", revision]) => refs::create_tag(ask, place, revision, body).await,
        (&Method::DELETE, ["tag", name]) => refs::delete(ask, place, refs::TAG, name).await,
        (&Method::POST, ["branch", name]) => refs::create_branch(ask, place, name, body).await,
        (&Method::DELETE, ["branch", name]) => refs::delete(ask, place, refs::BRANCH, name).await,
        (&Method::POST, ["preupload", revision]) => {
            upload::preupload(ask, place, revision, body).await
        }
        (&Method::GET, ["xet-write-token", _]) => xet::write_token(ask, place).await,
        _ => Err(Refusal::unknown_route()),
    }
}

impl Ask<'_> {
    /// Who asks, where it must be somebody.
    fn caller(&self) -> Result<&Caller, Refusal> {
        Ok(self.caller.as_ref().ok_or(ServiceError::Unauthenticated)?)
    }

    /// A repository to read.
    async fn repo(&self, place: Place<'_>) -> Result<HubRepo, Refusal> {
        let Place { namespace, name } = place;
        Ok(self.shared.service.hub_repo(self.caller.as_ref(), namespace, name).await?)
    }

    /// Checks that whoever asks may have the bytes of a repository that he sees.
    async fn check_open(&self, repo: &HubRepo) -> Result<(), Refusal> {
        let reader = service::Reader::from(self.caller.as_ref());
        Ok(self.shared.service.check_open(&reader, &repo.model).await?)
    }

    /// A repository to write, and who writes.
    async fn own_repo(&self, place: Place<'_>) -> Result<(&Caller, HubRepo), Refusal> {
        let (caller, Place { namespace, name }) = (self.caller()?, place);
        Ok((caller, self.shared.service.hub_repo_of(caller, namespace, name).await?))
    }

    /// The address under which the client reached us, `/hf` included.
    fn endpoint(&self) -> String {
        let scheme = self.request.header("x-forwarded-proto").filter(|s| *s == "https");
        let host = self.request.header(header::HOST).unwrap_or("localhost");
        format!("{}://{host}/hf", scheme.unwrap_or("http"))
    }

    /// The address of a repository. All releases of the client take it apart, and below a path such as `/hf` the older
    /// ones do so only with `models` in it.
    fn address(&self, id: &str) -> String {
        format!("{}/models/{id}", self.endpoint())
    }

    /// A parameter after the question mark.
    fn query(&self, name: &str) -> Option<String> {
        query(self.request, name)
    }
}

fn query(request: &Request, name: &str) -> Option<String> {
    form_value(request.uri().query().unwrap_or_default(), name).next()
}

/// All values of a name in `a=b&c=d`.
fn form_value<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        (plain(key) == name).then(|| plain(value))
    })
}

/// Takes what the sender still sends after a refusal, within limits: most clients read the answer only then.
async fn drain<S, E>(mut stream: S)
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut taken = 0;
    while let Some(Ok(piece)) = stream.next().await {
        taken += piece.len();
        if taken > DRAINED_BYTES_MAX {
            return;
        }
    }
}

/// A request's body as one JSON document.
fn document<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, &format!("request body: {error}")))
}
