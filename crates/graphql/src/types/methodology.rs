//! The rules of a fund over time, and what proposed ones would have done.

use async_graphql::{Enum, Object, Result, SimpleObject};
use domain::{amount::Ppb, name::Name};
use service::{ComparedMethodology, MethodologyComparison as ComparisonValue};

use crate::{
    pagination::{Page, PageArguments},
    scalars::{Decimal9, NameText, Sha256, Time},
};

/// What became of a version of a fund's rules.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "service::MethodologyState")]
pub(crate) enum MethodologyState {
    /// It is in force.
    InForce,
    /// It will be in force after the first strike on or after its day, unless it is withdrawn.
    Proposed,
    /// It was withdrawn before its day.
    Withdrawn,
    /// It was in force until another was.
    Superseded,
}

/// A version of a fund's rules.
#[derive(Clone, Debug)]
pub(crate) struct MethodologyVersion(pub(crate) service::MethodologyVersion);

/// A version of a fund's rules.
#[Object]
impl MethodologyVersion {
    /// Counts the fund's rules from 1, those of its creation; withdrawn ones keep their number.
    async fn version(&self) -> i64 {
        self.0.version
    }

    /// SHA-256 over the canonical JSON.
    async fn digest(&self) -> Sha256 {
        Sha256(self.0.digest)
    }

    /// The JSON, as it was given.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// What became of it.
    async fn state(&self) -> MethodologyState {
        self.0.state.into()
    }

    /// When it was proposed, or the fund was created.
    async fn proposed_at(&self) -> Time {
        Time(self.0.proposed_at)
    }

    /// The first day of the fund's clock whose strike puts it in force. Null for the rules of the creation.
    async fn effective_day(&self) -> Option<i64> {
        self.0.effective_day
    }

    /// The strike that it came into force after: computed under the rules before it, rebalanced under these. Null for the rules of the
    /// creation, and for what never came into force.
    async fn adopted_at_strike(&self) -> Option<i64> {
        self.0.adopted_at_strike
    }

    /// Its backtest beside that of the rules that were in force when it was proposed. Null for the rules of the creation.
    async fn comparison(&self) -> Option<MethodologyComparison> {
        self.0.comparison.clone().map(MethodologyComparison::from)
    }
}

/// Two sets of rules over the prices that the fund was struck at, with a rebalance after every strike, without fees and flows.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct MethodologyComparison {
    /// The day of the first strike that was counted; null without one.
    first_day: Option<i64>,
    /// The day of the last.
    last_day: Option<i64>,
    /// The rules that were in force at the proposal.
    current: MethodologyFigures,
    /// The rules that were proposed.
    proposed: MethodologyFigures,
}

impl From<ComparisonValue> for MethodologyComparison {
    fn from(value: ComparisonValue) -> Self {
        Self {
            first_day: value.first_day,
            last_day: value.last_day,
            current: MethodologyFigures(value.current),
            proposed: MethodologyFigures(value.proposed),
        }
    }
}

/// What rules would have made of a history. It is no promise: those who wrote them have seen it.
#[derive(Clone, Debug)]
pub(crate) struct MethodologyFigures(ComparedMethodology);

/// What rules would have made of a history. It is no promise: those who wrote them have seen it.
#[Object]
impl MethodologyFigures {
    /// Days of the history: those with a strike.
    async fn days(&self) -> u64 {
        self.0.figures.days
    }

    /// The index level on the last day, 1000 on the first. Null without a day.
    async fn level_end(&self) -> Option<Decimal9> {
        self.0.figures.level_end.map(Decimal9)
    }

    /// SHA-256 over the whole path, as `modelfolio backtest --rebalance every-strike --form days` prints it. Null without a day.
    async fn levels_digest(&self) -> Option<Sha256> {
        self.0.figures.levels.map(Sha256)
    }

    /// Last level over first, less one. Null below two days.
    #[graphql(name = "return")]
    async fn total_return(&self) -> Option<f64> {
        self.0.figures.total_return
    }

    /// Volatility a year: the sample deviation of the returns times the root of 252. Null below three days.
    async fn volatility(&self) -> Option<f64> {
        self.0.figures.volatility
    }

    /// The deepest trough over its peak, less one. Null below two days.
    async fn drawdown_max(&self) -> Option<f64> {
        self.0.figures.drawdown_max
    }

    /// One-way turnover a year, the first purchase left out. Null below two days.
    async fn turnover(&self) -> Option<f64> {
        self.0.figures.turnover
    }

    /// Why a figure is null; null where none is.
    async fn remark(&self) -> Option<&str> {
        self.0.figures.remark.as_deref()
    }

    /// Weights of the invested part at the marks of the day of the proposal, by model. Empty where the caps left no room.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn weights(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<ModelWeight>> {
        let page = PageArguments::new(first, after)?;
        let later = |model: &Name| page.after.as_deref().is_none_or(|after| model.as_str() > after);
        let rows = self.0.weights.iter().filter(|(model, _)| later(model));
        let rows = rows.take(page.limit() as usize).map(|(model, weight)| (model.clone(), *weight));
        page.page(
            Ok(rows.collect()),
            |(model, _): &(Name, Ppb)| model.to_string(),
            |(model, weight)| ModelWeight { model: NameText(model), weight_ppb: weight.as_ppb() },
        )
    }

    /// Why there are no weights; null where there are.
    async fn weights_remark(&self) -> Option<&str> {
        self.0.weights_remark.as_deref()
    }
}

/// A model's part of the invested money.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ModelWeight {
    /// The model.
    model: NameText,
    /// Its part, in parts per billion.
    weight_ppb: i64,
}
