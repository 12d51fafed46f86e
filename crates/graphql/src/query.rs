//! What may be asked.

use async_graphql::{Context, ID, Object, Result};
use service::{Scope, ServiceError};

use crate::{
    error::{api_error, invalid},
    pagination::{Page, PageArguments},
    scalars::{NameText, Sha256},
    scope::{caller, request, service},
    types::{
        account::Account,
        clock::Clock,
        evaluation::{EvaluationJob, Report},
        fund::{Fund, SubscriptionOrder},
        model::Model,
        suite::Suite,
    },
};

/// What may be asked. Reading models, prices, reports and NAV needs no login.
#[derive(Debug)]
pub(crate) struct Query;

/// What may be asked. Reading models, prices, reports and NAV needs no login.
#[Object]
impl Query {
    /// The server's clock.
    async fn clock(&self, context: &Context<'_>) -> Result<Clock> {
        Ok(request(context)?.into())
    }

    /// A model by name; null if there is none.
    async fn model(&self, context: &Context<'_>, name: NameText) -> Result<Option<Model>> {
        Ok(service(context)?.find_model(&name.0).await.map_err(api_error)?.map(Model))
    }

    /// Models by name.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn models(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Model>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.list_models(page.after.as_deref(), page.limit()).await;
        page.page(rows, |m| m.name.to_string(), Model)
    }

    /// A suite by id; null if there is none.
    async fn suite(&self, context: &Context<'_>, id: ID) -> Result<Option<Suite>> {
        found(service(context)?.get_suite(&id).await.map(Suite))
    }

    /// Suites by id.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn suites(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Suite>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.list_suites(page.after.as_deref(), page.limit()).await;
        page.page(rows, |s| s.id.clone(), Suite)
    }

    /// An evaluation job by id; null if there is none.
    async fn evaluation_job(&self, context: &Context<'_>, id: ID) -> Result<Option<EvaluationJob>> {
        found(service(context)?.get_job(&id).await.map(EvaluationJob))
    }

    /// A report by digest; null if there is none.
    async fn report(&self, context: &Context<'_>, digest: Sha256) -> Result<Option<Report>> {
        found(service(context)?.get_report(digest.0).await.map(Report))
    }

    /// A fund by name; null if there is none.
    async fn fund(&self, context: &Context<'_>, name: NameText) -> Result<Option<Fund>> {
        found(service(context)?.view_fund(&name.0).await.map(Fund))
    }

    /// Funds by name.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn funds(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Fund>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.view_funds(page.after.as_deref(), page.limit()).await;
        page.page(rows, |f| f.fund.name.to_string(), Fund)
    }

    /// Balances of an owner: the bearer's own, or anybody's for the operator.
    async fn account(&self, context: &Context<'_>, owner: NameText) -> Result<Account> {
        let caller = caller(context)?;
        if caller.owner != owner.0 && !caller.may(Scope::Operate) {
            return Err(api_error(ServiceError::NotOwner(format!("account {}", owner.0))));
        }
        Ok(Account::new(owner.0))
    }

    /// A subscription order of the bearer's, or anybody's for the operator; null if there is none.
    async fn subscription_order(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<SubscriptionOrder>> {
        let caller = caller(context)?;
        let id: i64 = id.parse().map_err(|_| invalid("id", "is no order id"))?;
        let owner = service(context)?.find_order_owner(id).await.map_err(api_error)?;
        let visible =
            owner.is_some_and(|owner| owner == caller.owner || caller.may(Scope::Operate));
        Ok(visible.then_some(SubscriptionOrder { id }))
    }
}

/// Absence is null; anything else is an error.
fn found<T>(result: std::result::Result<T, ServiceError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ServiceError::Absent { .. }) => Ok(None),
        Err(error) => Err(api_error(error)),
    }
}
