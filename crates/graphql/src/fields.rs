//! The order of fields in an answer: that of the question.
//!
//! The engine resolves fields at once and writes each down when it is ready, so that the same question may be answered in another
//! order of bytes. A moment once answered is answered the same, byte for byte; so the answer is put in order, as the language's
//! specification wants it for every answer.

use std::collections::HashSet;

use async_graphql::{
    Name, Value,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
};

/// Response keys in the order of the question, each with those inside it.
#[derive(Debug, Default)]
pub(crate) struct FieldOrder(Vec<(Name, FieldOrder)>);

impl FieldOrder {
    /// The order of a document's operation; nothing where it does not say which.
    pub(crate) fn of(document: &ExecutableDocument, operation: Option<&str>) -> Self {
        let operation = match (&document.operations, operation) {
            (DocumentOperations::Single(operation), _) => Some(operation),
            (DocumentOperations::Multiple(several), Some(name)) => several.get(name),
            (DocumentOperations::Multiple(several), None) => {
                several.values().next().filter(|_| several.len() == 1)
            }
        };
        let sets = operation.map(|operation| &operation.node.selection_set.node);
        sets.map(|set| Self::inside(document, &[set])).unwrap_or_default()
    }

    /// The order inside fields of one response key, which may be asked for in several places.
    fn inside(document: &ExecutableDocument, sets: &[&SelectionSet]) -> Self {
        let (mut keys, mut spread) = (Vec::new(), HashSet::new());
        for set in sets {
            collect(document, set, &mut spread, &mut keys);
        }
        let key = |(key, sets): (Name, Vec<&SelectionSet>)| {
            let inside = Self::inside(document, &sets);
            (key, inside)
        };
        Self(keys.into_iter().map(key).collect())
    }

    /// Puts an answer in this order; what the question does not name stays behind it.
    pub(crate) fn apply(&self, answer: &mut Value) {
        match answer {
            Value::List(values) => values.iter_mut().for_each(|value| self.apply(value)),
            Value::Object(fields) if !self.0.is_empty() => {
                let mut ordered = std::mem::take(fields);
                for (key, inside) in &self.0 {
                    if let Some(mut value) = ordered.swap_remove(key) {
                        inside.apply(&mut value);
                        fields.insert(key.clone(), value);
                    }
                }
                fields.extend(ordered);
            }
            _ => {}
        }
    }
}

/// The response keys of a selection, fragments in their places and each of them once.
fn collect<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    spread: &mut HashSet<&'a Name>,
    keys: &mut Vec<(Name, Vec<&'a SelectionSet>)>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let (key, inside) =
                    (&field.node.response_key().node, &field.node.selection_set.node);
                match keys.iter_mut().find(|(known, _)| known == key) {
                    Some((_, sets)) => sets.push(inside),
                    None => keys.push((key.clone(), vec![inside])),
                }
            }
            Selection::InlineFragment(fragment) => {
                collect(document, &fragment.node.selection_set.node, spread, keys);
            }
            Selection::FragmentSpread(named) => {
                let name = &named.node.fragment_name.node;
                let fragment = document.fragments.get(name).filter(|_| spread.insert(name));
                if let Some(fragment) = fragment {
                    collect(document, &fragment.node.selection_set.node, spread, keys);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn ordered(question: &str, operation: Option<&str>, answer: &str) -> String {
        let document = parse_query(question).unwrap_or_else(|error| panic!("{error}"));
        let mut answer = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}"));
        FieldOrder::of(&document, operation).apply(&mut answer);
        serde_json::to_string(&answer).unwrap_or_default()
    }

    /// Proves that aliases, lists, fields that are asked for twice, fragments of both kinds and operations by name come in the order of
    /// the question, and that a value that is no selection stays as it is.
    #[test]
    fn answers_come_in_the_order_of_the_question() {
        for (question, operation, answer, expected) in [
            ("{ b a }", None, r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
            ("{ x: b a }", None, r#"{"a":1,"x":2}"#, r#"{"x":2,"a":1}"#),
            (
                "{ l { b a } }",
                None,
                r#"{"l":[{"a":1,"b":2},null]}"#,
                r#"{"l":[{"b":2,"a":1},null]}"#,
            ),
            (
                "{ o { b } c o { a } }",
                None,
                r#"{"c":3,"o":{"a":1,"b":2}}"#,
                r#"{"o":{"b":2,"a":1},"c":3}"#,
            ),
            (
                "{ ...F c ... on Q { d } } fragment F on Q { b ...G } fragment G on Q { a }",
                None,
                r#"{"a":1,"b":2,"c":3,"d":4}"#,
                r#"{"b":2,"a":1,"c":3,"d":4}"#,
            ),
            (
                "query One { a b } query Two { b a }",
                Some("Two"),
                r#"{"a":1,"b":2}"#,
                r#"{"b":2,"a":1}"#,
            ),
            ("{ b a }", None, r#"{"z":0,"a":{"k":1,"j":2}}"#, r#"{"a":{"k":1,"j":2},"z":0}"#),
        ] {
            assert_eq!(ordered(question, operation, answer), expected, "{question}");
        }
    }
}
