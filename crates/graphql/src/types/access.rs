//! Tokens, gates, requests, maintainers, contributors.

use async_graphql::{Enum, SimpleObject};
use service::{
    AccessRequest as RequestValue, Contributor as ContributorValue, GateMode as GateValue,
    Maintainer as MaintainerValue, RequestState as StateValue, TokenView,
};

use crate::scalars::{NameText, Time};

/// How access to the bytes of a model is given.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "GateValue")]
pub(crate) enum GateMode {
    /// Nobody needs a grant.
    None,
    /// Whoever asks is granted it at once.
    Auto,
    /// The publisher decides.
    Manual,
}

/// How a request for access stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "StateValue")]
pub(crate) enum RequestState {
    /// Nobody has decided.
    Open,
    /// The login may have the bytes.
    Granted,
    /// It may not.
    Refused,
}

/// A request for the bytes of a gated model, as it stands.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct AccessRequest {
    /// Who asks.
    login: NameText,
    /// How it stands.
    state: RequestState,
    /// What the login said for itself, or the reason of the decision.
    words: String,
    /// Since when it stands so.
    at: Time,
}

impl From<RequestValue> for AccessRequest {
    fn from(value: RequestValue) -> Self {
        Self {
            login: NameText(value.login),
            state: value.state.into(),
            words: value.words,
            at: Time(value.at),
        }
    }
}

/// A login that may publish to a model beside its publisher.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Maintainer {
    /// Who.
    login: NameText,
    /// Since when.
    since: Time,
}

impl From<MaintainerValue> for Maintainer {
    fn from(value: MaintainerValue) -> Self {
        Self { login: NameText(value.login), since: Time(value.since) }
    }
}

/// One part of a model's split among those who made it.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Contributor {
    /// Who.
    login: NameText,
    /// Parts per billion; those of one split sum to exactly 1,000,000,000.
    share_ppb: i64,
}

impl From<ContributorValue> for Contributor {
    fn from(value: ContributorValue) -> Self {
        Self { login: NameText(value.login), share_ppb: value.share_ppb }
    }
}

/// The split of a model in force.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Contributors {
    /// Counts the splits of the model from 1.
    revision: i64,
    /// Its parts, at most 100; the first takes the dust of every payment.
    parts: Vec<Contributor>,
}

impl From<service::Contributors> for Contributors {
    fn from(value: service::Contributors) -> Self {
        let parts = value.parts.into_iter().map(Contributor::from).collect();
        Self { revision: value.revision, parts }
    }
}

/// A bearer token without its text.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct AccessToken {
    /// Id, as the audit log has it.
    id: String,
    /// Whose it is.
    owner: NameText,
    /// What its owner calls it; empty for one of the command line.
    label: String,
    /// Its scopes.
    scopes: Vec<String>,
    /// The models that it may write; null for all of its owner's.
    models: Option<Vec<NameText>>,
    /// When it was made.
    created_at: Time,
    /// When it ends; null if never.
    expires_at: Option<Time>,
    /// When it was revoked; null if it was not.
    revoked_at: Option<Time>,
}

impl From<TokenView> for AccessToken {
    fn from(value: TokenView) -> Self {
        Self {
            id: value.id,
            owner: NameText(value.owner),
            label: value.label,
            scopes: value.scopes.iter().map(ToString::to_string).collect(),
            models: value.models.map(|models| models.into_iter().map(NameText).collect()),
            created_at: Time(value.created_at),
            expires_at: value.expires_at.map(Time),
            revoked_at: value.revoked_at.map(Time),
        }
    }
}
