//! What may be asked.

use async_graphql::{Context, ID, InputObject, Object, Result};
use service::{AuditSearch, Scope, Search, ServiceError};

use crate::{
    error::{api_error, invalid},
    moment::{ledger_at, moment},
    pagination::{Page, PageArguments},
    scalars::{NameText, Sha256, Time, WholeNumber},
    scope::{caller, reader, request, service},
    types::{
        access::AccessToken,
        account::Account,
        audit::AuditEntry,
        backtest::{Backtest, BacktestInput},
        clock::Clock,
        evaluation::{EvaluationJob, Report},
        evaluator::{Evaluator, Quorum},
        fund::Fund,
        log::Log,
        model::Model,
        order::Order,
        round::EvaluationRound,
        storage::Storage,
        suite::Suite,
        version_diff::VersionDiff,
        webhook::Webhook,
    },
};

/// What a model must satisfy; what is not given is not asked for.
#[derive(InputObject)]
pub(crate) struct ModelSearch {
    /// At most 10 words; each begins a word of its name, or of its current card, tags or licence.
    text: Option<String>,
    /// A tag of its current card.
    tag: Option<String>,
    /// A type of elements in one of its versions, as safetensors names it.
    dtype: Option<String>,
    /// Least number of parameters of one of its versions.
    parameters_min: Option<WholeNumber>,
    /// Greatest number of parameters of that version.
    parameters_max: Option<WholeNumber>,
    /// The signature of that version's structure.
    signature: Option<Sha256>,
}

impl From<ModelSearch> for Search {
    fn from(search: ModelSearch) -> Self {
        Self {
            text: search.text,
            tag: search.tag,
            dtype: search.dtype,
            parameters_min: search.parameters_min.map(|number| number.0),
            parameters_max: search.parameters_max.map(|number| number.0),
            signature: search.signature.map(|digest| digest.0),
        }
    }
}

/// Which entries of the audit log are asked for; what is not given is not asked.
#[derive(InputObject)]
pub(crate) struct AuditFilter {
    /// By whom.
    actor: Option<String>,
    /// Which operation.
    operation: Option<String>,
    /// How the subject begins.
    subject_prefix: Option<String>,
    /// From when on, by the server's clock.
    since: Option<Time>,
    /// About which model.
    model: Option<NameText>,
}

impl From<AuditFilter> for AuditSearch {
    fn from(filter: AuditFilter) -> Self {
        Self {
            actor: filter.actor,
            operation: filter.operation,
            subject_prefix: filter.subject_prefix,
            since: filter.since.map(|at| at.0),
            model: filter.model.map(|name| name.0),
        }
    }
}

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
        let found = service(context)?.find_readable_model(&reader(context)?, &name.0).await;
        Ok(found.map_err(api_error)?.map(Model))
    }

    /// Models by name: all that the bearer may see, or those of them that satisfy a search.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn models(
        &self,
        context: &Context<'_>,
        search: Option<ModelSearch>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Model>> {
        let page = PageArguments::new(first, after)?;
        let (service, reader) = (service(context)?, reader(context)?);
        let after = page.after.as_deref();
        let rows = match search {
            Some(search) => {
                service.search_models(&reader, &search.into(), after, page.limit()).await
            }
            None => service.list_readable_models(&reader, after, page.limit()).await,
        };
        page.page(rows, |m| m.name.to_string(), Model)
    }

    /// What changed from one version of a model to another, from the keys of their tensors. Null if the model or one of the versions
    /// is absent.
    #[graphql(complexity = "100 + child_complexity")]
    async fn version_diff(
        &self,
        context: &Context<'_>,
        model: NameText,
        from: NameText,
        to: NameText,
    ) -> Result<Option<VersionDiff>> {
        let service = service(context)?;
        let pair = service.get_pair(&reader(context)?, &model.0, &from.0, &to.0).await;
        let Some((from, to)) = found(pair)? else { return Ok(None) };
        let diff = service.diff_versions(&from, &to).await.map_err(api_error)?;
        Ok(Some(VersionDiff { from, to, diff }))
    }

    /// The audit log: every change, in order. Scope `operate`, or a filter that names a model of the bearer's.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn audit(
        &self,
        context: &Context<'_>,
        filter: Option<AuditFilter>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AuditEntry>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_audit(
                caller(context)?,
                &filter.map(AuditSearch::from).unwrap_or_default(),
                page.after_number()?,
                page.limit(),
            )
            .await;
        page.page(rows, |e| e.number.to_string(), AuditEntry::from)
    }

    /// Tokens by id, without their texts: the bearer's own, or with `owner` anybody's for the operator.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn tokens(
        &self,
        context: &Context<'_>,
        owner: Option<NameText>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<AccessToken>> {
        let page = PageArguments::new(first, after)?;
        let caller = caller(context)?;
        let owner = owner.map_or_else(|| caller.owner.clone(), |name| name.0);
        let rows = service(context)?
            .list_tokens(caller, &owner, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |t| t.id.clone(), AccessToken::from)
    }

    /// The bearer's webhooks, by id.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn webhooks(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Webhook>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_webhooks(caller(context)?, page.after.as_deref(), page.limit())
            .await;
        page.page(rows, |w| w.id.clone(), Webhook)
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
        let job = service(context)?.get_readable_job(&reader(context)?, &id).await;
        found(job.map(EvaluationJob))
    }

    /// A round of several evaluators by id; null if there is none.
    async fn evaluation_round(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<EvaluationRound>> {
        let round = service(context)?.get_readable_round(&reader(context)?, &id).await;
        found(round.map(EvaluationRound))
    }

    /// Evaluators by name.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn evaluators(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<Evaluator>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?.list_evaluators(page.after.as_deref(), page.limit()).await;
        page.page(rows, |e| e.name.to_string(), Evaluator)
    }

    /// How many evaluators a price of this installation rests on.
    async fn quorum(&self, context: &Context<'_>) -> Result<Quorum> {
        service(context)?.quorum().await.map(Quorum).map_err(api_error)
    }

    /// A report by digest; null if there is none.
    async fn report(&self, context: &Context<'_>, digest: Sha256) -> Result<Option<Report>> {
        let report = service(context)?.get_readable_report(&reader(context)?, digest.0).await;
        found(report.map(Report))
    }

    /// A fund by name, with everything in it as of one moment; null if there is none, or was none then.
    ///
    /// The same moment gives the same answer for ever, whatever is recorded later.
    #[graphql(
        complexity = "crate::moment::cost_of_strike(at_strike, (as_of.as_ref(), known_at.as_ref()), child_complexity)"
    )]
    async fn fund(
        &self,
        context: &Context<'_>,
        name: NameText,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
        #[graphql(
            desc = "The moment right after the strike of this number, in place of `asOf`; null if there was none."
        )]
        at_strike: Option<i64>,
    ) -> Result<Option<Fund>> {
        let (service, name) = (service(context)?, &name.0);
        let moment = match at_strike {
            None => moment(context, as_of, known_at)?,
            Some(_) if as_of.is_some() => {
                return Err(invalid("atStrike", "is a moment already; give it or `asOf`"));
            }
            Some(number) => {
                let (known_at, now) = (known_at.map(|at| at.0), request(context)?.now);
                let found = service.find_moment_of_strike(name, number, known_at, now).await;
                let Some(moment) = found.map_err(api_error)? else { return Ok(None) };
                moment
            }
        };
        let ledger = service.ledger_at(&moment).await.map_err(api_error)?;
        found(service.view_fund(name, &ledger).await.map(Fund))
    }

    /// Funds by name: those that there were at one moment, as they were.
    #[graphql(
        complexity = "crate::moment::cost(as_of.as_ref(), known_at.as_ref(), crate::pagination::cost(first, child_complexity))"
    )]
    async fn funds(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
    ) -> Result<Page<Fund>> {
        let page = PageArguments::new(first, after)?;
        let ledger = ledger_at(context, as_of, known_at).await?;
        let rows = service(context)?.view_funds(page.after.as_deref(), page.limit(), &ledger).await;
        page.page(rows, |f| f.fund.name.to_string(), Fund)
    }

    /// What rules would have done over prices, by the functions of the live strike and rebalance. It changes nothing. As of a moment the
    /// prices of a fund end with the last strike by then, and its own rules are those in force then. Null if there is no such fund.
    #[graphql(
        complexity = "crate::moment::cost(as_of.as_ref(), known_at.as_ref(), 1000 + child_complexity)"
    )]
    async fn backtest(
        &self,
        context: &Context<'_>,
        input: BacktestInput,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
    ) -> Result<Option<Backtest>> {
        let ledger = ledger_at(context, as_of, known_at).await?;
        found(service(context)?.run_backtest(input.try_into()?, &ledger).await.map(Backtest))
    }

    /// The log that proofs rest on.
    async fn log(&self) -> Log {
        Log
    }

    /// Balances of an owner as of one moment: the bearer's own, or anybody's for the operator.
    #[graphql(
        complexity = "crate::moment::cost(as_of.as_ref(), known_at.as_ref(), child_complexity)"
    )]
    async fn account(
        &self,
        context: &Context<'_>,
        owner: NameText,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
    ) -> Result<Account> {
        let caller = caller(context)?;
        if caller.owner != owner.0 && !caller.may(Scope::Operate) {
            return Err(api_error(ServiceError::NotOwner(format!("account {}", owner.0))));
        }
        Ok(Account::at(owner.0, ledger_at(context, as_of, known_at).await?))
    }

    /// What a login has in the storage, and its quota: the bearer's own, or with `login` anybody's for the operator.
    async fn storage(&self, context: &Context<'_>, login: Option<NameText>) -> Result<Storage> {
        let caller = caller(context)?;
        let login = login.map_or_else(|| caller.owner.clone(), |name| name.0);
        let used = service(context)?.storage_use(caller, &login).await;
        Ok(used.map_err(api_error)?.into())
    }

    /// An order of the bearer's, or anybody's for the operator, as it stood at one moment; null if there was none.
    #[graphql(
        complexity = "crate::moment::cost(as_of.as_ref(), known_at.as_ref(), child_complexity)"
    )]
    async fn order(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
    ) -> Result<Option<Order>> {
        let caller = caller(context)?;
        let id: i64 = id.parse().map_err(|_| invalid("id", "is no order id"))?;
        let ledger = ledger_at(context, as_of, known_at).await?;
        let order = service(context)?.find_order_at(id, &ledger).await.map_err(api_error)?;
        let visible =
            |order: &service::Order| order.owner == caller.owner || caller.may(Scope::Operate);
        Ok(order.filter(visible).map(|order| Order::at(order, &ledger)))
    }

    /// The bearer's orders in all funds as they stood at one moment, the youngest first; with `owner` anybody's for the operator.
    #[graphql(
        complexity = "crate::moment::cost(as_of.as_ref(), known_at.as_ref(), crate::pagination::cost(first, child_complexity))"
    )]
    async fn orders(
        &self,
        context: &Context<'_>,
        owner: Option<NameText>,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(
            desc = "The moment: what was recorded by then. Without it, that of `knownAt`, or now."
        )]
        as_of: Option<Time>,
        #[graphql(
            desc = "What was recorded by then about it. Without it, that of `asOf`, or everything."
        )]
        known_at: Option<Time>,
    ) -> Result<Page<Order>> {
        let caller = caller(context)?;
        let owner = owner.map_or_else(|| caller.owner.clone(), |name| name.0);
        if owner != caller.owner && !caller.may(Scope::Operate) {
            return Err(api_error(ServiceError::NotOwner(format!("account {owner}"))));
        }
        let page = PageArguments::new(first, after)?;
        let ledger = ledger_at(context, as_of, known_at).await?;
        let after = page.after_number()?;
        let rows = service(context)?.list_orders(&owner, after, page.limit(), &ledger).await;
        page.page(rows, |order| order.id.to_string(), |order| Order::at(order, &ledger))
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
