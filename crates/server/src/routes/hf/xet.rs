//! Files in chunks: the tokens of the stock client's xet, and the two routes to which it sends. Downloads go by plain HTTP.

use bytes::Bytes;
use checkpoint::xet::XetHash;
use futures::Stream;
use poem::{Body, Request, Response, http::StatusCode};
use serde_json::json;
use service::{Caller, ServiceError, XetToken};

use super::{
    Ask, Place, Shared,
    answer::{Answer, Refusal, json},
    drain,
};
use crate::clock::wall_now;

/// How long a token lives; the client asks for another before its end.
const TOKEN_S: i64 = 60 * 60;
/// Most bytes of a shard.
const SHARD_BYTES_MAX: usize = 64 << 20;

/// `GET /api/models/{id}/xet-write-token/{revision}`: where to send chunks, and with which token.
pub(super) async fn write_token(ask: &Ask<'_>, place: Place<'_>) -> Answer {
    let (caller, _) = ask.own_repo(place).await?;
    token(ask, caller).await
}

async fn token(ask: &Ask<'_>, caller: &Caller) -> Answer {
    let now = wall_now();
    let expires_at_s = now.as_millis() / 1000 + TOKEN_S;
    let token = XetToken {
        owner: caller.owner.to_string(),
        token_id: caller.token_id.clone(),
        expires_at_s,
    };
    let (url, text) = (format!("{}/xet", ask.endpoint()), token.sign(&key(ask.shared).await?));
    let mut response = json(&json!({ "casUrl": url, "accessToken": text, "exp": expires_at_s }));
    for (name, value) in [
        ("x-xet-cas-url", &url),
        ("x-xet-access-token", &text),
        ("x-xet-token-expiration", &expires_at_s.to_string()),
    ] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// `POST /xet/v1/xorbs/default/{hash}`: chunks under the hash of them all.
pub(super) async fn receive_xorb(
    request: &Request,
    body: Body,
    shared: &Shared,
    hash: &str,
) -> Answer {
    let mut stream = std::pin::pin!(body.into_bytes_stream());
    let received = receive(request, &mut stream, shared, hash).await;
    // Also when it is stored already: the client reads the answer only when it has sent all.
    drain(stream).await;
    let inserted = received?;
    Ok(json(&json!({ "was_inserted": inserted })))
}

async fn receive<S>(
    request: &Request,
    stream: S,
    shared: &Shared,
    hash: &str,
) -> Result<bool, Refusal>
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send,
{
    let caller = caller(request, shared).await?;
    let hash: XetHash = hash
        .parse()
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the address names no xorb hash"))?;
    Ok(shared.service.receive_xorb(&caller, hash, stream).await?)
}

/// `POST /xet/v1/shards`: which files the chunks are; they are stored before the answer.
pub(super) async fn receive_shard(request: &Request, body: Body, shared: &Shared) -> Answer {
    // Before the body: nobody unknown makes the server hold bytes.
    let caller = caller(request, shared).await?;
    let body = body.into_bytes_limit(SHARD_BYTES_MAX).await;
    let body = body.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, &error.to_string()))?;
    shared.service.receive_shard(&caller, &body).await?;
    Ok(json(&json!({ "result": 1 })))
}

/// What of the protocol is not spoken; the client does without.
pub(super) fn not_spoken() -> Result<Response, Refusal> {
    Err(Refusal::new(StatusCode::NOT_FOUND, "this server does not offer this part of xet"))
}

async fn caller(request: &Request, shared: &Shared) -> Result<Caller, Refusal> {
    let text = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let text = text.ok_or(ServiceError::Unauthenticated)?;
    let caller = shared.service.xet_caller(text, &key(shared).await?, wall_now()).await?;
    Ok(Caller { now: shared.now().await?, ..caller })
}

/// The installation's key; the random bytes are used once, when there is none yet.
async fn key(shared: &Shared) -> Result<[u8; 32], Refusal> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| ServiceError::Internal(error.to_string().into()))?;
    Ok(shared.service.xet_key(random, wall_now()).await?)
}
