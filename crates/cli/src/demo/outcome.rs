//! What the demo found: one row a version, one row a strike; as JSON for machines and as tables for people.

use std::fmt::Write as _;

use domain::amount::PriceNano;
use serde_json::{Value, json};

use super::{data::ARCHITECTURES, walk::text};
use crate::exit::Failure;

/// Everything that the demo prints.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// One row a version, models in the demo's order.
    pub(crate) versions: Vec<VersionRow>,
    /// One row a strike.
    pub(crate) strikes: Vec<StrikeRow>,
    /// Whether the last strike was verified offline; none where it was not tried.
    pub(crate) proof_ok: Option<bool>,
}

/// One version, its report and what became of its price.
#[derive(Debug)]
pub(crate) struct VersionRow {
    /// The model.
    pub(crate) name: String,
    version: String,
    items: u64,
    correct: u64,
    accuracy: f64,
    evaluated_price: String,
    sigma_ln: Option<f64>,
    band_ln: Option<f64>,
    status: String,
    price: String,
}

/// One strike.
#[derive(Debug)]
pub(crate) struct StrikeRow {
    /// Counts from 1.
    pub(crate) number: u64,
    /// Day of the strike, counted from 1970-01-01.
    pub(crate) day: i64,
    date: String,
    nav_per_share: String,
    level: String,
}

impl VersionRow {
    /// Reads a finished job.
    ///
    /// # Errors
    /// [`Failure::Environment`] if a field is absent.
    pub(crate) fn read(model: &str, version: &str, job: &Value) -> Result<Self, Failure> {
        let number = |pointer: &str| job.pointer(pointer).and_then(Value::as_f64);
        let need = |pointer: &str| {
            number(pointer).ok_or_else(|| {
                Failure::Environment(format!("the server's answer has no {pointer}: {job}"))
            })
        };
        let count = |pointer: &str| need(pointer).map(|n| n as u64);
        Ok(Self {
            name: model.to_owned(),
            version: version.to_owned(),
            items: count("/report/items")?,
            correct: count("/report/correct")?,
            accuracy: need("/report/accuracy")?,
            evaluated_price: text(job, "/report/evaluatedPrice")?,
            sigma_ln: number("/report/sigmaLnPrice"),
            band_ln: number("/decision/bandLn"),
            status: text(job, "/decision/status")?,
            price: text(job, "/decision/price")?,
        })
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "version": self.version, "items": self.items, "correct": self.correct,
            "accuracy": self.accuracy, "evaluated_price": self.evaluated_price, "sigma_ln": self.sigma_ln,
            "band_ln": self.band_ln, "status": self.status, "price": self.price,
        })
    }
}

impl StrikeRow {
    /// Reads a strike and the index level after its rebalance.
    ///
    /// # Errors
    /// [`Failure::Environment`] if a field is absent.
    pub(crate) fn read(strike: &Value, level: &str) -> Result<Self, Failure> {
        let whole = |field: &str| {
            let value = strike[field]
                .as_i64()
                .or_else(|| strike[field].as_str().and_then(|t| t.parse().ok()));
            value.ok_or_else(|| {
                Failure::Environment(format!("the server's answer has no {field}: {strike}"))
            })
        };
        Ok(Self {
            number: whole("number")?.unsigned_abs(),
            day: whole("day")?,
            date: text(strike, "/struckAt")?.chars().take(10).collect(),
            nav_per_share: text(strike, "/navPerShare")?,
            level: level.to_owned(),
        })
    }
}

impl Outcome {
    /// The one object that `--json` prints (DESIGN 5).
    pub(crate) fn json(&self) -> Value {
        let strike = |row: &StrikeRow| json!({ "strike": row.number, "nav_per_share": row.nav_per_share, "level": row.level });
        json!({
            "nav": self.strikes.iter().map(strike).collect::<Vec<_>>(),
            "models": self.versions.iter().map(VersionRow::json).collect::<Vec<_>>(),
            "proof_ok": self.proof_ok,
        })
    }

    /// The tables for a terminal.
    pub(crate) fn tables(&self) -> String {
        let mut out = String::from(
            "\nmodel   version     correct   accuracy  evaluated     ± 1σ     band   status      accepted\n",
        );
        for row in &self.versions {
            let percent = |x: Option<f64>| {
                x.map_or_else(|| "     –".to_owned(), |x| format!("{:5.2} %", x * 100.0))
            };
            let _ = writeln!(
                out,
                "{:<7} {:<10} {:>4}/{:<5} {:>7.2} % {:>10} {:>8} {:>8}   {:<9} {:>10}",
                row.name,
                row.version,
                row.correct,
                row.items,
                row.accuracy * 100.0,
                cents(&row.evaluated_price),
                percent(row.sigma_ln),
                percent(row.band_ln),
                row.status,
                cents(&row.price),
            );
        }
        out.push_str("\naccepted price by training step (credits a unit; one scale for all)\n");
        let prices: Vec<f64> =
            self.versions.iter().filter_map(|row| row.price.parse().ok()).collect();
        let top = prices.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for architecture in &ARCHITECTURES {
            let own: Vec<f64> = self
                .versions
                .iter()
                .filter(|r| r.name == architecture.name)
                .filter_map(|r| r.price.parse().ok())
                .collect();
            let last = own.last().copied().unwrap_or_default();
            let _ = writeln!(out, "{:<7} {:<8} {last:>8.2}", architecture.name, spark(&own, top));
        }
        out.push_str("\nstrike  date         NAV per share    index level\n");
        let navs: Vec<f64> =
            self.strikes.iter().filter_map(|row| row.nav_per_share.parse().ok()).collect();
        let top = navs.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (row, nav) in self.strikes.iter().zip(&navs) {
            let bar = "█".repeat((nav / top * 30.0).round() as usize);
            let _ = writeln!(
                out,
                "{:>6}  {}  {:>14}  {:>13}  {bar}",
                row.number, row.date, row.nav_per_share, row.level
            );
        }
        match self.proof_ok {
            Some(true) => {
                out.push_str("\nThe last strike was derived again offline, from the first event on, and is in the signed log.\n");
            }
            Some(false) => out.push_str("\nThe last strike does NOT verify.\n"),
            None => {}
        }
        out.push_str("\nAn evaluated price is a mark to model: no market stands behind it.\n");
        out
    }
}

/// A price with two digits, rounded half up for the eye; the exact one is in the JSON and in the API.
fn cents(price: &str) -> String {
    match price.parse::<PriceNano>() {
        Ok(exact) => {
            let hundredths = (exact.as_nano() + 5_000_000) / 10_000_000;
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        Err(_) => price.to_owned(),
    }
}

/// One block character a value, on a scale from 0 to `top`.
fn spark(values: &[f64], top: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    values.iter().map(|v| BLOCKS[((v / top * 8.0).ceil() as usize).clamp(1, 8) - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the spark line keeps order and never leaves its blocks.
    #[test]
    fn spark_scale() {
        assert_eq!(spark(&[0.0, 12.5, 50.0, 100.0], 100.0), "▁▁▄█");
    }
}
