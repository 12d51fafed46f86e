//! What one person takes home: a balance at a strike, an order in a closed book; and every lie about them that we could think of.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod json_schema;
#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod strikes;
mod support;

use domain::{
    amount::{Cash, Ppb, Shares},
    canonical,
    digest::Digest,
    fund::{Account, Asset, Event, FundParams, Salt, State, apply},
    name::Name,
    proof::{
        BalanceError, BalanceEvidence, BalanceProof, BalanceRoot, Balances, Book, Bundle,
        LeafProof, LeafRecord, LogKey, OrderEvidence, Tree, verify_bundle,
    },
};
use json_schema::fault;
use serde_json::{Value, json};
use strikes::{Twist, World, key, name, seed};

/// The state that a bundle's journal leaves, after `more` events of another's making.
fn state(bundle: &Bundle, more: &[Event]) -> State {
    let mut state = State::new();
    for event in bundle.journal.iter().chain(more) {
        let batch = apply(&state, event).unwrap();
        state.commit(&batch);
    }
    state
}

fn person(who: &str) -> Account {
    Account::Person(name(who))
}

/// The leaf of strike `number` in the bundle's log.
fn strike_leaf(bundle: &Bundle, wanted: u64) -> LeafProof {
    let is_it = |proof: &&LeafProof| matches!(&proof.leaf, LeafRecord::Strike { number, .. } if *number == wanted);
    bundle.log.leaves.iter().find(is_it).unwrap().clone()
}

fn evidence_of(world: &World, number: usize, who: &str) -> BalanceEvidence {
    let bundle = world.bundle(number);
    let state = state(&bundle, &[]);
    let strike = number as u64;
    let balances = Balances::of(&state, (&name("main"), strike), &seed(strike)).unwrap();
    BalanceEvidence {
        balance_version: BalanceEvidence::VERSION,
        proof: balances.prove(&person(who)).unwrap(),
        root: balances.root(),
        leaf: strike_leaf(&bundle, strike),
        head: bundle.log.head,
    }
}

/// Proves that every share counts once: free ones and those in waiting orders with their owner, locked ones as their own, nobody twice,
/// and that all of them are the supply; that each holder's proof holds; and that whoever has none has no proof.
#[test]
fn every_share_counts_once() {
    let bundle = World::new(Twist::Sealed).bundle(2);
    let (state, fund) = (state(&bundle, &[]), name("main"));
    let share = Asset::Share(fund.clone());
    let balances = Balances::of(&state, (&fund, 2), &seed(2)).unwrap();
    let root = balances.root();
    let escrow = Account::EscrowRedemptions(fund.clone());
    assert_eq!(state.balance(&escrow, &share), 77, "an order came after the cut-off");
    let (mut all, mut holders) = (0, 0);
    for (owner, free) in state.accounts_of(&share).filter(|(owner, _)| !owner.may_be_negative()) {
        let Some(proof) = balances.prove(owner) else {
            assert_eq!(*owner, escrow);
            continue;
        };
        assert_eq!(proof.verify(&root), Ok(()), "{owner}");
        let ordered = if *owner == person("ALICE") { 77 } else { 0 };
        assert_eq!((proof.free.as_nano(), proof.ordered.as_nano()), (free, ordered));
        all += proof.free.as_nano() + proof.ordered.as_nano();
        holders += 1;
    }
    assert_eq!((root.shares.as_nano(), root.holders), (all, holders));
    assert_eq!(root.shares, state.fund(&fund).unwrap().shares(&state));
    for nobody in [person("EVE"), Account::Issue, escrow] {
        assert_eq!(balances.prove(&nobody), None);
    }
    assert_eq!(bundle.record.balances, Some(root));
    assert_eq!(verify_bundle(&bundle, None).unwrap().balances, Some(root));
}

/// Proves that a proof tells nothing of others but sums: no name, no salt and no whole balance of anybody else is in it, wherever they
/// stand, a leaf cannot be found by trying without its salt, and neither hashes nor places repeat from strike to strike.
#[test]
fn a_proof_tells_nothing_of_others() {
    let bundle = World::new(Twist::Honest).bundle(2);
    let give = |to: &str, amount| Event::Transfer {
        who: name("ALICE"),
        to: name(to),
        asset: Asset::Share(name("main")),
        amount,
    };
    let more: Vec<Event> =
        (0..40).map(|k| give(&format!("HOLDER-{k}"), 1_000_000 + k * 7_919)).collect();
    let (state, fund) = (state(&bundle, &more), name("main"));
    let share = Asset::Share(fund.clone());
    let strikes = [2, 3].map(|n| Balances::of(&state, (&fund, n), &seed(n)).unwrap());
    let guess = Balances::of(&state, (&fund, 2), &Salt::from_bytes([0; 32])).unwrap();
    let mut places = Vec::new();
    for (owner, _) in state.accounts_of(&share).filter(|(owner, _)| !owner.may_be_negative()) {
        let [proof, again, guess] =
            [&strikes[0], &strikes[1], &guess].map(|all| all.prove(owner).unwrap());
        let text = serde_json::to_string(&proof).unwrap();
        for (other, shares) in state.accounts_of(&share).filter(|(other, _)| *other != owner) {
            assert!(!text.contains(&format!("\"{other}\"")), "{text}");
            let shown = proof.parts.iter().flat_map(|part| &part.path);
            let is_shown = shown.clone().any(|node| node.shares.as_nano() == shares);
            assert!(!is_shown, "{owner} is shown all that {other} has");
            let salt = strikes[0].prove(other).map(|other| other.salt);
            assert_ne!(salt, Some(proof.salt));
        }
        let hashes = |proof: &BalanceProof| -> Vec<Digest> {
            proof.parts.iter().flat_map(|part| &part.path).map(|node| node.hash).collect()
        };
        let own = hashes(&proof);
        let others = [hashes(&again), hashes(&guess)].concat();
        assert!(own.iter().all(|hash| !others.contains(hash)), "a hash repeats");
        places.push([&proof, &again].map(|proof| proof.parts[0].index));
    }
    assert!(!places.is_sorted_by_key(|[first, _]| *first), "places follow the names");
    assert!(places.iter().any(|[first, second]| first != second), "places stay");
}

fn add(shares: &mut Shares, nano: i64) {
    *shares = Shares::from_nano(shares.as_nano() + nano);
}

/// What a liar is given to work with.
struct Lies {
    world: World,
    /// Signs whatever he wants.
    key: LogKey,
}

impl Lies {
    /// A head over one leaf of strike 2 that names `root`, which the operator signs.
    fn signed(&self, evidence: &mut BalanceEvidence, root: BalanceRoot) {
        let LeafRecord::Strike { balances, .. } = &mut evidence.leaf.leaf else { return };
        *balances = Some(canonical::digest_of(&root).unwrap());
        evidence.root = root;
        let mut tree = Tree::new();
        tree.append(evidence.leaf.leaf.hash().unwrap());
        (evidence.leaf.index, evidence.leaf.path) = (0, Vec::new());
        let head = &evidence.head;
        evidence.head = self.key.sign(&head.log, 1, tree.root(), head.at).unwrap();
    }

    /// The root over what is left when `more` happens that the journal does not have.
    fn root_after(&self, more: &[Event]) -> Balances {
        let state = state(&self.world.bundle(2), more);
        Balances::of(&state, (&name("main"), 2), &seed(2)).unwrap()
    }
}

type Lie = fn(&Lies, &mut BalanceEvidence);

/// Each lie by its name, what is said of it, and how it is told.
const LIES: &[(&str, &str, Lie)] = &[
    ("a holder's leaf is left out", "balance: parts[0]: leaf ", |lies, e| {
        let (who, to) = (name("ALICE"), name("BOB"));
        let amount = e.proof.free.as_nano();
        let asset = Asset::Share(name("main"));
        let all = lies.root_after(&[Event::Transfer { who, to, asset, amount }]);
        assert_eq!(all.prove(&person("ALICE")), None);
        lies.signed(e, all.root());
    }),
    ("a balance is counted twice: one part for both", "balance: parts: both at ", |_, e| {
        e.proof.parts[1] = e.proof.parts[0].clone();
    }),
    ("a balance is counted twice: a third part", "balance: parts: 3; ", |_, e| {
        let more = e.proof.parts[0].clone();
        e.proof.parts.push(more);
    }),
    ("a balance is changed by one nano-share", "balance: the parts add up to ", |_, e| {
        add(&mut e.proof.free, 1);
    }),
    ("its part is too", "balance: parts[0]: the path leads to root ", |_, e| {
        add(&mut e.proof.free, 1);
        add(&mut e.proof.parts[0].shares, 1);
    }),
    ("a nano-share moves between the parts", "balance: parts[0]: the path leads to ", |_, e| {
        add(&mut e.proof.parts[0].shares, 1);
        add(&mut e.proof.parts[1].shares, -1);
    }),
    ("free shares are said to be ordered", "balance: parts[0]: the path leads to root ", |_, e| {
        (e.proof.free, e.proof.ordered) = (e.proof.ordered, e.proof.free);
    }),
    ("a neighbour's part is made smaller", "balance: parts[0]: the path leads to root ", |_, e| {
        add(&mut e.proof.parts[0].path[0].shares, -1);
    }),
    ("what he lacks is added further up", "balance: parts[0]: the path leads to root ", |_, e| {
        add(&mut e.proof.parts[0].path[0].shares, -1);
        add(&mut e.proof.parts[0].path[1].shares, 1);
    }),
    ("a neighbour has less than nothing", "balance: parts[0]: step 0 of the path has -", |_, e| {
        e.proof.parts[0].path[0].shares = Shares::from_nano(-1);
    }),
    (
        "sums pass their range",
        "balance: parts[0]: the sum at step 0 of the path passes ",
        |_, e| {
            e.proof.parts[0].path[0].shares = Shares::from_nano(i64::MAX);
        },
    ),
    ("the owner has less than nothing", "balance: free_nano is -0.000000001 shares; ", |_, e| {
        e.proof.free = Shares::from_nano(-1);
    }),
    ("a part is below nothing", "balance: parts[0].shares_nano is -", |_, e| {
        let whole = e.proof.parts[0].shares.as_nano() + 1;
        add(&mut e.proof.parts[1].shares, whole);
        add(&mut e.proof.parts[0].shares, -whole);
    }),
    ("a path of another strike", "balance: parts[0]: the path leads to root ", |lies, e| {
        let other = evidence_of(&lies.world, 1, "ALICE").proof;
        for (part, other) in e.proof.parts.iter_mut().zip(other.parts) {
            (part.index, part.path) = (other.index, other.path);
        }
    }),
    ("all of another strike under one's own leaf", "leaf.number: the log says 2, ", |lies, e| {
        let other = evidence_of(&lies.world, 1, "ALICE");
        (e.proof, e.root) = (other.proof, other.root);
    }),
    ("its number is changed with it", "balance: parts[0]: the path leads to root ", |lies, e| {
        let other = evidence_of(&lies.world, 1, "ALICE");
        (e.proof, e.root) = (other.proof, other.root);
        e.proof.strike = 2;
    }),
    ("another fund", "balance: parts[0]: the path leads to root ", |_, e| {
        e.proof.fund = name("other");
    }),
    ("another owner's proof with one's name", "balance: parts[0]: the path leads ", |lies, e| {
        e.proof = evidence_of(&lies.world, 2, "BOB").proof;
        e.proof.owner = person("ALICE");
    }),
    ("a salt that was guessed", "balance: parts[0]: the path leads to root ", |_, e| {
        e.proof.salt = Salt::from_bytes([0; 32]);
    }),
    ("a path that is too short", "balance: parts[1]: a path of ", |_, e| {
        e.proof.parts[1].path.pop();
    }),
    ("a place that there is not", "balance: parts[1]: leaf 999 is not among ", |_, e| {
        e.proof.parts[1].index = 999;
    }),
    ("more shares than the parts", "balance: parts[0]: the path leads to root ", |_, e| {
        add(&mut e.root.shares, 1);
    }),
    ("a root that no leaf names", "leaf.balances: the log says sha256:", |lies, e| {
        let give = Event::Transfer {
            who: name("BOB"),
            to: name("CAROL"),
            asset: Asset::Share(name("main")),
            amount: 1,
        };
        let all = lies.root_after(&[give]);
        (e.proof, e.root) = (all.prove(&person("ALICE")).unwrap(), all.root());
    }),
    ("a leaf without a root", "leaf.balances: the log says none, ", |_, e| {
        let LeafRecord::Strike { balances, .. } = &mut e.leaf.leaf else { return };
        *balances = None;
    }),
    ("a leaf of another kind", "leaf.leaf: the log says publish, ", |lies, e| {
        let leaves = lies.world.bundle(2).log.leaves;
        let other = leaves.into_iter().find(|proof| proof.leaf.kind() == "publish");
        e.leaf = other.unwrap();
    }),
    ("another record in the leaf", "log: the path leads to root ", |_, e| {
        let LeafRecord::Strike { record, .. } = &mut e.leaf.leaf else { return };
        *record = Digest::of(b"another");
    }),
    ("a truncated log", "log: leaf ", |lies, e| e.head = lies.world.bundle(1).log.head),
    ("a forked log", "log: the path leads to root ", |_, e| {
        let head = &e.head;
        let root = Digest::of(b"another past");
        e.head = key().sign(&head.log, head.size, root, head.at).unwrap();
    }),
    ("a head of another log", "head: the head is signed by key ", |lies, e| {
        let (log, all) = (name("other"), lies.root_after(&[]));
        lies.signed(e, all.root());
        let head = &e.head;
        e.head = LogKey::from_secret(&[8; 32]).sign(&log, head.size, head.root, head.at).unwrap();
    }),
    ("a head that nobody signed", "head: the signature is not one of head ", |_, e| {
        e.head.at = e.head.at.plus_millis(1);
    }),
    ("another form", "balance_version: 2; this program reads version 1", |_, e| {
        e.balance_version = 2;
    }),
];

/// Proves that an honest balance verifies, and that each lie about it is refused and named: by the holder, who has his file alone.
#[test]
fn every_lie_about_a_balance_is_named() {
    let lies = Lies { world: World::new(Twist::Honest), key: key() };
    let trusted = key().public().unwrap();
    let honest = evidence_of(&lies.world, 2, "ALICE");
    assert_eq!(honest.verify(Some(&trusted)), Ok(()));
    let mut wrong = Vec::new();
    for (lie, wanted, tell) in LIES {
        let mut evidence = honest.clone();
        tell(&lies, &mut evidence);
        let found = evidence.verify(Some(&trusted));
        let found = found.map_or_else(|error| error.to_string(), |()| "verified".to_owned());
        if !found.starts_with(wanted) {
            wrong.push(format!("{lie}: {found}\n  wanted: {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Proves that what an operator signs of balances is refused by whoever has the journal: a holder left out, one counted twice and a
/// nano-share moved; whatever the seed.
#[test]
fn a_root_that_the_journal_denies_is_refused() {
    let honest = World::new(Twist::Honest).bundle(2);
    let give = |amount| Event::Transfer {
        who: name("ALICE"),
        to: name("BOB"),
        asset: Asset::Share(name("main")),
        amount,
    };
    let all = evidence_of(&World::new(Twist::Honest), 2, "ALICE").proof.free.as_nano();
    let root_after = |events: &[Event]| {
        let state = state(&honest, events);
        Balances::of(&state, (&name("main"), 2), &seed(2)).unwrap().root()
    };
    let mut twice = root_after(&[]);
    add(&mut twice.shares, all);
    for (root, field) in [
        (root_after(&[give(all)]), "record.balances.holders: "),
        (root_after(&[give(1)]), "record.balances.root: "),
        (twice, "record.balances.shares_nano: "),
    ] {
        let mut bundle = honest.clone();
        bundle.record.balances = Some(root);
        let error = verify_bundle(&bundle, None).unwrap_err().to_string();
        assert!(error.starts_with(field), "{field}: {error}");
    }
    let text = serde_json::to_value(&honest).unwrap();
    let mut without = text.clone();
    without.as_object_mut().unwrap().shift_remove("balance_seed");
    let bundle: Bundle = serde_json::from_value(without).unwrap();
    let error = verify_bundle(&bundle, None).unwrap_err().to_string();
    assert!(error.starts_with("balance_seed, which opens record.balances"), "{error}");
}

fn order_evidence() -> OrderEvidence {
    let bundle = World::new(Twist::Sealed).bundle(2);
    let salt = Salt::from_bytes([5; 32]);
    let book = Book::new(name("main"), 2, bundle.record.facts.orders.clone(), salt);
    let made = bundle.record.facts.commitment.unwrap();
    assert_eq!(Some(book.root()), made.book);
    assert_eq!(book.prove(bundle.record.facts.cut_off + 1), None, "it came after the cut-off");
    let leaf = bundle.log.leaves.iter().find(|proof| proof.leaf.kind() == "orders").unwrap();
    OrderEvidence {
        order_version: OrderEvidence::VERSION,
        proof: book.prove(bundle.record.facts.orders[1].sequence).unwrap(),
        leaf: leaf.clone(),
        head: bundle.log.head,
    }
}

type OrderLie = fn(&mut OrderEvidence);

const ORDER_LIES: &[(&str, &str, OrderLie)] = &[
    ("another amount", "order: the path leads to root ", |e| e.proof.order.amount += 1),
    ("another owner", "order: the path leads to root ", |e| e.proof.order.who = name("EVE")),
    ("an earlier place", "order: the path leads to root ", |e| e.proof.order.sequence -= 1),
    ("another salt", "order: the path leads to root ", |e| {
        e.proof.salt = Salt::from_bytes([5; 32]);
    }),
    ("another place in the book", "order: ", |e| e.proof.index += 1),
    ("another strike's book", "leaf.number: the log says 2, the proof 3", |e| e.proof.strike = 3),
    ("another fund's book", "leaf.fund: the log says main, ", |e| e.proof.fund = name("other")),
    ("another root", "order: the path leads to root ", |e| {
        let LeafRecord::Orders { root, .. } = &mut e.leaf.leaf else { return };
        *root = Digest::of(b"");
    }),
    ("another cut-off", "log: the path leads to root ", |e| {
        let LeafRecord::Orders { cut_off, .. } = &mut e.leaf.leaf else { return };
        *cut_off += 1;
    }),
    ("a head that nobody signed", "head: the signature is not ", |e| {
        e.head.at = e.head.at.plus_millis(1);
    }),
    ("another form", "order_version: 2; ", |e| e.order_version = 2),
];

/// Proves that the owner of an order of a closed book shows it by the log alone, and that each lie about it is refused and named.
#[test]
fn every_lie_about_an_order_is_named() {
    let (honest, trusted) = (order_evidence(), key().public().unwrap());
    assert_eq!(honest.verify(Some(&trusted)), Ok(()));
    for (lie, wanted, tell) in ORDER_LIES {
        let mut evidence = honest.clone();
        tell(&mut evidence);
        let error = evidence.verify(Some(&trusted)).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{lie}: {error}");
    }
}

/// Proves that both files are of the form that `schema/` says, property by property.
#[test]
fn schemas() {
    let balance = serde_json::to_value(evidence_of(&World::new(Twist::Honest), 2, "ALICE"));
    let order = serde_json::to_value(order_evidence());
    for (schema, value, places) in [
        (
            include_str!("../../../schema/balance.schema.json"),
            balance.unwrap(),
            &["", "/proof", "/proof/parts/0", "/proof/parts/0/path/0", "/root", "/head"][..],
        ),
        (
            include_str!("../../../schema/order.schema.json"),
            order.unwrap(),
            &["", "/proof", "/proof/order", "/leaf", "/leaf/leaf", "/head"][..],
        ),
    ] {
        let schema: Value = serde_json::from_str(schema).unwrap();
        assert_eq!(fault(&schema, &schema, &value), None);
        for place in places {
            for name in value.pointer(place).unwrap().as_object().unwrap().keys() {
                let mut lacking = value.clone();
                let object = lacking.pointer_mut(place).unwrap().as_object_mut().unwrap();
                object.shift_remove(name);
                assert!(fault(&schema, &schema, &lacking).is_some(), "{place}/{name}");
            }
            let mut more = value.clone();
            more.pointer_mut(place).unwrap()["more"] = json!(1);
            assert!(fault(&schema, &schema, &more).is_some(), "{place}");
        }
    }
}

/// A fund with so many holders.
fn crowd(holders: usize) -> (State, Name) {
    let (mut state, fund) = (State::new(), name("main"));
    let mut post = |event: Event| {
        let batch = apply(&state, &event).unwrap();
        state.commit(&batch);
    };
    let params = FundParams { management_fee: Ppb::ZERO, ..FundParams::default() };
    post(Event::CreateFund { fund: fund.clone(), params });
    let amount = Cash::from_micro(1_000_000_000_000);
    post(Event::Deposit { who: name("ALICE"), amount });
    post(Event::Seed { fund: fund.clone(), who: name("ALICE"), amount, day: None });
    for k in 0..holders as i64 {
        let (asset, to) = (Asset::Share(fund.clone()), name(&format!("HOLDER-{k}")));
        post(Event::Transfer { who: name("ALICE"), to, asset, amount: 1_000_000 + k });
    }
    (state, fund)
}

/// Proves that a holder's proof verifies among few and among many, and grows with the digits of their number, not with the number.
#[test]
fn a_proof_stays_small_among_many() {
    let sizes = [500, 8_000].map(|holders| {
        let (state, fund) = crowd(holders);
        let balances = Balances::of(&state, (&fund, 1), &seed(1)).unwrap();
        let proof = balances.prove(&person("HOLDER-77")).unwrap();
        assert_eq!(proof.verify(&balances.root()), Ok(()), "{holders} holders");
        serde_json::to_string(&proof).unwrap().len()
    });
    assert!(sizes[1] > sizes[0] && sizes[1] < 2 * sizes[0], "{sizes:?} bytes");
}

/// Proves that balances which do not add up to the supply have no root: the check does not rest on the tree.
#[test]
fn what_does_not_add_up_has_no_root() {
    let found = Balances::of(&State::new(), (&name("main"), 1), &seed(1));
    assert!(matches!(found, Err(BalanceError::Tree(_))), "nobody has anything");
}
