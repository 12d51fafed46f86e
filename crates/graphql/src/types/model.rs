//! Models, versions, checkpoints, tensors.

use async_graphql::{Context, Object, Result, SimpleObject};
use domain::digest::Digest;
use service::{LISTED, Model as ModelValue, Shard as ShardValue, Version as VersionValue};

use super::{
    access::{AccessRequest, Contributors, GateMode, Maintainer},
    evaluation::Report,
    likeness::{Eligibility, FeeShare, SimilarVersion},
    price::PriceDecision,
    release::{AccessGrant, AliasMove, Lineage, ModelCard, Pin, Structure, Yank},
    round::EvaluationRound,
};
use crate::{
    error::api_error,
    pagination::{Page, PageArguments},
    scalars::{NameText, Sha256, Time, WholeNumber},
    scope::{reader, request, service},
};

/// A named line of work.
#[derive(Clone, Debug)]
pub(crate) struct Model(pub(crate) ModelValue);

/// A named line of work.
#[Object]
impl Model {
    /// Its name.
    async fn name(&self) -> NameText {
        NameText(self.0.name.clone())
    }

    /// Who publishes it.
    async fn publisher(&self) -> NameText {
        NameText(self.0.publisher.clone())
    }

    /// When it was created.
    async fn created_at(&self) -> Time {
        Time(self.0.created_at)
    }

    /// The version under the alias `listed`, which prices the model; null before its first valid evaluation.
    async fn listed(&self, context: &Context<'_>) -> Result<Option<Version>> {
        Ok(service(context)?.find_alias(&self.0, LISTED).await.map_err(api_error)?.map(Version))
    }

    /// The pin that keeps `listed` where it is; null while it follows evaluations.
    async fn listed_pin(&self, context: &Context<'_>) -> Result<Option<Pin>> {
        Ok(service(context)?.find_listed_pin(&self.0).await.map_err(api_error)?.map(Pin::from))
    }

    /// Where its aliases point, by alias.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn aliases(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AliasMove>> {
        let page = PageArguments::new(first, after)?;
        let rows =
            service(context)?.list_aliases(&self.0, page.after.as_deref(), page.limit()).await;
        page.page(rows, |a| a.alias.clone(), AliasMove)
    }

    /// Every move of an alias, oldest first.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn alias_history(
        &self,
        context: &Context<'_>,
        alias: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AliasMove>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_alias_moves(&self.0, &alias, page.after_number()?, page.limit())
            .await;
        page.page(rows, |a| a.seq.to_string(), AliasMove)
    }

    /// What its publisher says about it now; null before the first revision.
    async fn card(&self, context: &Context<'_>) -> Result<Option<ModelCard>> {
        Ok(service(context)?.find_card(&self.0).await.map_err(api_error)?.map(ModelCard::from))
    }

    /// Every revision of its card, oldest first.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn cards(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<ModelCard>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.list_cards(&self.0, page.after_number()?, page.limit()).await;
        page.page(rows, |c| c.revision.to_string(), ModelCard::from)
    }

    /// Whether only its publisher, the operator and those who were granted it may see it.
    async fn private(&self, context: &Context<'_>) -> Result<bool> {
        service(context)?.is_private(&self.0).await.map_err(api_error)
    }

    /// Who may read it while it is private, by login. For its publisher and the operator.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn grants(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AccessGrant>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_grants(&reader(context)?, &self.0, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |g| g.grantee.to_string(), AccessGrant::from)
    }

    /// How access to its bytes is given.
    async fn gate(&self, context: &Context<'_>) -> Result<GateMode> {
        service(context)?.gate(&self.0).await.map(GateMode::from).map_err(api_error)
    }

    /// How the bearer's own request for its bytes stands; null if he never asked, or without a token.
    async fn access_request(&self, context: &Context<'_>) -> Result<Option<AccessRequest>> {
        let Some(caller) = &request(context)?.caller else { return Ok(None) };
        let found = service(context)?.find_access_request(&self.0, &caller.owner).await;
        Ok(found.map_err(api_error)?.map(AccessRequest::from))
    }

    /// How requests for its bytes stand, by login. For its publisher and the operator.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn access_requests(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AccessRequest>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_access_requests(&reader(context)?, &self.0, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |r| r.login.to_string(), AccessRequest::from)
    }

    /// Who may publish to it beside its publisher, by login. For its publisher and the operator.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn maintainers(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Maintainer>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_maintainers(&reader(context)?, &self.0, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |m| m.login.to_string(), Maintainer::from)
    }

    /// Who made it, in parts that sum to one; null while nothing is declared, which means its publisher alone.
    #[graphql(complexity = "100 + child_complexity")]
    async fn contributors(&self, context: &Context<'_>) -> Result<Option<Contributors>> {
        let found = service(context)?.find_contributors(&self.0).await.map_err(api_error)?;
        Ok(found.map(Contributors::from))
    }

    /// The decision behind the accepted price; null before the first.
    async fn price(&self, context: &Context<'_>) -> Result<Option<PriceDecision>> {
        Ok(service(context)?
            .find_accepted_price(&self.0)
            .await
            .map_err(api_error)?
            .map(PriceDecision))
    }

    /// A version by name; null if there is none.
    async fn version(&self, context: &Context<'_>, name: NameText) -> Result<Option<Version>> {
        Ok(service(context)?.find_version(&self.0, &name.0).await.map_err(api_error)?.map(Version))
    }

    /// Versions in the order of publication.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn versions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Version>> {
        let page = PageArguments::new(first, after)?;
        let rows =
            service(context)?.list_versions(&self.0, page.after_number()?, page.limit()).await;
        page.page(rows, |v| v.ordinal.to_string(), Version)
    }

    /// Every decision on its price, in order.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn prices(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<PriceDecision>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_price_decisions(&self.0, page.after_number()?, page.limit())
            .await;
        page.page(rows, |d| d.seq.to_string(), PriceDecision)
    }
}

/// An immutable release of a model.
#[derive(Clone, Debug)]
pub(crate) struct Version(pub(crate) VersionValue);

/// An immutable release of a model.
#[Object]
impl Version {
    /// Its name.
    async fn name(&self) -> NameText {
        NameText(self.0.name.clone())
    }

    /// SHA-256 over the canonical JSON of model, version, checkpoint and graph. By the checkpoint's digest it covers every byte of the
    /// weights. Card, licence, tags and declared base are the publisher's words, which may be revised: they do not enter.
    async fn digest(&self) -> Sha256 {
        Sha256(self.0.digest)
    }

    /// Counts the versions of the model from 1.
    async fn ordinal(&self) -> i64 {
        self.0.ordinal
    }

    /// The model.
    async fn model(&self, context: &Context<'_>) -> Result<Model> {
        service(context)?.get_model_by_id(&self.0.model_id).await.map(Model).map_err(api_error)
    }

    /// Who published it.
    async fn published_by(&self) -> NameText {
        NameText(self.0.published_by.clone())
    }

    /// When it was published.
    async fn published_at(&self) -> Time {
        Time(self.0.published_at)
    }

    /// The safetensors file, or the shards that are one checkpoint together.
    async fn checkpoint(&self) -> Checkpoint {
        Checkpoint { digest: self.0.checkpoint }
    }

    /// Digest of the weightless ONNX graph that gives the tensors meaning.
    async fn graph(&self) -> Sha256 {
        Sha256(self.0.graph)
    }

    /// Its withdrawal from new use; null while it may be used.
    async fn yank(&self, context: &Context<'_>) -> Result<Option<Yank>> {
        Ok(service(context)?.find_yank(&self.0).await.map_err(api_error)?.map(Yank::from))
    }

    /// What it was made from, declared and measured; null if nothing was declared, or what the bearer may not see.
    #[graphql(complexity = "100 + child_complexity")]
    async fn lineage(&self, context: &Context<'_>) -> Result<Option<Lineage>> {
        let found = service(context)?.find_lineage(&reader(context)?, &self.0).await;
        Ok(found.map_err(api_error)?.map(Lineage::from))
    }

    /// Earlier versions of other models that it is like, as far as the bearer sees them: by sketches of the weights and by answers to
    /// the same cases.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn similar(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<SimilarVersion>> {
        let page = PageArguments::new(first, after)?;
        let reader = reader(context)?;
        let rows = service(context)?
            .list_similar(&reader, &self.0, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |s| s.prior.id.clone(), SimilarVersion)
    }

    /// Whether a fund may hold it, as far as likeness is concerned. It bears on eligibility and fees, never on a mark.
    async fn eligibility(&self, context: &Context<'_>) -> Result<Eligibility> {
        let service = service(context)?;
        let reason = service.find_ineligibility(&self.0).await.map_err(api_error)?;
        let review = service.find_likeness_review(&self.0).await.map_err(api_error)?;
        Ok(Eligibility::new(reason, review))
    }

    /// The part of its evaluated price on which its publisher earns fees: what nobody has listed before, beyond the noise. Null
    /// without a price. Earlier versions that the bearer does not see are left out.
    #[graphql(complexity = "500 + child_complexity")]
    async fn fee_share(&self, context: &Context<'_>) -> Result<Option<FeeShare>> {
        let share = service(context)?.find_fee_share(&reader(context)?, &self.0).await;
        Ok(share.map_err(api_error)?.map(FeeShare::from))
    }

    /// Evaluation reports of this version, oldest first.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn reports(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Report>> {
        let page = PageArguments::new(first, after)?;
        let rows =
            service(context)?.list_reports(&self.0, page.after.as_deref(), page.limit()).await;
        page.page(rows, |r| r.cursor(), Report)
    }

    /// Rounds of several evaluators that measured this version, oldest first, those that held the price too.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn rounds(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<EvaluationRound>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.list_rounds(&self.0, page.after_number()?, page.limit()).await;
        page.page(rows, |r| r.number.to_string(), EvaluationRound)
    }
}

/// The weights behind a version: one safetensors file, or shards with their index.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    digest: Digest,
}

/// The weights behind a version: one safetensors file, or shards with their index.
#[Object]
impl Checkpoint {
    /// SHA-256 of the file; of a checkpoint in shards, of the document that holds the index and names each shard with its digest.
    /// The bytes are served under `/v1/objects/`.
    async fn digest(&self) -> Sha256 {
        Sha256(self.digest)
    }

    /// Size of the file, or of all shards, in bytes.
    async fn bytes(&self, context: &Context<'_>) -> Result<WholeNumber> {
        service(context)?.checkpoint_bytes(self.digest).await.map(WholeNumber).map_err(api_error)
    }

    /// Whether it is in shards.
    async fn is_sharded(&self, context: &Context<'_>) -> Result<bool> {
        let shards = service(context)?.list_shards(self.digest, None, 1).await;
        Ok(!shards.map_err(api_error)?.is_empty())
    }

    /// Its shards by name; none for a checkpoint of one file.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn shards(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Shard>> {
        let page = PageArguments::new(first, after)?;
        let rows =
            service(context)?.list_shards(self.digest, page.after_number()?, page.limit()).await;
        page.page(rows, |s| s.position.to_string(), Shard::from)
    }

    /// Number of tensors.
    async fn tensor_count(&self, context: &Context<'_>) -> Result<i64> {
        let object = service(context)?.get_object(self.digest).await.map_err(api_error)?;
        Ok(object.tensors.unwrap_or_default() as i64)
    }

    /// What it is made of; null for a checkpoint of the time before this was kept.
    async fn structure(&self, context: &Context<'_>) -> Result<Option<Structure>> {
        let found = service(context)?.find_structure(self.digest).await.map_err(api_error)?;
        Ok(found.map(Structure::from))
    }

    /// Its tensors in the order of the file; in shards, those of the first shard first.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn tensors(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Tensor>> {
        let page = PageArguments::new(first, after)?;
        let rows =
            service(context)?.list_tensors(self.digest, page.after_number()?, page.limit()).await;
        page.page(
            rows,
            |t| t.position.to_string(),
            |t| Tensor {
                name: t.name,
                file: t.file,
                dtype: t.dtype,
                shape: t.shape.iter().map(|dim| *dim as i64).collect(),
                bytes: WholeNumber(t.bytes),
                key: t.key,
            },
        )
    }
}

/// A file of a checkpoint in shards.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Shard {
    /// Its name.
    file: String,
    /// SHA-256 of its bytes; they are served under `/v1/objects/`.
    digest: Sha256,
    /// Its size in bytes.
    bytes: WholeNumber,
}

impl From<ShardValue> for Shard {
    fn from(value: ShardValue) -> Self {
        Self { file: value.file, digest: Sha256(value.digest), bytes: WholeNumber(value.bytes) }
    }
}

/// One tensor of a checkpoint.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Tensor {
    /// Its name.
    pub(crate) name: String,
    /// The shard that holds it; null in a checkpoint of one file, and in a difference, to which files do not matter.
    pub(crate) file: Option<String>,
    /// Element type, as safetensors names it.
    pub(crate) dtype: String,
    /// Lengths of the axes.
    pub(crate) shape: Vec<i64>,
    /// Bytes.
    pub(crate) bytes: WholeNumber,
    /// blake3 over type, shape and bytes: equal keys are equal tensors.
    pub(crate) key: String,
}
