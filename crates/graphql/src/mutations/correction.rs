//! Creation in kind, corrections of entries, restatements of strikes.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::{CorrectEntry, RestateNav};

use crate::{
    error::{api_error, invalid},
    scalars::{Credits, NameText, Price, ShareQuantity},
    scope::{caller, service},
    types::{account::Account, order::UnitsOfModel, restatement::Restatement},
};

/// Input of `inKindCreate`.
#[derive(InputObject)]
struct InKindCreateInput {
    /// The fund.
    fund: NameText,
    /// How many shares are to be made; `Fund.quoteCreate` tells what they cost.
    shares: ShareQuantity,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `inKindCreate`.
#[derive(SimpleObject)]
struct InKindCreatePayload {
    /// Credits given.
    cash: Credits,
    /// Units given.
    units: Vec<UnitsOfModel>,
    /// The bearer's balances after it.
    account: Account,
}

/// Input of `entryCorrect`.
#[derive(InputObject)]
struct EntryCorrectInput {
    /// The number of the event in the journal: a deposit, withdrawal, transfer or claim.
    event: ID,
    /// Why, in words; the audit log keeps them.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `entryCorrect`.
#[derive(SimpleObject)]
struct EntryCorrectPayload {
    /// The number of the event that reverses.
    event: ID,
}

/// What a model was worth at a strike.
#[derive(InputObject)]
struct RightPriceInput {
    /// The model, which the strike counted.
    model: NameText,
    /// The right price; what was marked where it is absent.
    price: Option<Price>,
    /// The right estimate; where it is absent beside a price, the price stands for it.
    estimate: Option<Price>,
}

/// Input of `navRestate`.
#[derive(InputObject)]
struct NavRestateInput {
    /// The fund.
    fund: NameText,
    /// The number of the strike.
    strike: i64,
    /// What was wrong; a model that is not named was right.
    prices: Vec<RightPriceInput>,
    /// The error of NAV or ask from which on somebody is compensated, in parts of 1e9: half a percent where it is absent.
    threshold_ppb: Option<i64>,
    /// Who pays what is owed: who opened the fund, or its manager.
    payer: Option<NameText>,
    /// Why, in words; everybody may read them.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `navRestate`.
#[derive(SimpleObject)]
struct NavRestatePayload {
    /// The restatement, which holds from now on.
    restatement: Restatement,
}

/// Creation in kind, corrections of entries, restatements of strikes.
#[derive(Default)]
pub(super) struct CorrectionMutation;

#[Object]
impl CorrectionMutation {
    /// Makes shares for the bearer at once, who brings the exact slice of cash and units that they stand for, every part rounded up. It
    /// needs no price and no strike; the minimum order does not apply. From a call of sealed bids to its batch it is refused (`auction`).
    /// Scope `invest`.
    async fn in_kind_create(
        &self,
        context: &Context<'_>,
        input: InKindCreateInput,
    ) -> Result<InKindCreatePayload> {
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        let given =
            service(context)?.create_in_kind(caller, key, &input.fund.0, input.shares.0).await;
        let given = given.map_err(api_error)?;
        Ok(InKindCreatePayload {
            cash: Credits(given.cash),
            units: UnitsOfModel::list(&given.units),
            account: Account::new(caller.owner.clone()),
        })
    }

    /// Reverses a deposit, withdrawal, transfer or claim that should not have been, by an event of its own; once, and only while what was
    /// given is there. Scope `operate`.
    async fn entry_correct(
        &self,
        context: &Context<'_>,
        input: EntryCorrectInput,
    ) -> Result<EntryCorrectPayload> {
        let event =
            input.event.parse().map_err(|_| invalid("event", "is no number of an event"))?;
        let wanted = CorrectEntry { event, reason: input.reason };
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        let done = service(context)?.correct_entry(caller, key, &wanted).await;
        Ok(EntryCorrectPayload { event: ID::from(done.map_err(api_error)?) })
    }

    /// Restates a strike at the right prices, beside what was published. Where the error reaches the threshold, the payer pays at once
    /// what joiners and the fund have lost, less what earlier restatements paid; leavers took a part of everything, at no price, and are
    /// owed nothing. Scope `operate`.
    async fn nav_restate(
        &self,
        context: &Context<'_>,
        input: NavRestateInput,
    ) -> Result<NavRestatePayload> {
        let (mut prices, mut estimates) = (Vec::new(), Vec::new());
        for right in input.prices {
            let model = right.model.0;
            prices.extend(right.price.map(|price| (model.clone(), price.0)));
            estimates.extend(right.estimate.map(|estimate| (model, estimate.0)));
        }
        let (priced, estimated) = (prices.len(), estimates.len());
        let wanted = RestateNav {
            fund: input.fund.0,
            strike: input.strike,
            prices: prices.into_iter().collect(),
            estimates: estimates.into_iter().collect(),
            threshold_ppb: input.threshold_ppb,
            payer: input.payer.map(|name| name.0),
            reason: input.reason,
        };
        if (priced, estimated) != (wanted.prices.len(), wanted.estimates.len()) {
            return Err(invalid("prices", "names a model twice"));
        }
        let (caller, key) = (caller(context)?, &input.idempotency_key);
        let service = service(context)?;
        let number = service.restate_nav(caller, key, &wanted).await.map_err(api_error)?;
        let restated = service.get_restatement(&wanted.fund, wanted.strike, number).await;
        Ok(NavRestatePayload { restatement: Restatement(restated.map_err(api_error)?) })
    }
}
