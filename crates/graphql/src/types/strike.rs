//! Official computations of NAV.

use async_graphql::{Context, Object, Result};
use domain::amount::PriceNano;
use service::{Scope, Strike as StrikeValue};

use super::{log::StrikeProof, restatement::Restatement, reveal::Commitment};
use crate::{
    error::api_error,
    pagination::{Page, PageArguments},
    scalars::{Decimal9, Nav, ShareQuantity, Time},
    scope::{request, service},
};

/// An official computation of NAV.
#[derive(Clone, Debug)]
pub(crate) struct Strike(pub(crate) StrikeValue);

/// An official computation of NAV.
#[Object]
impl Strike {
    /// Counts from 1.
    async fn number(&self) -> i64 {
        self.0.number
    }

    /// The day.
    async fn day(&self) -> i64 {
        self.0.day
    }

    /// NAV after fees, before orders were settled.
    async fn nav(&self) -> Nav {
        Nav(self.0.nav)
    }

    /// NAV at the larger of accepted price and estimate: what joiners dealt at.
    async fn ask(&self) -> Nav {
        Nav(self.0.ask)
    }

    /// Shares, frozen with it.
    async fn shares(&self) -> ShareQuantity {
        ShareQuantity(self.0.shares)
    }

    /// NAV over shares, rounded down.
    async fn nav_per_share(&self) -> Decimal9 {
        Decimal9(PriceNano::from_nano(self.0.nav_per_share_nano))
    }

    /// Index level at the strike's prices; null before the first rebalance.
    async fn level(&self) -> Option<Decimal9> {
        self.0.level_nano.map(|nano| Decimal9(PriceNano::from_nano(nano)))
    }

    /// Whether the fund was being wound up.
    async fn winding(&self) -> bool {
        self.0.winding
    }

    /// Everything that the strike was computed from and what came out, canonical JSON, whose digest its leaf names. It names everybody
    /// who dealt: null without scope `operate`, and where the strike has no proof.
    #[graphql(complexity = "20")]
    async fn record(&self, context: &Context<'_>) -> Result<Option<String>> {
        if !request(context)?.caller.as_ref().is_some_and(|caller| caller.may(Scope::Operate)) {
            return Ok(None);
        }
        let (fund, number) = (&self.0.fund, self.0.number);
        service(context)?.find_strike_record(fund, number).await.map_err(api_error)
    }

    /// Where its leaf stands in the log. Null where it has none, because what it rests on is older than the log or does not follow from
    /// the methodology, and until a head is signed, which is later than the moment that was asked for.
    #[graphql(complexity = "100 + child_complexity")]
    async fn proof(&self, context: &Context<'_>) -> Result<Option<StrikeProof>> {
        let (fund, number) = (&self.0.fund, self.0.number);
        let known_at = self.0.known_at;
        let proof = service(context)?.find_strike_proof(fund, number, known_at).await;
        Ok(proof.map_err(api_error)?.map(StrikeProof::from))
    }

    /// What was said of it later at other prices, in order; the last one holds. With `knownAt` only what was known at that time.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn restatements(
        &self,
        context: &Context<'_>,
        known_at: Option<Time>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Restatement>> {
        let page = PageArguments::new(first, after)?;
        let (service, known_at) = (service(context)?, known_at.map(|at| at.0));
        if let (Some(at), None) = (known_at, self.0.known_at) {
            // What is told of a moment stays: it has to be over.
            let now = request(context)?.now;
            service.close_moment("knownAt", at, now).await.map_err(api_error)?;
        }
        // What was asked of the whole answer holds here too.
        let known_at = known_at.into_iter().chain(self.0.known_at).min();
        let (fund, number) = (&self.0.fund, self.0.number);
        let rows = service
            .list_restatements(fund, number, known_at, page.after_number()?, page.limit())
            .await;
        page.page(rows, |r| r.number.to_string(), Restatement)
    }

    /// How its prices were bound before the cut-off. Null where they were not: then nothing shows that they were set without knowing
    /// the orders.
    #[graphql(complexity = "5 + child_complexity")]
    async fn commitment(&self, context: &Context<'_>) -> Result<Option<Commitment>> {
        let (fund, number) = (&self.0.fund, self.0.number);
        let found = service(context)?.find_strike_commitment(fund, number).await;
        Ok(found.map_err(api_error)?.map(Commitment::from))
    }

    /// When, by the server's clock.
    async fn struck_at(&self) -> Time {
        Time(self.0.struck_at)
    }
}
