//! Funds and their parties: deposits, admission, seed, subscription orders.

use domain::{
    amount::{Cash, PriceNano},
    digest::Digest,
    fund::{Event, FundState, Methodology},
    name::Name,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{Connection, FundRow, OrderSide, fund, model_access, price_decision, registered_model};

use crate::contributors::ledger_split;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    cut_offs::close_if_due,
    dealing::{check_own_dealing, end_known_windows},
    holds::hold_insiders,
    ledger::LedgerUnit,
    likeness::ineligible_model,
    log::NewLeaf,
    methodologies::{InForce, in_force},
    methodology_gate,
    orders::record_order,
    prices::micro_to_nano,
    suspension::unknown_version,
    token::{Caller, Scope},
};

/// A fund with the rules that are in force.
#[derive(Clone, Debug)]
pub struct Fund {
    /// Its name.
    pub name: Name,
    /// The rules in force.
    pub methodology: Methodology,
    /// Digest of these rules.
    pub methodology_digest: Digest,
    /// The same rules as they were given.
    pub methodology_text: String,
    /// Which of the fund's rules they are; 1 those of its creation.
    pub methodology_version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Fund {
    pub(crate) async fn read<C: Connection>(
        connection: &C,
        row: FundRow,
    ) -> Result<Self, ServiceError> {
        let rules = in_force(connection, &row).await?;
        Self::under(row, rules)
    }

    /// A fund with some of its rules.
    pub(crate) fn under(row: FundRow, rules: InForce) -> Result<Self, ServiceError> {
        Ok(Self {
            name: row.name.parse().map_err(ServiceError::internal)?,
            methodology: Methodology::parse(&rules.text).map_err(ServiceError::internal)?,
            methodology_digest: rules.digest.parse().map_err(ServiceError::internal)?,
            methodology_text: rules.text,
            methodology_version: rules.version,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }

    /// The fund of a name as `connection` sees it: a command that needs its rules reads them under the ledger's lock.
    pub(crate) async fn find_in<C: Connection>(
        connection: &C,
        name: &Name,
    ) -> Result<Self, ServiceError> {
        let row = fund::find(connection, name.as_str()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("fund", name.as_str()))?;
        Self::read(connection, row).await
    }
}

/// Begins a ledger command: the cache first, then the database, always in this order. A repetition answers at once.
macro_rules! ledger_command {
    ($service:expr, $caller:expr, $scope:expr, $key:expr, $operation:literal, $input:expr) => {{
        let guard = $service.ledger.lock().await;
        let request = Request {
            caller: $caller,
            scope: $scope,
            key: $key,
            operation: $operation,
            input: $input,
        };
        match $service.begin(&request).await? {
            Begun::Replayed(reply) => return Ok(reply),
            Begun::Fresh(unit) => $service.lock_ledger(guard, unit).await?,
        }
    }};
}
pub(crate) use ledger_command;

#[derive(Serialize)]
struct CreateFund<'a> {
    name: &'a Name,
    methodology: &'a str,
}

#[derive(Serialize)]
struct CashDeposit<'a> {
    owner: &'a Name,
    amount: Cash,
}

/// Admission of a model to a fund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmitModel {
    /// The fund.
    pub fund: Name,
    /// The model; its accepted price is the first mark.
    pub model: Name,
    /// What its publisher posts.
    pub bond: Cash,
}

#[derive(Serialize)]
struct FundMoney<'a> {
    fund: &'a Name,
    owner: &'a Name,
    amount: Cash,
}

impl Service {
    /// Creates a fund under a methodology (JSON text).
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the parameter that is wrong, [`ServiceError::Drainable`] for rules that an attack earns under,
    /// [`ServiceError::Exists`].
    pub async fn create_fund(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        methodology: &str,
    ) -> Result<String, ServiceError> {
        // The attacks cost a processor some tenths of a second: not for whoever asks.
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        let rules = methodology_gate::read(methodology).await?;
        let input = CreateFund { name, methodology };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fund_create", &input);
        if fund::find(&ledger.unit.transaction, name.as_str()).await?.is_some() {
            return Err(ServiceError::Exists { kind: "fund", name: name.to_string() });
        }
        let digest = rules.digest().map_err(ServiceError::internal)?;
        let row = FundRow {
            name: name.to_string(),
            methodology: methodology.to_owned(),
            methodology_digest: digest.hex(),
            created_by: ledger.unit.owner().to_owned(),
            created_at: ledger.unit.now(),
        };
        // Before the event: whoever follows the fund reads its rules with the event that creates it.
        fund::insert(&ledger.unit.transaction, row).await?;
        ledger.post(&Event::CreateFund { fund: name.clone(), params: rules.fund_params() }).await?;
        ledger.unit.append_leaf(NewLeaf::methodology(name, digest, caller.now)).await?;
        ledger.finish(name.as_str(), name.to_string()).await
    }

    /// Credits an owner with settlement credits from outside.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code.
    pub async fn deposit_cash(
        &self,
        caller: &Caller,
        key: &str,
        owner: &Name,
        amount: Cash,
    ) -> Result<String, ServiceError> {
        let input = CashDeposit { owner, amount };
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "cash_deposit", &input);
        ledger.post(&Event::Deposit { who: owner.clone(), amount }).await?;
        ledger.finish(owner.as_str(), owner.to_string()).await
    }

    /// Admits a model to a fund at its accepted price; its units are issued with it.
    ///
    /// # Errors
    /// [`ServiceError::Unpriced`] without an accepted price or at price 0, [`ServiceError::NotEligible`] for what is like another
    /// publisher's until a person has looked, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn admit_model(
        &self,
        caller: &Caller,
        key: &str,
        input: &AdmitModel,
    ) -> Result<String, ServiceError> {
        let model = self.get_readable_model(&caller.into(), &input.model).await?;
        self.get_fund(&input.fund).await?;
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "model_admit", input);
        // Read under the ledger's lock, which a change of visibility takes too.
        if model_access::is_private(&ledger.unit.transaction, &model.id).await? {
            return Err(ServiceError::invalid(
                "model",
                format!("{} is private; a fund holds what everybody can read", model.name),
            ));
        }
        if let Some(reason) = ineligible_model(&ledger.unit.transaction, &model.id).await? {
            return Err(ServiceError::NotEligible { model: model.name.to_string(), reason });
        }
        let accepted = price_decision::latest_accepted(&ledger.unit.transaction, &model.id).await?;
        let micro = accepted.and_then(|row| row.price_micro).filter(|micro| *micro > 0);
        let price = micro_to_nano(micro.ok_or_else(|| ServiceError::Unpriced {
            model: model.name.to_string(),
            reason: "it was not evaluated, or with quality 0",
        })?)?;
        // The first admission fixes the split for ever; later ones take it from the ledger.
        let split = match ledger.state.model(&model.name) {
            Some(_) => Vec::new(),
            None => ledger_split(&ledger.unit.transaction, &model.id).await?,
        };
        let event = Event::Admit {
            fund: input.fund.clone(),
            model: model.name.clone(),
            publisher: model.publisher.clone(),
            price,
            bond: input.bond,
            contributors: split,
        };
        let (event_seq, _) = ledger.post(&event).await?;
        let admitted = std::slice::from_ref(&input.model);
        end_known_windows(&ledger, &input.fund, admitted, event_seq).await?;
        hold_insiders(&mut ledger, &input.model, Some(&input.fund)).await?;
        ledger.unit = ledger.unit.about(&model);
        ledger.finish(&format!("{}/{}", input.fund, input.model), input.fund.to_string()).await
    }

    /// Opens a fund with its first money, at par.
    ///
    /// # Errors
    /// [`ServiceError::Rejected`] with the ledger's code.
    pub async fn seed_fund(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        owner: &Name,
        amount: Cash,
    ) -> Result<String, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundMoney { fund, owner, amount };
        let mut ledger = ledger_command!(self, caller, &[Scope::Operate], key, "fund_seed", &input);
        let day = Some(caller.now.day());
        ledger.post(&Event::Seed { fund: fund.clone(), who: owner.clone(), amount, day }).await?;
        ledger.finish(fund.as_str(), fund.to_string()).await
    }

    /// Places a subscription order of the caller's; the next strike settles it. The order's id is its number in the journal.
    ///
    /// # Errors
    /// [`ServiceError::OwnDealing`] for one who may know of a version before the mark does, [`ServiceError::Suspended`] while a version of one of its models is published and not evaluated,
    /// [`ServiceError::Invalid`] below the minimum order, [`ServiceError::Rejected`] with the ledger's code.
    pub async fn place_subscription(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        amount: Cash,
    ) -> Result<i64, ServiceError> {
        self.get_fund(fund).await?;
        let input = FundMoney { fund, owner: &caller.owner, amount };
        let mut ledger = ledger_command!(
            self,
            caller,
            &[Scope::Invest],
            key,
            "subscription_order_place",
            &input
        );
        let rules = Fund::find_in(&ledger.unit.transaction, fund).await?.methodology;
        let minimum = Cash::from_micro(rules.minimum_order_micro);
        if amount < minimum {
            let reason = format!("{amount} is below the minimum order of {minimum}");
            return Err(ServiceError::invalid("amount", reason));
        }
        check_own_dealing(&ledger, fund, &caller.owner).await?;
        if let Some(reason) = unknown_version(&ledger, fund).await? {
            return Err(ServiceError::Suspended { fund: fund.to_string(), reason });
        }
        close_if_due(&mut ledger, fund).await?;
        let event = Event::Subscribe { fund: fund.clone(), who: caller.owner.clone(), amount };
        let (order, _) = ledger.post(&event).await?;
        let transaction = &ledger.unit.transaction;
        record_order(transaction, order, fund, OrderSide::Subscription, &caller.owner).await?;
        ledger.finish(fund.as_str(), order).await
    }

    /// The fund of this name.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_fund(&self, name: &Name) -> Result<Fund, ServiceError> {
        Fund::find_in(&self.store, name).await
    }

    /// Funds by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_funds(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Fund>, ServiceError> {
        let mut funds = Vec::new();
        for row in fund::list(&self.store, after, limit).await? {
            funds.push(Fund::read(&self.store, row).await?);
        }
        Ok(funds)
    }
}

/// Accepted price and estimate of a model, as the ledger counts them.
pub(crate) struct ModelMark {
    pub(crate) model: Name,
    pub(crate) model_id: String,
    pub(crate) publisher: Name,
    pub(crate) price: PriceNano,
    pub(crate) estimate: Option<PriceNano>,
}

/// The models that a fund has admitted and that are not delisted, ascending.
pub(crate) fn live_models(ledger: &LedgerUnit<'_>, fund: &FundState) -> Vec<Name> {
    fund.prices().keys().filter(|model| !ledger.state.is_delisted(model)).cloned().collect()
}

/// The accepted prices of a fund's models, read inside the command's transaction.
pub(crate) async fn accepted_marks(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<Vec<ModelMark>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else {
        return Err(ServiceError::absent("fund", fund.as_str()));
    };
    let mut marks = Vec::new();
    for name in live_models(ledger, state) {
        let transaction = &ledger.unit.transaction;
        let row = registered_model::find_by_name(transaction, name.as_str()).await?;
        let row = row.ok_or_else(|| {
            ServiceError::internal(format!("model {name} is admitted but not registered"))
        })?;
        let accepted = price_decision::latest_accepted(transaction, &row.id).await?;
        let latest = price_decision::latest(transaction, &row.id).await?;
        let nano = |micro: Option<i64>| micro.map(micro_to_nano).transpose();
        let price = nano(accepted.and_then(|d| d.price_micro))?;
        marks.push(ModelMark {
            price: price.ok_or_else(|| {
                ServiceError::internal(format!("model {name} is admitted without a price"))
            })?,
            estimate: nano(latest.and_then(|d| d.est_micro))?,
            publisher: row.publisher.parse().map_err(ServiceError::internal)?,
            model: name,
            model_id: row.id,
        });
    }
    Ok(marks)
}
