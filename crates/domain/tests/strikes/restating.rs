//! What an operator does about what was wrong, and what publishers receive.

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Ppb, PriceNano},
    fund::{
        Account, Asset, Event, divide_fees,
        restatement::{TOLERANCE_PPB, restate},
    },
    name::Name,
    proof::{MarkedPrice, PaidSoFar},
};

use super::{World, name};

impl World {
    /// Reverses the last event, which is this one.
    fn correct(&mut self, event: Event, claimed: Option<Cash>) {
        let corrects = self.journal.len() as u64;
        self.post(Event::Correct { corrects, event: Box::new(event), claimed });
    }

    /// A deposit, a transfer and a claim that should not have been.
    pub(super) fn correct_some(&mut self) {
        let (alice, bob) = (name("ALICE"), name("BOB"));
        let deposit = Event::Deposit { who: bob.clone(), amount: Cash::from_micro(5_000_000) };
        self.post(deposit.clone());
        self.correct(deposit, None);
        let transfer =
            Event::Transfer { who: alice.clone(), to: bob, asset: Asset::Cash, amount: 7 };
        self.post(transfer.clone());
        self.correct(transfer, None);
        let due = self.state.balance(&Account::Claim(alice.clone()), &Asset::Cash);
        let claim = Event::Claim { who: alice };
        self.post(claim.clone());
        self.correct(claim, Some(Cash::from_micro(due)));
    }

    /// The second strike was too high by some parts in some; who was harmed is paid what no earlier restatement paid.
    pub(super) fn restate(&mut self, fund: &Name, restatement: u64, (was, right): (i64, i64)) {
        let price = |(model, marked): (&Name, &MarkedPrice)| {
            (model.clone(), PriceNano::from_nano(marked.price.as_nano() / was * right))
        };
        let prices: BTreeMap<Name, PriceNano> =
            self.records[1].facts.prices.iter().map(price).collect();
        let threshold = Ppb::from_ppb(TOLERANCE_PPB);
        let known = self.watch.restated();
        let dealt = known.dealt(2).unwrap();
        assert_eq!(dealt.nav(), self.records[1].facts.nav);
        let found = restate(dealt, &prices, &BTreeMap::new(), threshold).unwrap();
        let PaidSoFar { owners, fund: fund_part } = known.paid(2).owed(&found).unwrap();
        assert_eq!(owners.keys().collect::<Vec<_>>(), [&name("BOB")]);
        assert!(fund_part > Cash::ZERO, "the performance fee was on too much");
        self.post(Event::Compensate {
            fund: fund.clone(),
            strike: 2,
            restatement,
            payer: name("SPONSOR"),
            owners,
            fund_part,
            prices,
            estimates: BTreeMap::new(),
            threshold,
        });
    }

    /// Publishers receive their part of the fees of all strikes so far; a copy earns a third.
    pub(super) fn distribute(&mut self, fund: &Name) {
        let state = self.state.fund(fund).unwrap();
        let (from, to) = (state.distributed() + 1, state.epoch());
        let shares = [("m/a", 1_000_000_000), ("m/b", 333_333_333)];
        let fee_shares = shares.map(|(model, ppb)| (name(model), Ppb::from_ppb(ppb))).into();
        let split = |model: &Name| self.state.model(model).unwrap().contributors();
        let spans = self.watch.restated().fee_spans(from, to);
        assert_eq!(spans.len() as u64, to);
        let pool = state.params().publisher_pool.clone();
        let parts = divide_fees(spans, &fee_shares, split, &pool).unwrap();
        self.post(Event::DistributeFees { fund: fund.clone(), from, to, fee_shares, parts });
    }
}
