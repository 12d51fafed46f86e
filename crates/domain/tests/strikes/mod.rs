//! A small world with two models, two strikes and a log, made as an operator makes it, and the bundle of its second strike.

mod bundling;
mod change;
mod late;
mod measuring;
mod restating;
mod sealed;

use std::collections::BTreeMap;

use domain::{
    amount::{Cash, Ppb, PriceNano, Shares},
    canonical,
    digest::Digest,
    evaluation::{
        Breaker, EvaluatorKey, Evidence, Measurement, PriceDecision, PriceState, Report,
        ReportContext, RoundEvidence,
        acceptance::Vote,
        committee::{count, quorum_of},
        decide, decide_round, samples,
    },
    fund::{Event, Methodology, Salt, State, apply},
    name::Name,
    proof::{
        AcceptedPrice, BalanceRoot, Balances, Bundle, LeafProof, LeafRecord, LogEntry, LogEvidence,
        LogKey, OlderHead, PriceSource, PriceStep, ReportEvidence, RoundVote, RoundVotes,
        SignedHead, StrikeFacts, StrikeRecord, Tree, Watch,
    },
    time::{DAY_MS, Timestamp},
};

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

pub(crate) const ITEMS: usize = 1000;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn rules() -> Methodology {
    let text = include_str!("../../../cli/demo/methodology.json");
    let rules = Methodology::parse(text).unwrap();
    Methodology { levy_in_ppb: 5_000_000, performance_fee_ppb: 100_000_000, ..rules }
}

/// What the salts of a strike's balances follow from.
pub(crate) fn seed(number: u64) -> Salt {
    Salt::from_bytes([number as u8; 32])
}

pub(crate) fn key() -> LogKey {
    LogKey::from_secret(&[9; 32])
}

/// What an operator does that he should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    Honest,
    /// Marks a model a thousandth dearer than its reports say.
    Mark,
    /// Marks without an estimate, so that joiners pay less.
    Estimate,
    /// Takes an order when the prices are known.
    LateOrder,
    /// Rebalances to weights of his own.
    Weights,
    /// Charges another fee than the methodology says.
    Fee,
    /// Accepts a price that the report does not give.
    Accept,
    /// Lets one evaluator decide where the methodology wants two.
    Quorum,
    /// None: one of a round decided a case otherwise than the others.
    OtherCases,
    /// None: orders are taken back, and joiners are held back over the second strike and settled at a third.
    Waiting,
    /// None: a model may have no weight from the first rebalance on.
    Ineligible,
    /// None: a joiner is frozen before the second strike, and the fund is paused over the third.
    Restricted,
    /// Leaves a model out of the rebalance and does not say so.
    LeftOut,
    /// None: entries are corrected, the second strike is restated twice and who was harmed is paid, and a third strike follows.
    Restated,
    /// None: other rules are announced and in force after the first strike.
    Change,
    /// Puts them in force with a fee of his own.
    ChangeFee,
    /// Puts rules in force that he shows to nobody.
    ChangeUnknown,
    /// Tells nobody before.
    ChangeUntold,
    /// Tells it too late.
    ChangeEarly,
    /// Puts them in force before the day that he told.
    ChangeSoon,
    /// Tells it after the strike, as if it had been before.
    ChangeBackdated,
    /// Puts them in force in the middle between two strikes.
    ChangeBetween,
    /// Takes the announcement back, and puts them in force all the same.
    ChangeWithdrawn,
    /// Tells the log that other rules are in force.
    ChangeOther,
    /// Has two leaves of the second strike, for two records.
    TwoStrikes,
    /// Signs a root over balances, one of which is a nano-share more than the journal says.
    OtherBalance,
    /// Strikes at the price before, although a further report was decided on.
    Stale,
    /// Decides nothing on a second run of the listed version, which got so many items right.
    Undecided(usize),
    /// None: the prices of the second strike are bound before the cut-off and told after it.
    Sealed,
    /// None: they are bound and never told.
    Withheld,
    /// Signs that the closed book has an order less.
    OtherBook,
}

impl Twist {
    /// Whether nothing is wrong with what he does.
    fn is_honest(self) -> bool {
        matches!(
            self,
            Self::Honest
                | Self::Waiting
                | Self::Ineligible
                | Self::Restricted
                | Self::Restated
                | Self::Sealed
                | Self::Change
        )
    }

    /// Whether other rules are adopted.
    fn changes(self) -> bool {
        matches!(
            self,
            Self::Change
                | Self::ChangeFee
                | Self::ChangeUnknown
                | Self::ChangeUntold
                | Self::ChangeEarly
                | Self::ChangeSoon
                | Self::ChangeBackdated
                | Self::ChangeBetween
                | Self::ChangeWithdrawn
                | Self::ChangeOther
        )
    }
}

pub(crate) fn evidence(of: &ReportEvidence) -> Evidence<'_> {
    Evidence { report: &of.report, right: &of.right, influence: &of.influence }
}

/// Everything that happened.
pub(crate) struct World {
    pub(crate) twist: Twist,
    /// The rules in force.
    rules: Methodology,
    /// All that were, in order.
    versions: Vec<Methodology>,
    state: State,
    watch: Watch,
    tree: Tree,
    leaves: Vec<LeafRecord>,
    heads: Vec<SignedHead>,
    journal: Vec<Event>,
    reports: Vec<ReportEvidence>,
    prices: BTreeMap<Name, (PriceState, Vec<PriceStep>, PriceSource, i64)>,
    pub(crate) records: Vec<StrikeRecord>,
    book_head: Option<SignedHead>,
    announced: Option<Digest>,
    hour: i64,
}

impl World {
    /// Two strikes, each after a report on each model, with a rebalance between them and orders of both kinds.
    pub(crate) fn new(twist: Twist) -> Self {
        let (fund, mut rules) = (name("main"), rules());
        if twist == Twist::Quorum {
            rules.quorum = 2;
        }
        let mut world = Self {
            twist,
            state: State::new(),
            watch: Watch::new(fund.clone(), rules.clone()),
            versions: vec![rules.clone()],
            rules,
            tree: Tree::new(),
            leaves: Vec::new(),
            heads: Vec::new(),
            journal: Vec::new(),
            reports: Vec::new(),
            prices: BTreeMap::new(),
            records: Vec::new(),
            book_head: None,
            announced: None,
            hour: 0,
        };
        world.open(&fund);
        world.strike(&fund);
        world.first_batch(&fund);
        world.evaluate_round("m/a", 860, [3, 5, 7]);
        world.evaluate("m/b", 651, 4);
        let (bob, amount) = (name("BOB"), Cash::from_micro(77_000_001));
        world.post(Event::Subscribe { fund: fund.clone(), who: bob.clone(), amount });
        let shares = Shares::from_nano(123_456_789_012);
        world.post(Event::Redeem { fund: fund.clone(), who: name("ALICE"), shares });
        world.post(Event::Subscribe { fund: fund.clone(), who: bob, amount });
        match twist {
            Twist::Waiting => world.wait(&fund),
            Twist::Stale => {
                let before = world.prices[&name("m/b")].clone();
                world.evaluate("m/b", 655, 9);
                world.prices.insert(name("m/b"), before);
            }
            Twist::Undecided(right) => {
                world.list("m/b");
                world.measure_bytes(("m/b", "m/b 651"), right, 9);
            }
            _ => {}
        }
        if twist == Twist::Restricted {
            let (fund, who) = (fund.clone(), name("BOB"));
            world.post(Event::Freeze { fund, who, frozen: true });
        }
        world.second_strike(&fund);
        world
    }

    /// What comes between the first strike and its orders.
    fn first_batch(&mut self, fund: &Name) {
        if self.twist == Twist::Ineligible {
            let (fund, model) = (fund.clone(), name("m/b"));
            self.post(Event::SetEligible { fund, model, eligible: false });
        }
        if self.twist == Twist::ChangeBackdated {
            self.announce(fund);
        }
        if self.twist.changes() && self.twist != Twist::ChangeBetween {
            self.adopt(fund);
        }
        let mut weights = self.watched_weights();
        if self.twist == Twist::Weights {
            weights = [("m/a", 600_000_000), ("m/b", 400_000_000)]
                .map(|(model, ppb)| (name(model), Ppb::from_ppb(ppb)))
                .into();
        }
        self.post(Event::Rebalance {
            fund: fund.clone(),
            weights,
            cash: Ppb::from_ppb(self.rules.cash_ppb),
            spread: Ppb::from_ppb(self.rules.spread_ppb),
            counterparties: self.rules.counterparties.clone(),
            max_primary: self.rules.max_primary(),
        });
        if self.twist == Twist::ChangeBetween {
            self.adopt(fund);
        }
    }

    /// The second strike, and what some twists let follow.
    fn second_strike(&mut self, fund: &Name) {
        self.strike(fund);
        if self.twist == Twist::Restricted {
            self.pause(fund);
        }
        if self.twist == Twist::Waiting {
            self.post(Event::HoldSubscriptions { fund: fund.clone(), held: false });
            self.strike(fund);
        }
        if self.twist == Twist::Restated {
            self.correct_some();
            self.restate(fund, 1, (11, 10));
            self.restate(fund, 2, (12, 10));
            self.distribute(fund);
            self.strike(fund);
        }
    }

    /// Says in the log which version prices a model: the one that was measured last.
    fn list(&mut self, model: &str) {
        let measured = self.reports.last().unwrap().report.model.clone();
        let (at, alias, version) = (self.at(), name("listed"), name("v651"));
        let (checkpoint, graph) = (measured.digest, measured.graph);
        let model = name(model);
        self.log(LeafRecord::AliasMove { at, model, alias, version, checkpoint, graph });
    }

    /// What the next decision on a model starts from.
    pub(crate) fn price_state(&self, model: &str) -> &PriceState {
        &self.prices[&name(model)].0
    }

    /// The report that was recorded last.
    pub(crate) fn last_report(&self) -> &ReportEvidence {
        self.reports.last().unwrap()
    }

    /// Of the waiting orders the first joiner's is taken back, and a leaver's that comes; the rest of the joiners are held back.
    fn wait(&mut self, fund: &Name) {
        let (fund, shares) = (fund.clone(), Shares::from_nano(5_000));
        let (bob, alice) = (name("BOB"), name("ALICE"));
        self.post(Event::CancelSubscription { fund: fund.clone(), who: bob, place: 0 });
        self.post(Event::Redeem { fund: fund.clone(), who: alice.clone(), shares });
        self.post(Event::CancelRedemption { fund: fund.clone(), who: alice, place: 1 });
        self.post(Event::HoldSubscriptions { fund, held: true });
    }

    /// A strike in a pause, after the batch that trades nothing; a joiner waits.
    fn pause(&mut self, fund: &Name) {
        let (who, amount) = (name("ALICE"), Cash::from_micro(77_000_001));
        self.post(Event::Subscribe { fund: fund.clone(), who, amount });
        self.post(Event::Pause { fund: fund.clone(), paused: true });
        self.post(Event::Rebalance {
            fund: fund.clone(),
            weights: BTreeMap::new(),
            cash: Ppb::from_ppb(self.rules.cash_ppb),
            spread: Ppb::from_ppb(self.rules.spread_ppb),
            counterparties: Vec::new(),
            max_primary: None,
        });
        self.strike(fund);
    }

    fn open(&mut self, fund: &Name) {
        let mut params = self.rules.fund_params();
        if self.twist == Twist::Fee {
            params.management_fee = Ppb::from_ppb(20_000_000);
        }
        self.post(Event::CreateFund { fund: fund.clone(), params });
        let methodology = self.rules.digest().unwrap();
        let at = self.at();
        self.log(LeafRecord::Methodology {
            at,
            effective_day: None,
            fund: fund.clone(),
            methodology,
        });
        if self.twist.changes()
            && !matches!(self.twist, Twist::ChangeUntold | Twist::ChangeBackdated)
        {
            self.announce(fund);
        }
        for who in ["SPONSOR", "ALICE", "BOB", "PUB", "PUB2", "LP"] {
            self.post(Event::Deposit { who: name(who), amount: Cash::from_micro(9_000_000_000) });
        }
        self.evaluate("m/a", 800, 1);
        self.evaluate("m/b", 650, 2);
        for (model, publisher) in [("m/a", "PUB"), ("m/b", "PUB2")] {
            self.post(Event::Admit {
                fund: fund.clone(),
                model: name(model),
                publisher: name(publisher),
                price: self.price(&name(model)),
                bond: Cash::from_micro(100_000_000),
                contributors: Vec::new(),
            });
        }
        let amount = Cash::from_micro(1_000_000_000);
        self.post(Event::Seed { fund: fund.clone(), who: name("SPONSOR"), amount, day: Some(1) });
        let amount = Cash::from_micro(5_000_000_000);
        self.post(Event::Subscribe { fund: fund.clone(), who: name("ALICE"), amount });
    }

    /// What has been followed.
    pub(crate) const fn watch(&self) -> &Watch {
        &self.watch
    }

    fn at(&mut self) -> Timestamp {
        self.hour += 1;
        Timestamp::from_millis(self.hour * 3_600_000)
    }

    fn post(&mut self, event: Event) -> Option<StrikeFacts> {
        let batch = apply(&self.state, &event).unwrap();
        self.watch.before(&self.state, &event);
        self.state.commit(&batch);
        let facts = self.watch.after(&self.state, &event, &batch);
        self.journal.push(event);
        // A twisted operator does not care what the watch says, but needs its facts: he lets it watch again under what he did.
        facts.unwrap_or_else(|error| {
            assert!(!self.twist.is_honest(), "{error}");
            None
        })
    }

    fn log(&mut self, leaf: LeafRecord) -> Digest {
        let hash = leaf.hash().unwrap();
        self.tree.append(hash);
        self.leaves.push(leaf);
        hash
    }

    fn price(&self, model: &Name) -> PriceNano {
        PriceNano::from_micro(self.prices[model].0.price_micro).unwrap()
    }

    fn watched_weights(&self) -> BTreeMap<Name, Ppb> {
        let without_b = matches!(self.twist, Twist::Ineligible | Twist::LeftOut);
        let models = &[("m/a", "PUB"), ("m/b", "PUB2")][..if without_b { 1 } else { 2 }];
        let scored = models.iter().map(|(m, who)| (name(m), name(who), self.price(&name(m))));
        self.rules.target_weights(&scored.collect::<Vec<_>>()).unwrap()
    }

    fn strike(&mut self, fund: &Name) {
        let mut prices: BTreeMap<Name, PriceNano> =
            self.prices.keys().map(|model| (model.clone(), self.price(model))).collect();
        let nano = |micro| PriceNano::from_micro(micro).unwrap();
        let mut estimates: BTreeMap<Name, PriceNano> =
            self.prices.iter().map(|(model, (.., est))| (model.clone(), nano(*est))).collect();
        if self.twist == Twist::Mark {
            let price = prices.get_mut(&name("m/a")).unwrap();
            *price = PriceNano::from_nano(price.as_nano() / 1000 * 1001);
        }
        if self.twist == Twist::Estimate {
            estimates.clear();
        }
        if self.is_sealed(self.records.len() + 1) {
            self.seal(fund, prices, estimates);
        } else {
            self.post(Event::MarkSet { fund: fund.clone(), prices, estimates });
        }
        if self.twist == Twist::LateOrder && self.records.len() == 1 {
            let amount = Cash::from_micro(1_000_000_000);
            self.post(Event::Subscribe { fund: fund.clone(), who: name("ALICE"), amount });
        }
        let number = self.records.len() as u64 + 1;
        let day = number as i64 * 10;
        let facts = self.post(Event::Strike { fund: fund.clone(), day });
        // Where the watch refuses, an operator who goes on has nothing better than the facts of before.
        let sequence = self.journal.len() as u64;
        let facts = facts.unwrap_or_else(|| StrikeFacts {
            number,
            sequence,
            ..self.records[0].facts.clone()
        });
        let balances = Balances::of(&self.state, (fund, number), &seed(number)).unwrap();
        let record = StrikeRecord {
            record_version: StrikeRecord::VERSION,
            methodology: self.rules.digest().unwrap(),
            sources: match self.records.get(self.rests_on(number as usize) - 1) {
                Some(before) => before.sources.clone(),
                None => {
                    self.prices.iter().map(|(m, (.., source, _))| (m.clone(), *source)).collect()
                }
            },
            facts,
            balances: Some(self.twisted(balances.root())),
            previous: self.strike_leaf(number - 1).map(|index| self.leaves[index].hash().unwrap()),
        };
        let at = Timestamp::from_millis(day * DAY_MS);
        let digest = record.digest().unwrap();
        let balances = record.balances.map(|root| canonical::digest_of(&root).unwrap());
        let fund = fund.clone();
        self.log(LeafRecord::Strike { at, fund, number, record: digest, balances });
        if self.twist == Twist::TwoStrikes && number == 2 {
            let (fund, record) = (name("main"), Digest::of(b"another record"));
            self.log(LeafRecord::Strike { at, fund, number, record, balances });
        }
        self.records.push(record);
        self.heads.push(self.sign(at));
    }
}
