//! Every question that can be asked as of a moment, made of the schema itself: a field that somebody adds is asked here, or fails here.

use std::collections::{BTreeMap, BTreeSet};

use client::Client;
use serde_json::Value;

use crate::support::ask;

/// Arguments of what needs some, or says more with some. Lists take a few rows without standing here.
const ARGUMENTS: &[(&str, &str)] = &[
    ("Query.account", "owner: \"ann\""),
    ("Query.backtest", "input: { fund: \"F\" }"),
    ("Query.fund", "name: \"F\""),
    ("Query.order", "id: $order"),
    ("Query.orders", "owner: \"ann\", first: 12"),
    ("Account.balanceProof", "fund: \"F\", strike: 1"),
    ("Account.shares", "fund: \"F\""),
    ("Account.statement", "from: $from"),
    ("Account.units", "model: \"lab/net\""),
    ("Fund.attribution", "fromStrike: 0, toStrike: 2"),
    ("Fund.quoteCreate", "shares: \"1.000000000\""),
    ("Fund.quoteExit", "shares: \"1.000000007\""),
    ("FundCalendar.dealingDays", "from: \"2026-01-05\", to: \"2026-01-12\", first: 3"),
];

/// What tells the clock of whoever asks: about a moment it tells the moment, and live it tells now, which is not the same.
const OF_THE_CLOCK: &[(&str, &str)] = &[
    // How old a price is, in seconds.
    ("Disclosure", "oldestPriceAgeS"),
    // Where a statement without an end ends.
    ("Statement", "to"),
];

/// What is not answered as of a moment, with the reason for which it is refused. Nothing is.
const REFUSED: &[(&str, &str, &str)] = &[];

/// What can be asked as of a moment.
const ROOTS: [&str; 6] = ["account", "backtest", "fund", "funds", "order", "orders"];
/// Types about a fund, its owners and its orders: whoever reaches one of them reaches it as of a moment.
const ABOUT_FUNDS: [&str; 5] = ["Account", "Backtest", "Fund", "Order", "Strike"];
/// How deep the schema is walked.
const DEPTH_MAX: usize = 12;

/// A question of one field, with everything inside it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The document; its variables are `asOf`, `knownAt`, and those that it uses of `order` and `from`.
    pub(crate) text: String,
    /// Whether the answer about now is the same as that about the moment that it tells.
    pub(crate) live: bool,
    /// Whether anybody may ask it.
    pub(crate) open: bool,
}

/// The fields of every type.
struct Schema(BTreeMap<String, Vec<Field>>);

struct Field {
    name: String,
    of: String,
    arguments: Vec<Argument>,
}

struct Argument {
    name: String,
    description: String,
    required: bool,
}

impl Schema {
    async fn read(client: &Client) -> Self {
        let of =
            "type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
        let query = format!(
            "{{ __schema {{ types {{ kind name fields {{ name {of} args {{ name description {of} }} }} }} }} }}"
        );
        let told = ask(client, &query).await;
        let types = told["__schema"]["types"].as_array().unwrap().iter();
        let objects = types.filter(|known| known["kind"] == "OBJECT");
        let fields = |known: &Value| {
            let fields = known["fields"].as_array().unwrap().iter().map(Field::read);
            (text(&known["name"]), fields.collect())
        };
        Self(objects.map(fields).collect())
    }

    /// The types that are reached from one.
    fn reached(&self, from: &str) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(name) = open.pop() {
            if seen.insert(name.clone()) {
                let fields = self.0.get(&name).into_iter().flatten();
                open.extend(fields.map(|field| field.of.clone()));
            }
        }
        seen
    }

    /// A field with everything inside it but what is of the clock. A page has its rows once, as nodes.
    fn selection(&self, owner: &str, field: &Field, depth: usize) -> String {
        assert!(
            depth < DEPTH_MAX,
            "{owner}.{}: the schema is deeper than it is walked",
            field.name
        );
        let arguments = match arguments(owner, field, depth) {
            given if given.is_empty() => given,
            given => format!("({given})"),
        };
        let Some(fields) = self.0.get(&field.of) else {
            return format!("{}{arguments}", field.name);
        };
        if field.of.ends_with("Edge") {
            return format!("{} {{ cursor }}", field.name);
        }
        let inside = fields.iter().filter(|inner| !is_of_the_clock(&field.of, &inner.name));
        let inside: Vec<String> =
            inside.map(|inner| self.selection(&field.of, inner, depth + 1)).collect();
        format!("{}{arguments} {{ {} }}", field.name, inside.join(" "))
    }
}

impl Field {
    fn read(field: &Value) -> Self {
        let argument = |given: &Value| Argument {
            name: text(&given["name"]),
            description: given["description"].as_str().unwrap_or_default().to_owned(),
            required: given["type"]["kind"] == "NON_NULL",
        };
        Self {
            name: text(&field["name"]),
            of: named(&field["type"]),
            arguments: field["args"].as_array().unwrap().iter().map(argument).collect(),
        }
    }

    fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn named(of: &Value) -> String {
    if of["ofType"].is_null() { text(&of["name"]) } else { named(&of["ofType"]) }
}

fn is_of_the_clock(of: &str, field: &str) -> bool {
    OF_THE_CLOCK.contains(&(of, field))
}

fn arguments(owner: &str, field: &Field, depth: usize) -> String {
    let place = format!("{owner}.{}", field.name);
    let given = ARGUMENTS.iter().find(|(known, _)| *known == place).map(|(_, given)| *given);
    if given.is_none() {
        let needed = field.arguments.iter().find(|argument| argument.required);
        assert!(needed.is_none(), "{place} needs arguments: name them in ARGUMENTS");
    }
    let rows = || field.argument("first").map(|_| if depth < 2 { "first: 12" } else { "first: 3" });
    given.or_else(rows).unwrap_or_default().to_owned()
}

/// Every question, and what must hold of the schema so that these are all: whatever is about funds takes a moment, which is said in the
/// same words everywhere.
pub(crate) async fn all(client: &Client) -> Vec<Question> {
    let schema = Schema::read(client).await;
    let (mut found, mut questions) = (Vec::new(), Vec::new());
    let mut words = BTreeSet::new();
    for root in &schema.0["Query"] {
        let reached = schema.reached(&root.of);
        let about = ABOUT_FUNDS.iter().any(|of| reached.contains(*of));
        let takes = ["asOf", "knownAt"].map(|name| root.argument(name));
        assert_eq!(about, takes.iter().all(Option::is_some), "{}: a moment", root.name);
        if about {
            words.insert(takes.map(|argument| argument.unwrap().description.clone()));
            found.push(root.name.as_str());
            questions.extend(of_root(&schema, root));
        }
    }
    found.sort_unstable();
    assert_eq!(found, ROOTS);
    assert_eq!(words.len(), 1, "the moment is described in one way: {words:?}");
    assert!(REFUSED.iter().all(|(_, _, reason)| !reason.is_empty()));
    questions
}

/// One question for all fields of the root's type that are plain values, and one for each that is not.
fn of_root(schema: &Schema, root: &Field) -> Vec<Question> {
    let rows = schema.0[&root.of].iter().find(|field| field.name == "nodes");
    let of = rows.map_or(&root.of, |rows| &rows.of);
    let refused = |field: &Field| {
        REFUSED.iter().any(|(of_type, name, _)| (*of_type, *name) == (of.as_str(), &field.name))
    };
    let fields = schema.0[of].iter().filter(|field| !refused(field));
    let (wide, plain): (Vec<&Field>, Vec<&Field>) =
        fields.partition(|field| schema.0.contains_key(&field.of));
    let plain: Vec<String> = plain.iter().map(|field| schema.selection(of, field, 1)).collect();
    let mut insides = vec![(plain.join(" "), true)];
    // What one fund is asked, all are answered by the same functions.
    if root.name != "funds" {
        insides.extend(wide.iter().map(|field| (schema.selection(of, field, 1), true)));
        for field in wide {
            for inner in &schema.0[&field.of] {
                if is_of_the_clock(&field.of, &inner.name) {
                    let given = arguments(of, field, 1);
                    let given = if given.is_empty() { given } else { format!("({given})") };
                    insides.push((format!("{}{given} {{ {} }}", field.name, inner.name), false));
                }
            }
        }
    }
    let question = |(inside, live): (String, bool)| {
        let inside = match rows {
            Some(_) => {
                format!(
                    "nodes {{ {inside} }} pageInfo {{ hasNextPage endCursor }} edges {{ cursor }}"
                )
            }
            None => inside,
        };
        let given = match arguments("Query", root, 0) {
            given if given.is_empty() => given,
            given => format!("{given}, "),
        };
        let asked = format!("{}({given}asOf: $asOf, knownAt: $knownAt) {{ {inside} }}", root.name);
        let mut variables = "$asOf: Time, $knownAt: Time".to_owned();
        for (name, of) in [("$order", "ID!"), ("$from", "Time!")] {
            if asked.contains(name) {
                variables += &format!(", {name}: {of}");
            }
        }
        Question {
            text: format!("query({variables}) {{ {asked} }}"),
            live,
            open: matches!(root.name.as_str(), "fund" | "funds" | "backtest"),
        }
    };
    insides.into_iter().map(question).collect()
}
