//! Suites.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use service::{
    FundMove as FundMoveValue, RegisteredSuite, Rotation as RotationValue,
    ShadowPrice as ShadowPriceValue, SuiteMove as MoveValue, SuiteStage as StageValue,
};

use crate::{
    error::api_error,
    pagination::{Page, PageArguments},
    scalars::{NameText, Nav, Price, Sha256, Time},
    scope::service,
};

/// Where a suite stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "StageValue")]
pub(crate) enum SuiteStage {
    /// Measured and published; bears on no price yet.
    Shadow,
    /// Prices.
    Active,
    /// Another epoch prices; its cases are hidden.
    Closed,
    /// Closed, and its cases may be read.
    Revealed,
}

/// A versioned set of cases with a metric and a frozen reference model.
#[derive(Clone, Debug)]
pub(crate) struct Suite(pub(crate) RegisteredSuite);

/// A versioned set of cases with a metric and a frozen reference model.
#[Object]
impl Suite {
    /// Its id: name, version and epoch.
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// Digest over its manifest and files.
    async fn digest(&self) -> Sha256 {
        Sha256(self.0.digest)
    }

    /// The metric that quality is computed from.
    async fn metric(&self) -> &str {
        self.0.suite.metric.as_str()
    }

    /// Number of cases.
    async fn items(&self) -> i64 {
        self.0.suite.items as i64
    }

    /// Value of the metric for the best answer that ignores the input.
    async fn chance(&self) -> Option<f64> {
        self.0.suite.chance
    }

    /// Where the cases come from.
    async fn source(&self) -> &str {
        &self.0.suite.source
    }

    /// Licence of the cases.
    async fn licence(&self) -> &str {
        &self.0.suite.licence
    }

    /// Digest of the frozen reference's checkpoint, which is worth 100 credits by definition.
    async fn reference(&self) -> Sha256 {
        Sha256(self.0.files.reference_checkpoint)
    }

    /// The manifest, as it was registered.
    async fn manifest(&self) -> &str {
        &self.0.files.manifest
    }

    /// When it was registered.
    async fn registered_at(&self) -> Time {
        Time(self.0.registered_at)
    }

    /// Which re-draw of its family it is, from 1.
    async fn epoch(&self) -> u32 {
        self.0.suite.epoch
    }

    /// Where it stands. Its digest is the commitment to its hidden cases: whoever reads them once they are revealed can check it.
    async fn stage(&self, context: &Context<'_>) -> Result<SuiteStage> {
        let stage = service(context)?.suite_stage(&self.0.id).await;
        Ok(stage.map_err(api_error)?.into())
    }

    /// How it came there, oldest first.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn moves(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<SuiteMove>> {
        let page = PageArguments::new(first, after)?;
        let after = page.after_number()?;
        let rows = service(context)?.list_suite_moves(&self.0.id, after, page.limit()).await;
        page.page(rows, |row| row.seq.to_string(), SuiteMove)
    }

    /// What would happen to prices and NAV if this suite priced and no model changed; null unless it is a shadow.
    #[graphql(complexity = "1_000 + child_complexity")]
    async fn rotation(&self, context: &Context<'_>) -> Result<Option<Rotation>> {
        let service = service(context)?;
        if service.suite_stage(&self.0.id).await.map_err(api_error)? != StageValue::Shadow {
            return Ok(None);
        }
        let rotation = service.preview_rotation(&self.0).await.map_err(api_error)?;
        Ok(Some(rotation.into()))
    }
}

/// A move of a suite from stage to stage.
#[derive(Clone, Debug)]
pub(crate) struct SuiteMove(MoveValue);

/// A move of a suite from stage to stage.
#[Object]
impl SuiteMove {
    /// Counts the moves of this suite from 1.
    async fn number(&self) -> i64 {
        self.0.seq
    }

    /// Where it went.
    async fn stage(&self) -> SuiteStage {
        self.0.stage.into()
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What an activation rested on, as JSON: prices and NAV before and after.
    async fn record(&self) -> &str {
        &self.0.record
    }

    /// Who moved it.
    async fn moved_by(&self) -> NameText {
        NameText(self.0.moved_by.clone())
    }

    /// When.
    async fn moved_at(&self) -> Time {
        Time(self.0.moved_at)
    }
}

/// What a rotation would do if no model changed.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Rotation {
    /// Prices by model.
    prices: Vec<ShadowPrice>,
    /// NAV by fund.
    funds: Vec<FundMove>,
    /// Listed versions that are not measured on the suite yet, as `model/version`.
    missing: Vec<String>,
    /// Why the suite may not price yet; null where it may.
    refusal: Option<String>,
}

impl From<RotationValue> for Rotation {
    fn from(value: RotationValue) -> Self {
        Self {
            refusal: value.refusal(),
            prices: value.prices.into_iter().map(ShadowPrice::from).collect(),
            funds: value.funds.into_iter().map(FundMove::from).collect(),
            missing: value.missing,
        }
    }
}

/// A model's accepted price before and after a rotation.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ShadowPrice {
    /// The model.
    model: NameText,
    /// The accepted price.
    price: Price,
    /// What it would become.
    shadow: Price,
    /// Digest of the report on the shadow.
    report: Sha256,
}

impl From<ShadowPriceValue> for ShadowPrice {
    fn from(value: ShadowPriceValue) -> Self {
        Self {
            model: NameText(value.model),
            price: Price(value.price),
            shadow: Price(value.shadow),
            report: Sha256(value.report),
        }
    }
}

/// A fund's NAV before and after a rotation.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct FundMove {
    /// The fund.
    fund: NameText,
    /// NAV at accepted prices.
    nav: Nav,
    /// NAV at the prices after the rotation.
    shadow_nav: Nav,
    /// Whether that is further than 1 %.
    too_far: bool,
}

impl From<FundMoveValue> for FundMove {
    fn from(value: FundMoveValue) -> Self {
        Self {
            too_far: value.is_too_far(),
            fund: NameText(value.fund),
            nav: Nav(value.nav),
            shadow_nav: Nav(value.shadow_nav),
        }
    }
}
