//! Answers of every task but that of language models.

use domain::{
    evaluation::{PARAMS, answers::Answers},
    suite::{Metric, Suite},
};

use super::{Decisions, largest, rows::Rows};
use crate::labels::Labels;

/// Right and wrong items, and what other metrics of the suite read; output and labels were checked against each other.
pub(super) fn score(
    suite: &Suite,
    labels: &Labels,
    rows: &Rows,
    decisions: &mut Decisions,
) -> (String, Answers) {
    match labels {
        Labels::Classes(classes) => choices(suite, classes, rows, decisions),
        Labels::YesNo(yes) => detections(suite, yes, rows, decisions),
        Labels::Numbers { targets, width } => {
            let answers = Answers {
                scores: finite(rows.values.iter().copied()),
                targets: targets.clone(),
                width: *width as u32,
                ..Answers::default()
            };
            (String::new(), answers)
        }
        Labels::Pairs { pairs, scores } => {
            let alike = pairs.iter().map(|[a, b]| cosine(rows.row(*a), rows.row(*b)));
            let answers = Answers {
                scores: finite(alike),
                targets: scores.clone(),
                width: 1,
                ..Answers::default()
            };
            (String::new(), answers)
        }
        Labels::Nearest { nearest, queries } => {
            let gallery = (0..rows.shape[0] as usize).filter(|row| !queries.contains(row));
            let gallery = gallery.collect::<Vec<_>>();
            let mut right = String::with_capacity(nearest.len());
            for (query, wanted) in queries.clone().zip(nearest) {
                let alike = gallery.iter().map(|row| cosine(rows.row(query), rows.row(*row)));
                let found = gallery.get(largest(alike) as usize).copied().unwrap_or_default();
                decisions.push(found as u32);
                right.push(if found == *wanted { '1' } else { '0' });
            }
            (right, Answers::default())
        }
        // Scored token by token, as the output comes.
        Labels::Tokens { .. } => (String::new(), Answers::default()),
    }
}

fn wants(suite: &Suite, metric: Metric) -> bool {
    suite.metric == metric || suite.report.contains(&metric)
}

fn finite(values: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
    values.map(|value| value.is_finite().then_some(value)).collect()
}

/// Cosine of two rows; no number where one of them is zero.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn choices(
    suite: &Suite,
    labels: &[u64],
    rows: &Rows,
    decisions: &mut Decisions,
) -> (String, Answers) {
    let mut right = String::with_capacity(labels.len());
    let mut answers = Answers::default();
    for (case, label) in labels.iter().enumerate() {
        let row = rows.row(case);
        let choice = largest(row.iter().copied());
        decisions.push(choice);
        right.push(if u64::from(choice) == *label { '1' } else { '0' });
        if wants(suite, Metric::TopK) {
            let own = row[*label as usize];
            // What stands before it: the larger ones, and equals of a lower index; a NaN stands behind all numbers.
            let before = |(at, value): &(usize, &f64)| {
                **value > own
                    || **value == own && (*at as u64) < *label
                    || own.is_nan() && !value.is_nan()
            };
            let place = row.iter().enumerate().filter(before).count();
            answers.top_k.push(if place < PARAMS.top_k { '1' } else { '0' });
        }
        if wants(suite, Metric::F1Macro) {
            answers.classes.push(choice);
            answers.labels.push(*label as u32);
        }
        if wants(suite, Metric::Auc) {
            // The logit of class 1 whether the output holds logits or probabilities: both orders are the same.
            let score = row[1] - row[0];
            answers.scores.push(score.is_finite().then_some(score));
            answers.targets.push(if *label == 1 { 1.0 } else { 0.0 });
            answers.width = 1;
        }
    }
    (right, answers)
}

fn detections(
    suite: &Suite,
    yes: &[bool],
    rows: &Rows,
    decisions: &mut Decisions,
) -> (String, Answers) {
    let column = suite.output.column.unwrap_or(0) as usize;
    let scores = (0..yes.len()).map(|case| rows.row(case)[column]).collect::<Vec<_>>();
    let mut answers = Answers {
        scores: finite(scores.iter().copied()),
        targets: yes.iter().map(|yes| if *yes { 1.0 } else { 0.0 }).collect(),
        width: 1,
        ..Answers::default()
    };
    let mut right = String::new();
    if let Some(threshold) = suite.labels.threshold {
        for (score, yes) in scores.iter().zip(yes) {
            let said = *score >= threshold;
            decisions.push(u32::from(said));
            right.push(if said == *yes { '1' } else { '0' });
            if wants(suite, Metric::F1Macro) {
                answers.classes.push(u32::from(said));
                answers.labels.push(u32::from(*yes));
            }
        }
    }
    (right, answers)
}
