//! The table of allowed edges between our crates (arrows go down only), held against `cargo metadata`.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// A crate, the crates it may use, and those that only its tests may use besides.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const ALLOWED: &[Row] = &[
    ("domain", &[], &[]),
    ("migrations", &[], &[]),
    ("store", &["domain"], &["migrations"]),
    ("checkpoint", &["domain"], &[]),
    ("evaluator", &["domain"], &[]),
    ("client", &["domain"], &[]),
    ("service", &["checkpoint", "domain", "evaluator", "store"], &["migrations"]),
    ("graphql", &["domain", "service"], &[]),
    (
        "server",
        &["checkpoint", "domain", "evaluator", "graphql", "migrations", "service", "store"],
        &[],
    ),
    ("cli", &["client", "domain", "server", "service"], &[]),
    // Its bin target calls the cli's main, so that cargo builds the program that the tests start.
    ("tests", &["cli"], &["client", "domain"]),
    (
        "benchmarks",
        &[
            "checkpoint",
            "cli",
            "client",
            "domain",
            "evaluator",
            "graphql",
            "migrations",
            "server",
            "service",
            "store",
        ],
        &[],
    ),
];

/// What `domain` may use from outside: arithmetic, hashing and the forms of data. No IO, no clock, no random numbers,
/// no async; a new line here is a decision, not a formality.
const DOMAIN_OUTSIDE: &[&str] = &[
    "blake3",
    "chrono",
    "chrono-tz",
    "ed25519-dalek",
    "hmac",
    "libm",
    "num-bigint",
    "num-rational",
    "num-traits",
    "ruint",
    "serde",
    "serde_json",
    "serde_json_canonicalizer",
    "sha2",
    "thiserror",
    "toml",
];

/// Says what is wrong with one edge between two of our crates, if anything is.
fn refusal(from: &str, to: &str, kind: DependencyKind) -> Option<String> {
    let Some((_, uses, tests_use)) = ALLOWED.iter().find(|(name, ..)| *name == from) else {
        return Some(format!("{from} is not in the table"));
    };
    let allowed = match kind {
        DependencyKind::Development => uses.contains(&to) || tests_use.contains(&to),
        _ => uses.contains(&to),
    };
    (!allowed).then(|| format!("{from} may not use {to} ({kind})"))
}

fn workspace() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap().packages
}

/// Proves that every edge between crates of the workspace stands in the table, and that the table names each crate.
#[test]
fn arrows_go_down_only() {
    let packages = workspace();
    let mut refusals = Vec::new();
    for package in &packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some())
        {
            refusals.extend(refusal(&package.name, &dependency.name, dependency.kind));
        }
    }
    assert!(
        refusals.is_empty(),
        "see the table in tests/tests/layering.rs:\n{}",
        refusals.join("\n")
    );

    let found: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(found, listed, "the table names exactly the crates of the workspace");
}

/// Proves that `domain` stays pure: it uses nothing that reads files, sockets, clocks or random numbers.
#[test]
fn domain_uses_nothing_that_waits_or_reads() {
    let packages = workspace();
    let domain = packages.iter().find(|package| package.name.as_str() == "domain").unwrap();
    let impure: Vec<&str> = domain
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !DOMAIN_OUTSIDE.contains(name))
        .collect();
    assert_eq!(impure, Vec::<&str>::new(), "not in DOMAIN_OUTSIDE");
}

/// Proves that the table refuses what it is there to refuse: upward, sideways, by the wrong kind, unknown.
#[test]
fn the_table_refuses_wrong_edges() {
    use DependencyKind::{Build, Development, Normal};
    for (from, to, kind, allowed) in [
        ("store", "domain", Normal, true),
        ("store", "migrations", Development, true),
        ("store", "migrations", Normal, false),
        ("store", "service", Development, false),
        ("domain", "store", Normal, false),
        ("domain", "store", Build, false),
        ("client", "service", Normal, false),
        ("graphql", "store", Normal, false),
        ("tests", "client", Development, true),
        ("tests", "client", Normal, false),
        ("newcomer", "domain", Normal, false),
    ] {
        assert_eq!(refusal(from, to, kind).is_none(), allowed, "{from} -> {to} ({kind})");
    }
}
