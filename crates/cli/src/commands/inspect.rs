//! `modelfolio inspect`.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use crate::exit::{Failure, print};

/// Shows a file, or the shards of a folder, or says what is wrong with it.
///
/// # Errors
/// [`Failure::Input`] with file and tensor if one breaks a rule, or cannot be read.
pub(crate) fn run(path: &Path, count_nonfinite: bool, json: bool) -> Result<(), Failure> {
    let found = if path.is_dir() {
        service::inspect_folder(path, count_nonfinite)
    } else if count_nonfinite {
        service::inspect_with_nonfinite(path)
    } else {
        service::inspect(path)
    };
    let found = found.map_err(|e| Failure::Input(e.to_string()))?;
    if json {
        return print(&format!("{found}\n"));
    }
    match found["shards"].as_object() {
        None => print(&in_words(&found)),
        Some(shards) => {
            let shown =
                shards.iter().map(|(name, shard)| format!("shard    {name}\n{}", in_words(shard)));
            let digest = found["digest"].as_str().unwrap_or_default();
            print(&format!("set      {digest}\n{}", shown.collect::<String>()))
        }
    }
}

fn in_words(found: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = format!(
        "digest   {}\nbytes    {}\nheader   {} bytes\n",
        text(&found["digest"]),
        found["bytes"],
        found["header_bytes"]
    );
    for (key, value) in found["metadata"].as_object().into_iter().flatten() {
        let _ = writeln!(out, "metadata {key} = {}", text(value));
    }
    let tensors = found["tensors"].as_array().map_or(&[][..], Vec::as_slice);
    let _ = writeln!(out, "tensors  {}", tensors.len());
    for tensor in tensors {
        let counts = match (&tensor["nan"], &tensor["infinite"]) {
            (Value::Number(nan), Value::Number(infinite)) => {
                format!("  {nan} NaN, {infinite} infinite")
            }
            _ => String::new(),
        };
        let (name, dtype, key) =
            (text(&tensor["name"]), text(&tensor["dtype"]), text(&tensor["key"]));
        let shape = tensor["shape"].to_string();
        let key = key.get(..16).unwrap_or(&key);
        let _ = writeln!(out, "  {name:<40} {dtype:<6} {shape:<20} blake3:{key}{counts}");
    }
    out
}
