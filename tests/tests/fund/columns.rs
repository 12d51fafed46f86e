//! Tables as columnar files, read by a program that is not ours.

use std::{path::Path, process::Command};

use crate::{exits::Market, support::PROGRAM};

/// Reads a columnar file with pyarrow; prints schema and rows as our CSV has them. With three arguments, makes columnar prices of CSV.
const SCRIPT: &str = r#"
import csv, datetime, decimal, sys
import pyarrow as pa, pyarrow.parquet as pq
if len(sys.argv) == 4:
    rows = list(csv.DictReader(open(sys.argv[1])))
    dates = [datetime.date.fromisoformat(row['date']) for row in rows]
    text = sys.argv[3] == 'text'
    pq.write_table(pa.table({
        'model': pa.array([row['model'] for row in rows]),
        'price_micro': pa.array([int(row['price_micro']) for row in rows], pa.int64()),
        'date': pa.array([d.isoformat() for d in dates] if text else dates),
    }), sys.argv[2])
    sys.exit(0)
table = pq.read_table(sys.argv[1])
print(' '.join(f'{field.name}:{field.type}' for field in table.schema))
def text(value):
    if value is None: return ''
    if isinstance(value, bool): return 'true' if value else 'false'
    if isinstance(value, datetime.date): return str((value - datetime.date(1970, 1, 1)).days)
    if isinstance(value, decimal.Decimal): return format(value, 'f')
    return str(value)
writer = csv.writer(sys.stdout, lineterminator='\r\n')
writer.writerow(table.column_names)
for row in table.to_pylist(): writer.writerow([text(row[name]) for name in table.column_names])
"#;

fn has_pyarrow() -> bool {
    let Ok(python) = std::env::var("MODELFOLIO_PYTHON") else { return false };
    let ran = Command::new(python).args(["-c", "import pyarrow.parquet"]).output();
    ran.is_ok_and(|ran| ran.status.success())
}

/// What the script prints; nothing where Python or pyarrow is not there.
fn python(arguments: &[&str]) -> Option<String> {
    if !has_pyarrow() {
        return None;
    }
    let python = std::env::var("MODELFOLIO_PYTHON").ok()?;
    let ran = Command::new(python).args(["-c", SCRIPT]).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

fn program(arguments: &[&str]) -> Vec<u8> {
    let ran = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// Proves that every table of a fund is the same as CSV and as a columnar file, cell by cell, as an independent reader has it, with types
/// that carry every digit.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_the_same_in_columns() {
    if !has_pyarrow() {
        eprintln!("did not run: MODELFOLIO_PYTHON names no Python with pyarrow");
        return;
    }
    let market = Market::open().await;
    market.subscribe(&market.ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    market.redeem(&market.ann, "10.000000000").await;
    market.strike().await;
    market.rebalance().await;
    let folder = tempfile::tempdir().unwrap();
    let data = market.world.place.path().to_str().unwrap();
    for (what, types) in [
        (
            "nav",
            "strike:int64 day:date32[day] nav:decimal128(38, 15) ask:decimal128(38, 15) shares:decimal128(19, 9) nav_per_share:decimal128(19, 9) winding:bool",
        ),
        (
            "holdings",
            "strike:int64 day:date32[day] asset:string quantity:decimal128(19, 6) price:decimal128(19, 9) value:decimal128(38, 15)",
        ),
        (
            "prices",
            "entry:int64 model:string price:decimal128(19, 9) estimate:decimal128(19, 9) previous:decimal128(19, 9)",
        ),
        (
            "trades",
            "entry:int64 kind:string model:string counterparty:string strike:int64 units:decimal128(19, 6) price:decimal128(19, 9) cash:decimal128(19, 6)",
        ),
    ] {
        let arguments = ["export", what, "--fund", "F", "--data", data];
        let csv = String::from_utf8(program(&arguments)).unwrap();
        assert!(csv.lines().count() > 1, "{what}: {csv}");
        let path = folder.path().join(what);
        std::fs::write(&path, program(&[&arguments[..], &["--form", "parquet"]].concat())).unwrap();
        let read = python(&[path.to_str().unwrap()]).unwrap();
        let (schema, rows) = read.split_once('\n').unwrap();
        assert_eq!(schema, types, "{what}");
        assert_eq!(rows, csv, "{what}");
    }
    let ran = Command::new(PROGRAM)
        .args(["export", "beancount", "--form", "parquet", "--data", data])
        .output()
        .unwrap();
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(1), 0));
}

/// Proves that a backtest of columnar prices, written by another program, is that of the same prices as CSV, and that a broken file is
/// refused.
#[test]
fn a_backtest_over_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo/methodology.json");
    let mut prices = "date,model,price_micro\n".to_owned();
    for day in 1..=28 {
        for (place, model) in ["a", "b", "org/c-1"].iter().enumerate() {
            let price = 1_000_000 + (day * 7_919 * (place + 1)) % 500_000;
            prices += &format!("2026-02-{day:02},{model},{price}\n");
        }
    }
    std::fs::write(path("prices.csv"), &prices).unwrap();
    let run = |prices: &str| {
        let arguments = ["backtest", "--rebalance", "every-strike", "--json", "--methodology"];
        program(&[&arguments[..], &[rules.to_str().unwrap(), "--prices", prices]].concat())
    };
    let expected = run(&path("prices.csv"));
    let mut ran = false;
    for form in ["date", "text"] {
        let file = path(form);
        if python(&[&path("prices.csv"), &file, form]).is_some() {
            ran = true;
            assert_eq!(run(&file), expected, "{form}");
        }
    }
    if !ran {
        eprintln!("MODELFOLIO_PYTHON names no Python with pyarrow: only broken files were read");
    }
    std::fs::write(path("broken"), b"PAR1 and nothing PAR1").unwrap();
    let ran = Command::new(PROGRAM)
        .args(["backtest", "--methodology", rules.to_str().unwrap(), "--prices", &path("broken")])
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(1) && said.contains("no Parquet file"), "{said}");
}
