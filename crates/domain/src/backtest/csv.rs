//! A history out of text: lines of `date,model,price_micro`.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{CELLS_MAX, History, HistoryError, PRICE_MICRO_MAX, check_limits};
use crate::{name::Name, time::Date};

const COLUMNS: [&str; 3] = ["date", "model", "price_micro"];

/// One line: its number, day, model (as a number) and price.
struct Line {
    number: usize,
    date: Date,
    model: usize,
    micro: i64,
}

/// Reads a history. The first line names the columns `date`, `model` and `price_micro` in any order; the other lines come in any order.
///
/// There is no quoting: neither a date nor a name nor a price can hold a comma.
///
/// # Errors
/// The first line that is at fault, with its number and field: an unknown or missing column, a number of fields, a bad date, name
/// or price, two prices of one model on one day; then a model without a price on a day after its first; or a limit.
pub fn parse_csv(text: &str) -> Result<History, HistoryError> {
    let mut lines = text.lines();
    let order = header(lines.next().unwrap_or_default())?;
    let mut numbers = BTreeMap::<&str, usize>::new();
    let mut names = Vec::new();
    let mut dates = BTreeMap::<&str, Date>::new();
    let mut read = Vec::new();
    for (place, line) in lines.enumerate() {
        let number = place + 2;
        let [date_text, model_text, price_text] = fields(line, number, order)?;
        let date = match dates.get(date_text) {
            Some(date) => *date,
            None => {
                let date = date_text
                    .parse()
                    .map_err(|source| HistoryError::Date { line: number, source })?;
                dates.insert(date_text, date);
                date
            }
        };
        let model = match numbers.get(model_text) {
            Some(model) => *model,
            None => {
                let name: Name = model_text
                    .parse()
                    .map_err(|source| HistoryError::Model { line: number, source })?;
                numbers.insert(model_text, names.len());
                names.push(name);
                names.len() - 1
            }
        };
        check_limits(dates.len(), names.len())?;
        if read.len() >= CELLS_MAX {
            return Err(HistoryError::Limit { what: "prices", given: number - 1, max: CELLS_MAX });
        }
        read.push(Line { number, date, model, micro: price(price_text, number)? });
    }
    let dates: BTreeSet<Date> = dates.into_values().collect();
    place(&read, dates.into_iter().collect(), &names)
}

/// Makes a history of prices in any order. A row's number in an error is that of its line in the CSV of the same rows.
///
/// # Errors
/// As [`parse_csv`] for the same rows.
pub fn history_of(
    rows: impl IntoIterator<Item = (Date, Name, i64)>,
) -> Result<History, HistoryError> {
    let mut numbers = BTreeMap::<Name, usize>::new();
    let mut names = Vec::new();
    let mut dates = BTreeSet::new();
    let mut read = Vec::new();
    for (place, (date, name, micro)) in rows.into_iter().enumerate() {
        let number = place + 2;
        if !(0..=PRICE_MICRO_MAX).contains(&micro) {
            return Err(HistoryError::Price { line: number, given: micro.to_string() });
        }
        dates.insert(date);
        let model = *numbers.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            names.len() - 1
        });
        check_limits(dates.len(), names.len())?;
        if read.len() >= CELLS_MAX {
            return Err(HistoryError::Limit { what: "prices", given: number - 1, max: CELLS_MAX });
        }
        read.push(Line { number, date, model, micro });
    }
    place(&read, dates.into_iter().collect(), &names)
}

/// Which field of a line holds date, model and price.
fn header(line: &str) -> Result<[usize; 3], HistoryError> {
    let given: Vec<&str> = line.split(',').collect();
    if let Some(name) = given.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(HistoryError::UnknownColumn { name: name.chars().take(80).collect() });
    }
    let mut order = [0; 3];
    for (name, place) in COLUMNS.into_iter().zip(&mut order) {
        let times = given.iter().filter(|column| **column == name).count();
        match given.iter().position(|column| *column == name) {
            Some(found) if times == 1 => *place = found,
            _ => return Err(HistoryError::Column { name, times }),
        }
    }
    Ok(order)
}

fn fields(line: &str, number: usize, order: [usize; 3]) -> Result<[&str; 3], HistoryError> {
    let mut found = [""; 3];
    let mut given = 0;
    for field in line.split(',') {
        if let Some(place) = found.get_mut(given) {
            *place = field;
        }
        given += 1;
    }
    if given != found.len() {
        return Err(HistoryError::Fields { line: number, given });
    }
    Ok(order.map(|place| found[place]))
}

fn price(text: &str, line: usize) -> Result<i64, HistoryError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let micro = text.parse::<i64>().ok().filter(|micro| digits && *micro <= PRICE_MICRO_MAX);
    micro.ok_or_else(|| HistoryError::Price { line, given: text.chars().take(80).collect() })
}

/// Puts the lines into a matrix, days and models in ascending order.
fn place(lines: &[Line], dates: Vec<Date>, names: &[Name]) -> Result<History, HistoryError> {
    check_limits(dates.len(), names.len())?;
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| names[*a].cmp(&names[*b]));
    let mut columns = vec![0; names.len()];
    for (column, model) in order.iter().enumerate() {
        columns[*model] = column;
    }
    let mut prices = vec![None; dates.len() * names.len()];
    for line in lines {
        let row = dates.partition_point(|date| *date < line.date);
        let cell = &mut prices[row * names.len() + columns[line.model]];
        if cell.replace(line.micro).is_some() {
            let (line, date, model) = (line.number, line.date, names[line.model].clone());
            return Err(HistoryError::Duplicate { line, model, date });
        }
    }
    let models = order.into_iter().map(|model| names[model].clone()).collect();
    History::try_new(dates, models, &prices)
}
