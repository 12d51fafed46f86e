//! One life of a ledger: requests are served, checked and compared, one after another.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use super::{
    action::{Action, Fault},
    cast::{Cast, PERSONS, SHARE, person},
    checks::{
        Progressed, Seen, Standing, Violation, books, broken, check_event, check_forks, ensure,
        is_heavy, reveal::Sequence,
    },
    compare::{compare_all, compare_answer, compare_nav, compare_touched},
    journal::{Journal, Process, Reply},
    model::Model,
    mutation::Mutation,
};
use crate::{
    amount::{Ppb, Shares},
    digest::Digest,
    fund::{Batch, Event, Kind, Outcome, Rejection, State, apply},
};

/// Every code that a refusal may have (FUND 1.6), those of a ledger of several funds whose rules change, and those of the two-sided
/// strike.
const CODES: &[&str] = &[
    "amount",
    "owner",
    "model",
    "asset",
    "split",
    "weights",
    "clock",
    "exists",
    "delisted",
    "unseeded",
    "seeded",
    "winding",
    "nothing",
    "funds",
    "limit",
    "key",
    "fund",
    "frozen",
    "not_allowed",
    "paused",
    "corrected",
    "irreversible",
    "fixed",
    "commitment",
    "closed",
    "held",
    "window",
    "auction",
];

/// Keys of the requests of the end; no client counts so far.
const LAST_KEYS: u64 = 1 << 63;

/// How a life is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) mutation: Option<Mutation>,
    /// Whether the model runs beside; without it the numbered invariants stand alone.
    pub(super) compare: bool,
    /// The whole state is checked after so many events.
    pub(super) full_every: u64,
    /// One strike in so many is dealt again in other orders.
    pub(super) forks: u64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) refused: u64,
    pub(super) strikes: u64,
    pub(super) slices: u64,
    pub(super) filled: u64,
    pub(super) kills: u64,
    pub(super) replays: u64,
    pub(super) duplicates: u64,
    pub(super) append_refusals: u64,
    pub(super) checks: u64,
    pub(super) forks: u64,
    pub(super) left_in_kind: u64,
    pub(super) at_bound: u64,
    pub(super) entries: BTreeMap<Kind, u64>,
    pub(super) codes: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.refused += other.refused;
        self.strikes += other.strikes;
        self.slices += other.slices;
        self.filled += other.filled;
        self.kills += other.kills;
        self.replays += other.replays;
        self.duplicates += other.duplicates;
        self.append_refusals += other.append_refusals;
        self.checks += other.checks;
        self.forks += other.forks;
        self.left_in_kind += other.left_in_kind;
        for (kind, count) in &other.entries {
            *self.entries.entry(*kind).or_default() += count;
        }
        for (code, count) in &other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }
}

/// What a key was used for.
struct Known {
    event: Event,
    record: usize,
}

/// A ledger with everything that looks at it.
pub(super) struct Life {
    pub(super) model: Model,
    pub(super) counts: Counts,
    cast: Rc<Cast>,
    settings: Settings,
    process: Process,
    journal: Journal,
    known: BTreeMap<u64, Known>,
    brought: i128,
    sequence: Sequence,
    /// The record of each strike, and the chain after it.
    strikes: Vec<(usize, Digest)>,
    cells: Vec<usize>,
}

impl Life {
    pub(super) fn new(settings: Settings) -> Self {
        let cast = Rc::new(Cast::new());
        Self {
            model: Model::new(cast.clone()),
            counts: Counts::default(),
            cast,
            settings,
            process: Process::new(),
            journal: Journal::new(),
            known: BTreeMap::new(),
            brought: 0,
            sequence: Sequence::default(),
            strikes: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// Serves one request and checks all that it may and may not have done. Answers whether the caller heard an answer.
    pub(super) fn serve(&mut self, action: &Action) -> Result<bool, Violation> {
        let (events, chain) = (self.process.state.events(), self.process.state.chain());
        let known =
            self.known.get(&action.key).map(|known| (known.event == action.event, known.record));
        let (progressed, standing) = match self.process.state.fund(&self.cast.fund) {
            Some(fund) if known.is_none() => {
                let heavy = is_heavy(&action.event);
                let standing = || Standing::of(&self.process.state, fund, &self.cast);
                (Some(Progressed::of(fund)), heavy.then(standing))
            }
            _ => (None, None),
        };
        self.fork(action, known.is_some())?;
        let appended = self.journal.records.len();
        let reply = self.answer(action)?;
        if let Fault::AppendRefused(times) = action.fault {
            self.counts.append_refusals += u64::from(times);
        }
        if let Some((same, record)) = known {
            return self.check_again(action, &reply, (same, record), (appended, chain));
        }
        self.counts.events += 1;
        match &reply {
            Reply::Refused(rejection) => {
                let state = &self.process.state;
                let unchanged = state.events() == events && state.chain() == chain;
                let unchanged = unchanged && self.journal.records.len() == appended;
                ensure(21, unchanged, || format!("a refusal left a trace: {rejection}"))?;
                self.check_refusal(action, rejection)?;
            }
            Reply::Done(index) => {
                ensure(22, *index == appended, || "an answer of another request".to_owned())?;
                self.check_done(action, *index, (progressed, standing))?;
            }
            Reply::Silent if action.fault == Fault::ReplyLost => {
                self.check_done(action, appended, (progressed, standing))?;
            }
            Reply::Silent => {
                self.restart(action, appended)?;
                if self.journal.records.len() > appended {
                    self.check_done(action, appended, (progressed, standing))?;
                }
            }
        }
        if self.counts.events.is_multiple_of(self.settings.full_every) {
            self.check_whole()?;
        }
        Ok(!matches!(reply, Reply::Silent))
    }

    /// Asks the process; a panic of the engine is a failure like any other, with its seed and its trace.
    fn answer(&mut self, action: &Action) -> Result<Reply, Violation> {
        let (process, journal) = (&mut self.process, &mut self.journal);
        let mutation = self.settings.mutation;
        // After a panic nothing of this life is used any more.
        let serve = AssertUnwindSafe(|| process.serve(action, journal, mutation));
        catch_unwind(serve).map_err(|_| broken(21, format!("the engine panicked at {action}")))
    }

    /// Now and then, a strike is dealt in other orders first, on copies.
    fn fork(&mut self, action: &Action, again: bool) -> Result<(), Violation> {
        let strike = matches!(action.event, Event::Strike { .. });
        if again || !strike || !action.key.is_multiple_of(self.settings.forks) {
            return Ok(());
        }
        self.counts.forks += 1;
        check_forks(&self.process.state, &action.event, &self.cast, action.key)
    }

    /// A key that was used: the same answer for the same body, `key` for another, and no effect.
    fn check_again(
        &mut self,
        action: &Action,
        reply: &Reply,
        (same, record): (bool, usize),
        (appended, chain): (usize, Digest),
    ) -> Result<bool, Violation> {
        self.counts.duplicates += 1;
        let quiet = self.journal.records.len() == appended && self.process.state.chain() == chain;
        let right = match reply {
            Reply::Done(index) => same && *index == record,
            Reply::Refused(rejection) => {
                *self.counts.codes.entry("key").or_default() += 1;
                !same && rejection.code() == "key"
            }
            Reply::Silent => false,
        };
        ensure(22, right && quiet, || format!("key {} again: {reply:?}", action.key))?;
        Ok(true)
    }

    fn check_refusal(&mut self, action: &Action, rejection: &Rejection) -> Result<(), Violation> {
        self.counts.refused += 1;
        let code = rejection.code();
        *self.counts.codes.entry(code).or_default() += 1;
        ensure(21, CODES.contains(&code), || format!("{rejection}"))?;
        if !self.settings.compare {
            return Ok(());
        }
        let told = self.model.run(&action.event);
        compare_answer(&self.cast, Err(code), &told)
    }

    fn check_done(
        &mut self,
        action: &Action,
        index: usize,
        (progressed, standing): (Option<Progressed>, Option<Standing>),
    ) -> Result<(), Violation> {
        let (event, record) = (action.event.clone(), index);
        self.known.insert(action.key, Known { event, record });
        self.brought += brought(&action.event);
        let batch = &self.journal.records[index].batch;
        for entry in &batch.entries {
            *self.counts.entries.entry(entry.kind).or_default() += 1;
        }
        let state = &self.process.state;
        if let Outcome::Strike(strike) = &batch.outcome {
            self.counts.strikes += 1;
            self.counts.slices += strike.slices.len() as u64;
            self.counts.filled +=
                strike.fills.iter().filter(|f| f.shares > Shares::ZERO).count() as u64;
            self.strikes.push((index, state.chain()));
        }
        let struck = match &batch.outcome {
            Outcome::Strike(strike) => Some(strike),
            _ => None,
        };
        self.sequence.follow(&action.event, struck, state.fund(&self.cast.fund))?;
        let heavy = standing.is_some();
        let (cast, brought) = (&*self.cast, self.brought);
        let event = &action.event;
        check_event(&Seen { cast, event, batch, after: state, progressed, standing, brought })?;
        if !self.settings.compare {
            // The generator reads the model; without comparison it follows as far as it agrees.
            let _ = self.model.run(&action.event);
            return Ok(());
        }
        let told = self.model.run(&action.event);
        compare_answer(&self.cast, Ok(batch), &told)?;
        compare_touched(&self.model, state, batch, &mut self.cells)?;
        match state.fund(&self.cast.fund) {
            Some(fund) if heavy => {
                let now = Standing::of(state, fund, &self.cast);
                compare_nav(&self.model, now.nav, now.shares)
            }
            _ => Ok(()),
        }
    }

    /// The process died: a new one starts on the journal and stands before or after the batch, never between.
    fn restart(&mut self, action: &Action, appended: usize) -> Result<(), Violation> {
        self.counts.kills += 1;
        self.counts.replays += 1;
        let started = Process::start(&mut self.journal, self.settings.mutation);
        let mut dead = std::mem::replace(&mut self.process, started);
        let kept = self.journal.records.len() > appended;
        if kept {
            let batch = self.computed(&dead.state, action)?;
            dead.state.commit(&batch);
        }
        let new = &self.process.state;
        ensure(23, new.chain() == dead.state.chain(), || {
            format!(
                "after a kill the chain is neither that before nor that after key {}",
                action.key
            )
        })?;
        ensure(20, *new == dead.state, || "the journal leads to another state".to_owned())
    }

    /// The batch that the dead process had computed.
    fn computed(&self, state: &State, action: &Action) -> Result<Batch, Violation> {
        let mut batch = apply(state, &action.event).map_err(|rejection| {
            broken(23, format!("what was journalled is refused: {rejection}"))
        })?;
        if let Some(mutation) = self.settings.mutation {
            mutation.spoil(&mut batch);
        }
        Ok(batch)
    }

    fn check_whole(&mut self) -> Result<(), Violation> {
        self.counts.checks += 1;
        books::check_all(&self.process.state, &self.cast)?;
        if self.settings.compare { compare_all(&self.model, &self.process.state) } else { Ok(()) }
    }

    // The end.

    /// What the end asks for: a last strike and three batches, so that no order and no leaver waits.
    fn closing(&self) -> Vec<Event> {
        let fund = self.cast.fund.clone();
        let Some(state) = self.process.state.fund(&fund) else { return Vec::new() };
        if state.hwm().is_none() {
            return Vec::new();
        }
        let batch = Event::Rebalance {
            fund: fund.clone(),
            weights: BTreeMap::new(),
            cash: Ppb::ZERO,
            spread: Ppb::ZERO,
            counterparties: Vec::new(),
            max_primary: None,
        };
        let mut events = Vec::new();
        if state.holds_subscriptions() {
            // Doubt ends some day: then joiners are settled like everybody.
            events.push(Event::HoldSubscriptions { fund: fund.clone(), held: false });
        }
        // Leavers wait for bids that are being opened, and no longer.
        let day = state.opening_until().unwrap_or(0).max(state.day());
        let strike = Event::Strike { fund: fund.clone(), day };
        // Whatever kept an order from its strike ends some day too.
        for place in state.held_orders() {
            let order = state.pending_subscriptions().get(place as usize);
            let who = order.map_or_else(|| self.cast.persons[0].clone(), |order| order.0.clone());
            let (fund, day) = (fund.clone(), state.day());
            events.push(Event::HoldOrder { fund, who, place, held: false, day });
        }
        if state.closed_book().is_some() {
            // Who came after the cut-off is settled by the strike after it.
            events.push(strike.clone());
        }
        events.push(strike.clone());
        // Where bids are called, a batch that trades nothing counts after each strike.
        let bids_wait = state.auction().call().is_some();
        for number in 0..3 {
            events.extend((bids_wait && number > 0).then(|| strike.clone()));
            events.push(batch.clone());
        }
        if state.restrictions().is_paused() {
            // Leavers got their units in the pause all the same; joiners wait until it ends. Everybody leaves in another one.
            events.push(Event::Pause { fund: fund.clone(), paused: false });
            events.extend([strike, Event::Pause { fund, paused: true }]);
        }
        events
    }

    /// Everybody with shares, who is to leave in kind.
    fn leaving(&self) -> Vec<Event> {
        let (fund, share) = (&self.cast.fund, &self.cast.assets[SHARE]);
        let Some(state) = self.process.state.fund(fund) else { return Vec::new() };
        let day = state.day();
        let held = |p: usize| self.process.state.balance(&self.cast.accounts[person(p)], share);
        let persons = (0..PERSONS).filter(|p| held(*p) > 0);
        let leave = |p: usize| Event::InKind {
            fund: fund.clone(),
            who: self.cast.persons[p].clone(),
            shares: Shares::from_nano(held(p)),
            day,
            skip: Vec::new(),
        };
        persons.map(leave).collect()
    }

    /// A request of the end, which nothing may refuse.
    fn serve_last(&mut self, event: Event, key: u64) -> Result<(), Violation> {
        let action = &Action { key, event, fault: Fault::None };
        let refused = self.counts.refused;
        self.serve(action)?;
        let in_kind = matches!(action.event, Event::InKind { .. });
        let number = if in_kind { 38 } else { 15 };
        self.counts.left_in_kind += u64::from(in_kind);
        let served = self.counts.refused == refused;
        ensure(number, served, || format!("{action} is refused"))
    }

    /// The last strike, three batches, everybody leaves; then nothing waits, and the journal leads to this very state,
    /// from the text of its batches where `text` says so.
    pub(super) fn end(&mut self, text: bool) -> Result<Digest, Violation> {
        let mut key = LAST_KEYS;
        for step in [Self::closing, Self::leaving] {
            for event in step(self) {
                self.serve_last(event, key)?;
                key += 1;
            }
        }
        self.check_whole()?;
        self.counts.replays += 1;
        if let Some(fund) = self.process.state.fund(&self.cast.fund) {
            let orders = fund.pending_redemptions().len() + fund.pending_subscriptions().len();
            let waiting = fund.pools().len() + orders;
            ensure(15, waiting == 0, || format!("{waiting} orders and pools wait"))?;
            let all = fund.shares(&self.process.state).as_nano();
            let waiting = fund.pending_redemptions().iter().chain(fund.window().requests());
            let queued = waiting.map(|order| order.1.as_nano());
            let kept = super::checks::locked(&self.process.state, &self.cast) + queued.sum::<i64>();
            ensure(38, all == kept, || format!("{all} shares are left, {kept} of them kept"))?;
        }
        if text {
            self.replay_text()?;
        }
        let rebuilt = self.journal.catch_up();
        ensure(20, *rebuilt == self.process.state, || {
            "the journal leads to another state".to_owned()
        })?;
        Ok(digest_of(rebuilt))
    }

    /// Reads every batch back from its JSON and rebuilds the ledger from nothing.
    fn replay_text(&mut self) -> Result<(), Violation> {
        let mut state = State::new();
        let mut strikes = self.strikes.iter().peekable();
        for (index, record) in self.journal.records.iter().enumerate() {
            let text = serde_json::to_string(&record.batch).unwrap_or_default();
            let batch: Batch = serde_json::from_str(&text)
                .map_err(|e| broken(20, format!("batch {index}: {e}")))?;
            state.commit(&batch);
            if let Some((_, chain)) = strikes.next_if(|strike| strike.0 == index) {
                ensure(24, state.chain() == *chain, || {
                    format!("the chain after record {index} is not that of its strike")
                })?;
            }
        }
        self.counts.replays += 1;
        ensure(20, state == self.process.state, || "text leads to another state".to_owned())
    }
}

/// What an event brings from outside by its own words.
fn brought(event: &Event) -> i128 {
    match event {
        Event::Deposit { amount, .. } | Event::Royalty { amount, .. } => {
            i128::from(amount.as_micro())
        }
        Event::Withdraw { amount, .. } => -i128::from(amount.as_micro()),
        Event::Correct { event, .. } => -brought(event),
        _ => 0,
    }
}

/// SHA-256 over the chain and every balance in order.
fn digest_of(state: &State) -> Digest {
    let mut text = state.chain().hex();
    for (account, asset, balance) in state.balances() {
        text.push_str(&format!("\n{account} {asset} {balance}"));
    }
    Digest::of(text.as_bytes())
}
