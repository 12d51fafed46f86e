//! Checks a value against a JSON schema, as far as ours go.

use domain::{amount::Femto, digest::Digest, name::Name};
use serde_json::Value;

/// The first place where `value` is not of `schema`, by the few keywords that the schema uses.
pub(crate) fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fault(root, root.pointer(&name[1..]).unwrap(), value);
    }
    if let Some(branches) = schema["anyOf"].as_array() {
        let mut faults = branches.iter().map(|branch| fault(root, branch, value));
        return faults.all(|fault| fault.is_some()).then(|| ": no branch".to_owned());
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Some(format!(": {value}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Some(format!(": {value}"));
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    };
    if !fits {
        return Some(format!(": {value} is no {}", schema["type"]));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !matches(pattern, text)
    {
        return Some(format!(": {value}"));
    }
    let inside = |at: String, schema: &Value, value: &Value| {
        fault(root, schema, value).map(|rest| {
            let colon = if rest.starts_with(['.', '[', ':']) { "" } else { ": " };
            format!("{at}{colon}{rest}")
        })
    };
    if let Some(items) = value.as_array() {
        let check = |(k, item)| inside(format!("[{k}]"), &schema["items"], item);
        return items.iter().enumerate().find_map(check);
    }
    let object = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(name) = required.map(|n| n.as_str().unwrap()).find(|n| !object.contains_key(*n)) {
        return Some(format!(".{name}: missing"));
    }
    object.iter().find_map(|(name, value)| {
        let property = &schema["properties"][name];
        match (property.is_null(), &schema["additionalProperties"]) {
            (false, _) => inside(format!(".{name}"), property, value),
            (true, Value::Object(_)) => {
                inside(format!(".{name}"), &schema["additionalProperties"], value)
            }
            (true, _) => Some(format!(".{name}: unknown")),
        }
    })
}

/// Whether a text fits one of the patterns that the schemas use; one that is not known here fits everything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^sha256:[0-9a-f]{64}$" => text.parse::<Digest>().is_ok() && text.starts_with("sha256:"),
        "^(0|-?[1-9][0-9]*)$" => text.parse::<Femto>().is_ok_and(|steps| steps.to_string() == text),
        "^[A-Za-z0-9][A-Za-z0-9_./-]{0,63}$" => text.parse::<Name>().is_ok(),
        _ => true,
    }
}
