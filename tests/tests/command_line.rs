//! The command line: exit codes and the sentences that come with them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{path::Path, process::Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_modelfolio-under-test");

/// Runs the program in an environment of its own; exit code, output, errors.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn demo(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo");
    folder.join(path).display().to_string()
}

/// A model folder of the demo's.
fn model_folder(graph: &str, checkpoint: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(demo(graph), folder.path().join("graph.onnx")).unwrap();
    std::fs::copy(demo(checkpoint), folder.path().join("model.safetensors")).unwrap();
    folder
}

/// Proves the four exit codes, each with a message that names what is wrong.
#[test]
fn exit_codes() {
    let cut = tempfile::NamedTempFile::new().unwrap();
    let whole = std::fs::read(demo("cnn/step-0010.safetensors")).unwrap();
    std::fs::write(cut.path(), &whole[..2000]).unwrap();
    let cut = cut.path().display().to_string();
    let misfit = model_folder("mlp/graph.onnx", "cnn/step-0010.safetensors");
    let misfit = misfit.path().display().to_string();
    let suite = demo("suite");
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--help"], 0, ""),
        (&["inspect", &demo("cnn/step-0010.safetensors")], 0, ""),
        (&["no-such-command"], 2, "no-such-command"),
        (&["evaluate"], 2, "--suite"),
        (&["inspect", &cut], 1, "conv2.weight"),
        (&["inspect", "/no/such/file"], 1, "/no/such/file"),
        (&["evaluate", &misfit, "--suite", &suite], 1, "fc1.weight"),
        (&["evaluate", "/no/such/folder", "--suite", &suite], 1, "/no/such/folder"),
        (&["evaluate", &misfit, "--suite", &suite, "--device", "cuda:0"], 3, "cuda:0"),
    ];
    for (arguments, code, words) in cases {
        let (found, _, said) = run(arguments, &[]);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?} said {said:?}");
    }
}

/// Proves that without ONNX Runtime and without a way to fetch it the exit code is 3, with the sentence that helps.
#[test]
fn without_onnx_runtime() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let model = model_folder("mlp/graph.onnx", "mlp/step-0010.safetensors");
    let model = model.path().display().to_string();
    let environment = [
        ("HOME", home.as_str()),
        ("XDG_CACHE_HOME", home.as_str()),
        ("PATH", home.as_str()),
        ("ORT_DYLIB_PATH", ""),
    ];
    for arguments in [
        &["evaluate", &model, "--suite", &demo("suite")][..],
        &["demo", "--once"],
        &["worker", "--data", &home],
    ] {
        let (code, _, said) = run(arguments, &environment);
        assert_eq!(code, Some(3), "{arguments:?}: {said}");
        assert!(
            said.contains("modelfolio runtime install") && said.contains("ORT_DYLIB_PATH"),
            "{arguments:?} said {said:?}"
        );
    }
}

/// Proves that a report comes on standard output alone, with the names that others read.
#[test]
fn evaluate_prints_one_report() {
    let model = model_folder("cnn/graph.onnx", "cnn/step-1600.safetensors");
    let model = model.path().display().to_string();
    let (code, printed, said) =
        run(&["evaluate", &model, "--suite", &demo("suite"), "--quick", "--json"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["model"]["correct"], 3514);
    assert_eq!(report["metrics"]["accuracy"]["n"], 4000);
    assert_eq!(report["protocol"]["name"], "quick");
    assert_eq!(report["runtime"]["onnxruntime"], "1.31.1");
    assert!(
        report["price_micro"].as_str().unwrap().parse::<u64>().unwrap() > 100_000_000,
        "{report}"
    );
    for name in [
        "expected",
        "quality_bits",
        "cost_index",
        "sigma_ln_price",
        "sigma_items",
        "sigma_cost",
        "no_price",
        "reference",
        "panel",
        "void_reasons",
    ] {
        assert!(report.get(name).is_some(), "the report lacks {name}");
    }
}

/// Proves that `verify` recomputes a report from its samples, with the suite's files too, and names the field that was changed.
#[test]
fn verify_recomputes_a_report() {
    let model = model_folder("mlp/graph.onnx", "mlp/step-1700.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (suite, samples, report) = (demo("suite"), at("samples.json"), at("report.json"));
    let path = model.path().display().to_string();
    let (code, printed, said) = run(
        &["evaluate", &path, "--suite", &suite, "--quick", "--json", "--samples", &samples],
        &[],
    );
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(&report, &printed).unwrap();
    let (code, said, errors) = run(&["verify", &report], &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(said.contains("price ") && said.contains("attested "), "{said}");
    let (code, said, errors) = run(&["verify", &report, "--suite", &suite, "--json"], &[]);
    assert_eq!(code, Some(0), "{errors}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&said["suite_checked"], &said["price_micro"]),
        (&true.into(), &changed["price_micro"])
    );

    let price = changed["price_micro"].as_str().unwrap().parse::<i64>().unwrap();
    changed["price_micro"] = (price + 1).to_string().into();
    std::fs::write(&report, changed.to_string()).unwrap();
    let (code, _, said) = run(&["verify", &report], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("price_micro: the report says \"{}\"", price + 1)), "{said}");
    changed["price_micro"] = price.to_string().into();
    let counts = changed["suite"]["label_counts"].as_array_mut().unwrap();
    counts.swap(0, 1);
    counts[2] = (counts[2].as_u64().unwrap() - 1).into();
    counts[3] = (counts[3].as_u64().unwrap() + 1).into();
    std::fs::write(&report, changed.to_string()).unwrap();
    let (code, _, said) = run(&["verify", &report, "--suite", &suite], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("suite.label_counts["), "only the cases tell: {said}");
    std::fs::write(&samples, "{}").unwrap();
    let (code, _, said) = run(&["verify", &report], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("the blob has digest"), "{said}");
    let alone = tempfile::tempdir().unwrap();
    let moved = alone.path().join("report.json");
    std::fs::rename(&report, &moved).unwrap();
    let (code, _, said) = run(&["verify", &moved.display().to_string()], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--samples"), "{said}");
}

/// Proves that a report against a weaker reference, which makes a model dear, follows from its samples and is none of this suite.
#[test]
fn verify_knows_the_reference_of_a_suite() {
    let model = model_folder("mlp/graph.onnx", "mlp/step-1700.safetensors");
    let weak = model_folder("mlp/graph.onnx", "mlp/step-0010.safetensors");
    let [model, weak] = [&model, &weak].map(|folder| folder.path().display().to_string());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (suite, samples, report) = (demo("suite"), at("samples.json"), at("report.json"));
    let mut arguments = vec!["evaluate", &model, "--suite", &suite, "--quick", "--json"];
    arguments.extend(["--reference", &weak, "--samples", &samples]);
    let (code, printed, said) = run(&arguments, &[]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(&report, &printed).unwrap();
    let (code, _, said) = run(&["verify", &report], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = run(&["verify", &report, "--suite", &suite], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("reference/model.safetensors: has digest"), "{said}");
}
