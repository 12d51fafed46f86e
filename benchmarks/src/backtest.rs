//! A backtest of the live engine beside bt and vectorbt: the same prices, the same rule, runs in turn, each in a process of its own.
//!
//! The aim: 500 models over 2,520 days with monthly capped rebalances, integer-exact, in at most 25 ms (FUND 6.5).
//! `MODELFOLIO_PYTHON` names an interpreter with `bt` and `vectorbt`; without it `python3` is asked.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use domain::{
    amount::Cash,
    backtest::{self, History, Schedule, Settings},
    fund::Methodology,
    name::Name,
    time::{DAY_MS, Date, Timestamp},
};
use serde_json::{Value, json};

use crate::{Error, record};

/// First argument of our own side, which is a child as the peers are.
pub(crate) const CHILD: &str = "__backtest";
/// Models and days: growth with the one at the largest of the other.
const SIZES: [(usize, usize); 5] =
    [(500, 2_520), (200, 2_520), (50, 2_520), (500, 1_260), (500, 630)];
const SIDES: [&str; 4] = ["level", "nav", "bt", "vectorbt"];
const ROUNDS: usize = 7;
const LIMIT_MS: f64 = 25.0;
/// With how much every portfolio begins, in credits.
const CAPITAL: &str = "1000000000";

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let mut versions = BTreeMap::new();
    for (models, days) in SIZES {
        let path = folder.path().join(format!("{models}x{days}"));
        let bytes: Vec<u8> = prices(models, days).iter().flat_map(|p| p.to_le_bytes()).collect();
        fs::write(&path, bytes)?;
        let sides = SIDES.map(|side| Side::open(side, models, days, &path));
        let mut sides = sides.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut paths = BTreeMap::new();
        for round in 0..ROUNDS {
            for side in &mut sides {
                let mut row = side.ask(if round == 0 { "path" } else { "run" })?;
                if let Some(path) = row.as_object_mut().and_then(|row| row.remove("path")) {
                    paths.insert(side.name, path);
                }
                for (key, value) in
                    [("side", json!(side.name)), ("models", json!(models)), ("days", json!(days))]
                {
                    row[key] = value;
                }
                row["round"] = json!(round);
                row["ready_bytes"] = side.ready["ready_bytes"].clone();
                eprintln!("{row}");
                rows.push(row);
            }
        }
        for side in &sides {
            for (module, version) in side.ready["versions"].as_object().into_iter().flatten() {
                versions.insert(module.clone(), version.as_str().unwrap_or_default().to_owned());
            }
        }
        let gap = |side| json!(furthest(&paths["nav"], &paths[side]));
        rows.push(json!({
            "models": models, "days": days,
            "gap": { "level": gap("level"), "bt": gap("bt"), "vectorbt": gap("vectorbt") },
        }));
    }
    let machine = evaluator::machine(load);
    let summary = summarise(&rows);
    let peers: String = versions.iter().map(|(m, v)| format!("{m} {v}\n")).collect();
    record::write_beside("backtest", &peers, &machine, &json!({ "rows": rows }), &summary)
}

/// The largest relative distance of two paths that both begin at 1.
fn furthest(left: &Value, right: &Value) -> f64 {
    let list = |v: &Value| -> Vec<f64> {
        v.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let (left, right) = (list(left), list(right));
    if left.is_empty() || left.len() != right.len() {
        return f64::NAN;
    }
    left.iter().zip(&right).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max)
}

/// One process that waits for commands.
struct Side {
    name: &'static str,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    ready: Value,
}

impl Side {
    fn open(name: &'static str, models: usize, days: usize, prices: &Path) -> Result<Self, Error> {
        let is_ours = matches!(name, "level" | "nav");
        let python = std::env::var("MODELFOLIO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut command = if is_ours {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(CHILD);
            command
        } else {
            let mut command = Command::new(python);
            command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/backtest_peer.py"));
            command
        };
        let mut child = command
            .args([name, &models.to_string(), &days.to_string()])
            .arg(prices)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (commands, answers) = pipes.ok_or_else(|| Error::Child("no pipes".to_owned()))?;
        let answers = BufReader::new(answers);
        let mut side = Self { name, child, commands, answers, ready: Value::Null };
        side.ready = side.answer()?;
        Ok(side)
    }

    fn ask(&mut self, command: &str) -> Result<Value, Error> {
        writeln!(self.commands, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| {
            Error::Child(format!(
                "{}: {error}; the peers need bt and vectorbt (MODELFOLIO_PYTHON)",
                self.name
            ))
        })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our own side: reads the prices, then runs once a line.
pub(crate) fn child(side: &str, models: &str, days: &str, path: &str) -> Result<(), Error> {
    let number = |text: &str| text.parse().map_err(|_| Error::Child(format!("{text}: no number")));
    let (models, days): (usize, usize) = (number(models)?, number(days)?);
    let history = read(models, days, path)?;
    let methodology = methodology(models)?;
    let capital: Option<Cash> = CAPITAL.parse().ok().filter(|_| side == "nav");
    let publishers = BTreeMap::new();
    let settings = Settings {
        methodology: &methodology,
        publishers: &publishers,
        schedule: Schedule::Monthly,
        capital,
    };
    println!("{}", json!({ "versions": {}, "ready_bytes": resident_bytes() }));
    for line in std::io::stdin().lock().lines() {
        let start = evaluator::timing::now();
        let done = backtest::run(&history, &settings);
        let spent = start.elapsed();
        let done = done.map_err(|error| Error::Child(error.to_string()))?;
        let mut answer = json!({
            "ns": u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX),
            "peak_bytes": evaluator::peak_bytes(),
            "rebalances": done.rebalances.len(),
        });
        if line? == "path" {
            let value = |day: &backtest::Day| match day.nav {
                Some(nav) => nav.as_femto().map(|femto| femto as f64),
                None => day.level.map(|level| level.as_nano() as f64),
            };
            let values: Vec<f64> = done.days.iter().filter_map(value).collect();
            answer["path"] = values.iter().map(|v| v / values[0]).collect();
        }
        println!("{answer}");
    }
    Ok(())
}

/// The same rule as the peers': in proportion to price, at most 2/n a name, all of it invested.
fn methodology(models: usize) -> Result<Methodology, Error> {
    // Without the rules that a file may leave out: this is the whole of it.
    let text = format!(
        r#"{{"breaker_new_version_ppb": 1000000000, "breaker_reevaluation_ppb": 200000000, "cash_ppb": 0,
        "counterparties": [], "infeasible": "reject", "levy_in_ppb": 0, "management_fee_ppb": 0,
        "max_primary_purchase_ppb": null, "membership": null, "minimum_order_micro": 1, "name_cap_ppb": {},
        "nav_breaker_ppb": null, "performance_fee_ppb": 0, "publisher_cap_ppb": 1000000000, "publisher_share_ppb": 0,
        "quorum": 1, "reserve_micro": 0, "score": "accepted_price", "spread_ppb": 0, "turnover_ppb": null}}"#,
        2_000_000_000 / i64::try_from(models).unwrap_or(1)
    );
    Methodology::parse(&text).map_err(|e| Error::Child(e.to_string()))
}

fn read(models: usize, days: usize, path: &str) -> Result<History, Error> {
    let bytes = fs::read(path)?;
    let price = |chunk: &[u8]| chunk.try_into().ok().map(i64::from_le_bytes);
    let prices: Vec<Option<i64>> = bytes.chunks_exact(8).map(price).collect();
    drop(bytes);
    let names = (0..models).map(|model| format!("M{model:03}").parse::<Name>());
    let names = names.collect::<Result<Vec<_>, _>>().map_err(|e| Error::Child(e.to_string()))?;
    History::try_new(weekdays(days)?, names, &prices).map_err(|e| Error::Child(e.to_string()))
}

/// Mondays to Fridays from 2016-01-04, a Monday.
fn weekdays(count: usize) -> Result<Vec<Date>, Error> {
    const FIRST: i64 = 16_804;
    let day = |place: i64| {
        let text = Timestamp::from_millis((FIRST + place) * DAY_MS).to_string();
        text[..10].parse::<Date>().map_err(|error| Error::Child(error.to_string()))
    };
    (0..).filter(|place| place % 7 < 5).take(count).map(day).collect()
}

/// The deterministic paths of the golden vectors, days by models, in micro-credits.
fn prices(models: usize, days: usize) -> Vec<i64> {
    let mut paths = vec![0; models * days];
    for model in 0..models {
        let mut state =
            0x6D6F_6465_6C66_6F6C_u64 ^ (model as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let drift = (model % 5) as i64 * 150 - 200;
        let mut price = 1_000_000 * (1 + (model % 7) as i64);
        paths[model] = price;
        for day in 1..days {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let change = ((z >> 33) % 40_001) as i64 - 20_000 + drift;
            price = (price * (1_000_000 + change) / 1_000_000).max(1);
            paths[day * models + model] = price;
        }
    }
    paths
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The rows of a run, by what they say.
struct Rows<'a>(&'a [Value]);

impl Rows<'_> {
    fn pick(&self, (models, days): (usize, usize), side: &str, key: &str) -> Vec<f64> {
        let is_asked =
            |row: &&Value| row["side"] == side && row["models"] == models && row["days"] == days;
        self.0.iter().filter(is_asked).filter_map(|row| row[key].as_f64()).collect()
    }

    fn ms(&self, size: (usize, usize), side: &str, q: f64) -> f64 {
        record::quantile(&self.pick(size, side, "ns"), q) / 1e6
    }

    fn times(&self) -> String {
        let mut text = String::new();
        for size in SIZES {
            text += &format!("| {} x {} |", size.0, size.1);
            for side in SIDES {
                let [median, least, most] = [0.5, 0.0, 1.0].map(|q| self.ms(size, side, q));
                text += &format!(" {median:.2} ({least:.2}..{most:.2}) |");
            }
            let over = |side| self.ms(size, side, 0.5) / self.ms(size, "nav", 0.5);
            text += &format!(" {:.0} | {:.1} |\n", over("bt"), over("vectorbt"));
        }
        text
    }

    fn memory(&self) -> String {
        let mut text = String::new();
        for size in SIZES {
            text += &format!("| {} x {} |", size.0, size.1);
            for side in SIDES {
                let first = |key| {
                    let bytes = self.pick(size, side, key).first().copied().unwrap_or(f64::NAN);
                    bytes / f64::from(1 << 20)
                };
                let (peak, ready) = (first("peak_bytes"), first("ready_bytes"));
                text += &format!(" {peak:.0} (+{:.0}) |", peak - ready);
            }
            text += "\n";
        }
        text
    }

    fn growth(&self) -> String {
        let times = |side: &str, from, to| self.ms(to, side, 0.5) / self.ms(from, side, 0.5);
        let of_side = |side: &str| {
            let models = times(side, (50, 2_520), (500, 2_520));
            format!("{side} {models:.1} and {:.1}", times(side, (500, 630), (500, 2_520)))
        };
        SIDES.map(of_side).join("; ")
    }

    /// The largest distance of a side's path from ours, over all sizes.
    fn gap(&self, side: &str) -> f64 {
        let gaps = self.0.iter().filter_map(|row| row.get("gap")?[side].as_f64());
        gaps.fold(0.0, |most, gap| if gap > most || gap.is_nan() { gap } else { most })
    }
}

fn summarise(rows: &[Value]) -> String {
    let rows = Rows(rows);
    let (level, nav) = (rows.ms(SIZES[0], "level", 1.0), rows.ms(SIZES[0], "nav", 1.0));
    let held = level <= LIMIT_MS && nav <= LIMIT_MS;
    format!(
        "# A backtest beside bt and vectorbt\n\n\
         Prices of the golden generator, weights in proportion to price under a cap of 2/n, monthly; {ROUNDS} runs of each side in turn,\n\
         each side a process of its own. `level`: integer levels, weights, turnover. `nav`: that and a notional portfolio of\n\
         1,000,000,000 credits, which is what the peers compute. Times in ms, median (least..most); from prices in memory to the path.\n\n\
         | models x days | level | nav | bt | vectorbt | bt / nav | vectorbt / nav |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n{}\n\
         Memory in MiB after the first run: peak of the process, and in brackets that peak over what it held with the prices loaded\n\
         (the peers' modules are in the first, and vectorbt's compiled code).\n\n\
         | models x days | level | nav | bt | vectorbt |\n| --- | --- | --- | --- | --- |\n{}\n\
         Growth of time with 10 times the models (50 to 500 at 2,520 days) and 4 times the days (630 to 2,520 at 500 models): {}.\n\
         Largest relative distance from our NAV path, over all sizes: level {:.1e}, bt {:.1e}, vectorbt {:.1e} (weights are whole parts\n\
         per billion here, doubles there).\n\
         The aim of {LIMIT_MS} ms at 500 x 2520 {}: {level:.2} at most, with the portfolio {nav:.2}.\n",
        rows.times(),
        rows.memory(),
        rows.growth(),
        rows.gap("level"),
        rows.gap("bt"),
        rows.gap("vectorbt"),
        if held { "held in every run" } else { "was MISSED" },
    )
}
