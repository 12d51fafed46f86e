//! Our habits as a test: each rule names the line that breaks it and what to do instead.

use std::{path::Path, process::Command};

/// Files longer than this are two files.
const LINES_MAX: usize = 500;

/// Made by a program or taken from elsewhere; their makers' habits are not ours.
const NOT_OURS: &[&str] = &[
    "Cargo.lock",
    "LICENSE-APACHE",
    "crates/server/assets/playground/LICENSES.txt",
    "crates/server/assets/playground/graphiql.css",
    "crates/server/assets/playground/graphiql.js",
    "ops/playground/package-lock.json",
    "schema/schema.graphql",
];

/// Endings of the files that people write; a program in `ops/` or `.ci/` has none.
const WRITTEN: &[&str] = &[
    "css", "graphql", "html", "js", "json", "md", "mjs", "py", "rs", "sh", "sql", "toml", "yaml",
    "yml",
];
/// Of these, the ones that the limit of lines is for.
const PROGRAMS: &[&str] = &["", "css", "html", "js", "mjs", "py", "rs", "sh"];

/// Texts that stand in no file of ours, each with the reason. Split, so that this file passes its own test.
const BANNED: &[(&[&str], &str)] = &[
    (&["py", "pi.org"], "names a package registry's host; use the package's name"),
    (&["python", "hosted.org"], "names a package registry's host; use the package's name"),
    (&["npm", "js.org"], "names a package registry's host; use the package's name"),
    (&["npm", "js.com"], "names a package registry's host; use the package's name"),
    (&["crates", ".io/api"], "names a package registry's host; use the package's name"),
    (&["static.", "crates.io"], "names a package registry's host; use the package's name"),
    (&["index.", "crates.io"], "names a package registry's host; use the package's name"),
];

/// Words that mean "not done"; what is not done belongs in an issue.
const UNFINISHED: &[&[&str]] = &[&["TO", "DO"], &["FIX", "ME"], &["XX", "X"]];

/// Folders of one machine; nobody else has them.
const MACHINE_FOLDERS: &[&[&str]] =
    &[&["/wo", "rk/"], &["/ro", "ot/"], &["/ho", "me/"], &["/Us", "ers/"], &["/fa", "rm/"]];

/// Rust texts that are not allowed, each with what to write instead.
const BANNED_RUST: &[(&[&str], &str)] = &[
    (&["#[al", "low("], "use #[expect(lint, reason = \"…\")]"),
    (&["#![al", "low("], "use #![expect(lint, reason = \"…\")]"),
    (&["to", "do!("], "finish it or open an issue"),
    (&["un", "implemented!("], "finish it or open an issue"),
];

/// Whether `word` stands in `line` with nothing of a word right before it (and, if `whole`, right after it).
fn has_word(line: &str, word: &str, whole: bool) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '}' | ')');
        let before = line[..at].chars().next_back().is_some_and(joins);
        let after = whole
            && line[at + word.len()..]
                .chars()
                .next()
                .is_some_and(|c| c.is_alphanumeric() || c == '_');
        !before && !after
    })
}

fn line_problem(line: &str, is_rust: bool) -> Option<String> {
    let holds = |parts: &[&str]| line.contains(&parts.concat());
    let banned = BANNED.iter().chain(BANNED_RUST.iter().filter(|_| is_rust));
    for (parts, reason) in banned {
        if holds(parts) {
            return Some(format!("`{}`: {reason}", parts.concat()));
        }
    }
    if let Some(parts) = UNFINISHED.iter().find(|parts| has_word(line, &parts.concat(), true)) {
        return Some(format!("`{}`: finish it or open an issue", parts.concat()));
    }
    let folder = MACHINE_FOLDERS.iter().find(|parts| has_word(line, &parts.concat(), false))?;
    Some(format!("`{}`: a folder of one machine", folder.concat()))
}

/// A Rust file opens with its purpose, and each test with what it proves.
fn rust_problems(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut problems = Vec::new();
    if !lines.first().is_some_and(|line| line.starts_with("//!") || line.starts_with("#![doc")) {
        problems.push((1, "open the file with `//!` and its purpose".to_owned()));
    }
    for (at, _) in
        lines.iter().enumerate().filter(|(_, line)| matches!(**line, "#[test]" | "#[tokio::test]"))
    {
        let is_made_by_macro = lines[at..]
            .iter()
            .find(|line| line.contains("fn "))
            .is_some_and(|l| l.contains("fn $"));
        let above = lines[..at].iter().rev().find(|line| !line.starts_with("#["));
        if !is_made_by_macro && !above.is_some_and(|line| line.starts_with("///")) {
            problems.push((at + 1, "say above the test what it proves".to_owned()));
        }
    }
    problems
}

fn file_problems(path: &str, text: &str) -> Vec<String> {
    let ending =
        Path::new(path).extension().map_or("", |ending| ending.to_str().unwrap_or_default());
    let mut problems: Vec<(usize, String)> = Vec::new();
    let count = text.lines().count();
    if PROGRAMS.contains(&ending) && count >= LINES_MAX {
        problems.push((count, format!("has {count} lines; fewer than {LINES_MAX}")));
    }
    if ending == "rs" {
        problems.extend(rust_problems(text));
    }
    for (number, line) in text.lines().enumerate() {
        problems.extend(line_problem(line, ending == "rs").map(|problem| (number + 1, problem)));
    }
    problems.into_iter().map(|(line, problem)| format!("{path}:{line}: {problem}")).collect()
}

fn is_written(path: &str) -> bool {
    let in_ops = path.starts_with("ops/") || path.starts_with(".ci/");
    let file = Path::new(path);
    !NOT_OURS.contains(&path)
        && file.extension().map_or(in_ops, |ending| WRITTEN.iter().any(|known| ending == *known))
}

/// Proves that every file that git tracks, or would track, keeps the rules above.
#[test]
fn every_file_keeps_our_habits() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git is needed to list the files");
    assert!(listing.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listing.stderr));
    let listed = String::from_utf8(listing.stdout).unwrap();

    let mut problems = Vec::new();
    let mut looked_at = 0;
    for path in listed.split('\0').filter(|path| is_written(path)) {
        // A file that is deleted but not yet committed so is still listed.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        looked_at += 1;
        match std::str::from_utf8(&bytes) {
            Ok(text) => problems.extend(file_problems(path, text)),
            Err(_) => problems.push(format!("{path}: is not UTF-8")),
        }
    }
    assert!(looked_at > 20, "only {looked_at} files were found to look at");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Proves that each rule catches its exhibit, and lets pass what only looks like one.
#[test]
fn each_rule_catches_its_exhibit() {
    let opened = |line: &str| format!("//! An exhibit.\n{line}\n");
    for (parts, caught) in [
        (&["#[al", "low(dead_code)]"][..], true),
        (&["    to", "do!()"], true),
        (&["// TO", "DO: later"], true),
        (&["// see the TO", "DOS list"], false),
        (&["let path = \"/ro", "ot/.cache\";"], true),
        (&["let path = \"{base}/ro", "ot/.cache\";"], false),
        (&["// from https://py", "pi.org/simple"], true),
        (&["#[test]\nfn says_nothing() {}"], true),
        (&["/// Proves something.\n#[test]\nfn says_it() {}"], false),
    ] {
        let problems = file_problems("exhibit.rs", &opened(&parts.concat()));
        assert_eq!(!problems.is_empty(), caught, "{}: {problems:?}", parts.concat());
    }
    assert!(!file_problems("exhibit.rs", "fn unopened() {}\n").is_empty(), "no purpose");
    assert!(!file_problems("exhibit.css", &"\n".repeat(LINES_MAX)).is_empty(), "too long");
    assert!(file_problems("exhibit.json", &"\n".repeat(LINES_MAX)).is_empty(), "data may be long");
}
