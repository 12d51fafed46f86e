//! The labels of a suite: read and checked before any child runs, seen by no child.

use std::{collections::BTreeMap, ops::Range};

use domain::{
    checkpoint::{Dtype, TensorEntry},
    evaluation::answers::Answers,
    suite::{Metric, Suite, Task},
};

use crate::{
    error::EvaluationError, plan::error, safetensors_file::SafetensorsFile, score::element_reader,
    subject::io_error,
};

/// Most classes of a choice.
const CLASSES_MAX: u64 = 10_000_000;
/// Fewest pairs of a correlation whose error can be told.
const PAIRS_MIN: usize = 4;
/// The target of a token that is not scored.
pub(crate) const NOT_SCORED: i64 = -100;

/// The right answers of all cases.
#[derive(Debug)]
pub(crate) enum Labels {
    /// The right class of every case.
    Classes(Vec<u64>),
    /// Whether the answer to every case is yes.
    YesNo(Vec<bool>),
    /// The right numbers, `width` a case.
    Numbers { targets: Vec<f64>, width: usize },
    /// The right tokens, `width` a case, and the document and bytes of text of every case.
    Tokens { targets: Vec<i64>, width: usize, documents: Vec<i64>, bytes: Vec<u64> },
    /// Pairs of rows and how alike people found them.
    Pairs { pairs: Vec<[usize; 2]>, scores: Vec<f64> },
    /// The row that must be nearest to each query.
    Nearest { nearest: Vec<usize>, queries: Range<usize> },
}

impl Labels {
    /// Reads the labels that the suite names.
    pub(crate) fn read(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        match suite.task {
            Task::Classification => Self::classes(suite, cases),
            Task::Detection => Self::yes_or_no(suite, cases),
            Task::Regression => Self::numbers(suite, cases),
            Task::LanguageModel => Self::tokens(suite, cases),
            Task::Similarity => Self::pairs(suite, cases),
            Task::Retrieval => Self::nearest(suite, cases),
        }
    }

    fn classes(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let label = Label::open(cases, "labels.target", suite.labels.target.as_deref())?;
        label.want_shape(&[suite.items])?;
        let class = |(item, class): (usize, i64)| {
            let negative = || label.fail(&format!("class {class} of item {item} is negative"));
            u64::try_from(class).map_err(|_| negative())
        };
        let classes = label.integers()?.into_iter().enumerate().map(class);
        Ok(Self::Classes(classes.collect::<Result<_, _>>()?))
    }

    fn yes_or_no(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let label = Label::open(cases, "labels.target", suite.labels.target.as_deref())?;
        label.want_shape(&[suite.items])?;
        let values = label.numbers()?;
        if let Some(item) = values.iter().position(|v| *v != 0.0 && *v != 1.0) {
            let reason = format!("item {item} is {}; yes is 1 and no is 0", values[item]);
            return Err(label.fail(&reason));
        }
        label.want_spread(&values, 1)?;
        Ok(Self::YesNo(values.into_iter().map(|value| value == 1.0).collect()))
    }

    fn numbers(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let label = Label::open(cases, "labels.target", suite.labels.target.as_deref())?;
        let shape = &label.tensor.shape;
        let width = shape.iter().skip(1).product::<u64>() as usize;
        if shape.first() != Some(&suite.items) || width == 0 {
            let reason = format!("shape {shape:?}, expected {} rows of numbers", suite.items);
            return Err(label.fail(&reason));
        }
        let targets = label.numbers()?;
        label.want_spread(&targets, width)?;
        Ok(Self::Numbers { targets, width })
    }

    fn pairs(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let pairs = Label::open(cases, "labels.pairs", suite.labels.pairs.as_deref())?;
        let score = Label::open(cases, "labels.score", suite.labels.score.as_deref())?;
        let scores = score.numbers()?;
        score.want_shape(&[scores.len() as u64])?;
        pairs.want_shape(&[scores.len() as u64, 2])?;
        if scores.len() < PAIRS_MIN {
            let given = scores.len();
            return Err(score.fail(&format!("{given} pairs; a correlation wants {PAIRS_MIN}")));
        }
        score.want_spread(&scores, 1)?;
        let rows = pairs.rows(suite.items as usize)?;
        Ok(Self::Pairs { pairs: rows.chunks_exact(2).map(|p| [p[0], p[1]]).collect(), scores })
    }

    fn nearest(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let label = Label::open(cases, "labels.nearest", suite.labels.nearest.as_deref())?;
        let [from, to] = suite.labels.queries.unwrap_or_default();
        let queries = from as usize..to as usize;
        label.want_shape(&[to.saturating_sub(from)])?;
        let nearest = label.rows(suite.items as usize)?;
        if let Some(row) = nearest.iter().find(|row| queries.contains(row)) {
            return Err(label.fail(&format!("row {row} is a query, and queries are not searched")));
        }
        Ok(Self::Nearest { nearest, queries })
    }

    fn tokens(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let items = suite.items as usize;
        let labels = &suite.labels;
        let read = |field: &str, name: &Option<String>| Label::open(cases, field, name.as_deref());
        let target = read("labels.target", &labels.target)?;
        let shape = &target.tensor.shape;
        let [rows, width] = shape[..] else {
            return Err(target.fail(&format!("shape {shape:?}, expected [{items}, tokens]")));
        };
        if rows != suite.items || width == 0 {
            return Err(target.fail(&format!("shape {shape:?}, expected [{items}, tokens]")));
        }
        let targets = target.integers()?;
        if let Some(token) = targets.iter().find(|token| **token < 0 && **token != NOT_SCORED) {
            return Err(target.fail(&format!(
                "token {token}; a token is not negative, and {NOT_SCORED} is not scored"
            )));
        }
        if targets.iter().all(|token| *token == NOT_SCORED) {
            return Err(target.fail("no token is scored"));
        }
        let document = read("labels.documents", &labels.documents)?;
        document.want_shape(&[suite.items])?;
        let documents = document.integers()?;
        let length = read("labels.utf8_bytes", &labels.utf8_bytes)?;
        length.want_shape(&[suite.items])?;
        let bytes = length.integers()?.into_iter().enumerate().map(|(at, bytes)| {
            u64::try_from(bytes).map_err(|_| length.fail(&format!("case {at} has {bytes} bytes")))
        });
        let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
        let mut sums = BTreeMap::<i64, u64>::new();
        for (document, bytes) in documents.iter().zip(&bytes) {
            *sums.entry(*document).or_default() += bytes;
        }
        if let Some((document, _)) = sums.iter().find(|(_, bytes)| **bytes == 0) {
            return Err(length.fail(&format!("document {document} has no byte of text")));
        }
        Ok(Self::Tokens { targets, width: width as usize, documents, bytes })
    }

    /// Items of each right answer: each class; no and yes; each row that is nearest to some query; the likeliest token and all others.
    /// Empty where answers are numbers.
    pub(crate) fn counts(&self, classes: usize) -> Vec<u64> {
        match self {
            Self::Classes(labels) => {
                let mut counts = vec![0; classes];
                for label in labels {
                    counts[*label as usize] += 1;
                }
                counts
            }
            Self::YesNo(yes) => {
                let count = yes.iter().filter(|yes| **yes).count() as u64;
                vec![yes.len() as u64 - count, count]
            }
            Self::Nearest { nearest, .. } => tally(nearest.iter()).into_values().collect(),
            Self::Tokens { targets, .. } => {
                let counts = tally(targets.iter().filter(|token| **token != NOT_SCORED));
                let (most, all) = (counts.values().max().copied(), counts.values().sum::<u64>());
                vec![most.unwrap_or(0), all - most.unwrap_or(0)]
            }
            Self::Numbers { .. } | Self::Pairs { .. } => Vec::new(),
        }
    }

    /// Holds an output of `shape`, cases first and pooled, against the labels: the classes of a choice, 0 of anything else.
    pub(crate) fn check_output(
        &self,
        suite: &Suite,
        shape: &[u64],
    ) -> Result<usize, EvaluationError> {
        let output = &suite.output.name;
        let fail = |reason: String| Err(error(format!("output {output}"), reason));
        let row = shape.get(1..).unwrap_or_default();
        match self {
            Self::Classes(labels) => {
                let [classes @ 1..=CLASSES_MAX] = *row else {
                    return fail(format!(
                        "{row:?} a case; a choice needs one number for each class"
                    ));
                };
                if let Some(label) = labels.iter().find(|label| **label >= classes) {
                    let target = suite.labels.target.clone().unwrap_or_default();
                    let reason =
                        format!("label {label} is not among the {classes} classes of the output");
                    return Err(error(target, reason));
                }
                let wants = |metric| suite.metric == metric || suite.report.contains(&metric);
                if wants(Metric::Auc) && classes != 2 {
                    return fail(format!("{classes} classes; auc of a choice wants 2"));
                }
                let places = domain::evaluation::PARAMS.top_k as u64;
                if wants(Metric::TopK) && classes <= places {
                    return fail(format!(
                        "{classes} classes; top_k looks at {places}, and wants more"
                    ));
                }
                Ok(classes as usize)
            }
            Self::YesNo(_) => {
                let width = row.iter().product::<u64>();
                match suite.output.column {
                    Some(column) if u64::from(column) < width => Ok(0),
                    Some(column) => fail(format!("{row:?} a case has no column {column}")),
                    None if width == 1 => Ok(0),
                    None => fail(format!(
                        "{row:?} a case; detection wants one number, or output.column"
                    )),
                }
            }
            Self::Numbers { width, .. } => match row.iter().product::<u64>() {
                given if given == *width as u64 => Ok(0),
                given => fail(format!("{given} numbers a case, the targets have {width}")),
            },
            Self::Tokens { targets, width, .. } => {
                let [tokens, vocabulary @ 1..=CLASSES_MAX] = *row else {
                    return fail(format!(
                        "{row:?} a case; a language model gives [tokens, vocabulary]"
                    ));
                };
                if tokens != *width as u64 {
                    return fail(format!("{tokens} tokens a case, the targets have {width}"));
                }
                match targets.iter().find(|token| **token >= vocabulary as i64) {
                    Some(token) => {
                        let target = suite.labels.target.clone().unwrap_or_default();
                        let reason =
                            format!("token {token} is not in the vocabulary of {vocabulary}");
                        Err(error(target, reason))
                    }
                    None => Ok(0),
                }
            }
            Self::Pairs { .. } | Self::Nearest { .. } => match *row {
                [width] if width > 0 => Ok(0),
                _ => fail(format!(
                    "{row:?} a case; rows are compared, one vector each: see output.pool"
                )),
            },
        }
    }
}

fn tally<'a, T: Ord + 'a>(values: impl Iterator<Item = &'a T>) -> BTreeMap<&'a T, u64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

/// Items of each right answer among the labels of `cases.safetensors`, without running anything; of a choice among `classes`.
///
/// # Errors
/// [`EvaluationError::Suite`] where suite and cases do not fit, or a label is not among the classes; failures of the file.
pub fn label_counts(
    suite: &Suite,
    cases: &std::path::Path,
    classes: usize,
) -> Result<Vec<u64>, EvaluationError> {
    let file = SafetensorsFile::open_cases(cases)?;
    let labels = Labels::read(suite, &file)?;
    if let Labels::Classes(_) = labels {
        labels.check_output(suite, &[suite.items, classes as u64])?;
    }
    Ok(labels.counts(classes))
}

/// Reads the labels of `cases.safetensors` and holds them to what the suite's metrics want, before anything is queued or run.
///
/// # Errors
/// [`EvaluationError::Suite`] with the tensor of labels at fault; failures of the file.
pub fn check_labels(suite: &Suite, cases: &std::path::Path) -> Result<(), EvaluationError> {
    Labels::read(suite, &SafetensorsFile::open_cases(cases)?).map(drop)
}

/// Holds the targets in a sample blob against the labels of `cases.safetensors`.
///
/// # Errors
/// [`EvaluationError::Suite`] names the label tensor that they are not those of; failures of the file.
pub fn check_answers(
    suite: &Suite,
    cases: &std::path::Path,
    answers: &Answers,
) -> Result<(), EvaluationError> {
    let file = SafetensorsFile::open_cases(cases)?;
    let labels = &suite.labels;
    let (name, same) = match Labels::read(suite, &file)? {
        Labels::Classes(classes) => {
            let binary = answers.targets.iter().zip(&classes);
            let same = (answers.labels.is_empty()
                || answers
                    .labels
                    .iter()
                    .map(|label| u64::from(*label))
                    .eq(classes.iter().copied()))
                && binary.clone().all(|(target, class)| (*target > 0.5) == (*class == 1))
                && (answers.targets.is_empty() || answers.targets.len() == classes.len());
            (&labels.target, same)
        }
        Labels::YesNo(yes) => {
            let same = answers.targets.iter().map(|target| *target > 0.5).eq(yes.iter().copied());
            (&labels.target, same)
        }
        Labels::Numbers { targets, .. } => (&labels.target, answers.targets == targets),
        Labels::Pairs { scores, .. } => (&labels.score, answers.targets == scores),
        Labels::Tokens { targets, width, documents, bytes } => {
            let mut facts = BTreeMap::<i64, (u64, u64)>::new();
            for (case, (id, bytes)) in documents.iter().zip(&bytes).enumerate() {
                let row = &targets[case * width..(case + 1) * width];
                let tokens = row.iter().filter(|token| **token != NOT_SCORED).count() as u64;
                let fact = facts.entry(*id).or_default();
                *fact = (fact.0 + bytes, fact.1 + tokens);
            }
            facts.retain(|_, (_, tokens)| *tokens > 0);
            let told = answers.documents.iter().map(|d| (d.id, (d.bytes, d.tokens)));
            (&labels.utf8_bytes, told.eq(facts))
        }
        Labels::Nearest { .. } => (&labels.nearest, true),
    };
    if same {
        return Ok(());
    }
    let name = name.clone().unwrap_or_default();
    Err(error(name, "the samples have other labels than the cases"))
}

/// One tensor of labels.
struct Label<'a> {
    cases: &'a SafetensorsFile,
    tensor: &'a TensorEntry,
}

impl<'a> Label<'a> {
    fn open(
        cases: &'a SafetensorsFile,
        field: &str,
        name: Option<&str>,
    ) -> Result<Self, EvaluationError> {
        let name = name.ok_or_else(|| error(field, "is missing"))?;
        let tensor =
            cases.find(name).ok_or_else(|| error(name, "the cases have no such tensor"))?;
        Ok(Self { cases, tensor })
    }

    fn fail(&self, reason: &str) -> EvaluationError {
        error(self.tensor.name.clone(), reason)
    }

    fn want_shape(&self, shape: &[u64]) -> Result<(), EvaluationError> {
        if self.tensor.shape == shape {
            return Ok(());
        }
        Err(self.fail(&format!("shape {:?}, expected {shape:?}", self.tensor.shape)))
    }

    fn bytes(&self) -> Result<Vec<u8>, EvaluationError> {
        self.cases.read(self.tensor).map_err(io_error("cannot read", &self.cases.path))
    }

    /// Elements of a type of integers.
    fn integers(&self) -> Result<Vec<i64>, EvaluationError> {
        let (width, signed) = match self.tensor.dtype {
            Dtype::I64 => (8, true),
            Dtype::I32 => (4, true),
            Dtype::I16 => (2, true),
            Dtype::I8 => (1, true),
            Dtype::U64 => (8, false),
            Dtype::U32 => (4, false),
            Dtype::U16 => (2, false),
            Dtype::U8 => (1, false),
            other => return Err(self.fail(&format!("{other}; expected integers"))),
        };
        let read = |piece: &[u8]| {
            let fill =
                if signed && piece.last().is_some_and(|byte| byte >> 7 == 1) { 255 } else { 0 };
            let mut wide = [fill; 8];
            wide[..width].copy_from_slice(piece);
            let value = i64::from_le_bytes(wide);
            if value < 0 && !signed { Err(self.fail("a value passes 2^63")) } else { Ok(value) }
        };
        self.bytes()?.chunks_exact(width).map(read).collect()
    }

    /// Elements as finite numbers.
    fn numbers(&self) -> Result<Vec<f64>, EvaluationError> {
        let dtype = self.tensor.dtype;
        if dtype == Dtype::Bool {
            return Ok(self.bytes()?.into_iter().map(f64::from).collect());
        }
        let read = element_reader(dtype)
            .ok_or_else(|| self.fail(&format!("{dtype}; expected numbers")))?;
        let values =
            self.bytes()?.chunks_exact(dtype.bits() as usize / 8).map(read).collect::<Vec<_>>();
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(self.fail(&format!("element {at} is {}, no finite number", values[at])))
            }
            None => Ok(values),
        }
    }

    /// Elements as rows of the output.
    fn rows(&self, items: usize) -> Result<Vec<usize>, EvaluationError> {
        let row = |value: i64| {
            let row = usize::try_from(value).ok().filter(|row| *row < items);
            row.ok_or_else(|| self.fail(&format!("row {value} is none of the {items} rows")))
        };
        self.integers()?.into_iter().map(row).collect()
    }

    /// Refuses numbers that are all the same: nothing could be told from them.
    fn want_spread(&self, values: &[f64], width: usize) -> Result<(), EvaluationError> {
        let constant = |at: &usize| {
            let mut column = values.iter().skip(*at).step_by(width.max(1));
            column.next().is_none_or(|first| column.all(|value| value == first))
        };
        match (0..width.max(1)).find(constant) {
            Some(at) if width > 1 => {
                Err(self.fail(&format!("number {at} of every case is the same")))
            }
            Some(_) => Err(self.fail("all items have the same value")),
            None => Ok(()),
        }
    }
}
