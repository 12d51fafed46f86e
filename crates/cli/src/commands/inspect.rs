//! `modelfolio inspect`.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use crate::exit::{Failure, print};

/// Shows a file, or says what is wrong with it.
///
/// # Errors
/// [`Failure::Input`] with the tensor's name if the file breaks a rule, or cannot be read.
pub(crate) fn run(file: &Path, json: bool) -> Result<(), Failure> {
    let found = service::inspect(file).map_err(|e| Failure::Input(e.to_string()))?;
    if json { print(&format!("{found}\n")) } else { print(&in_words(&found)) }
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
        let (name, dtype, key) =
            (text(&tensor["name"]), text(&tensor["dtype"]), text(&tensor["key"]));
        let shape = tensor["shape"].to_string();
        let _ = writeln!(
            out,
            "  {name:<40} {dtype:<6} {shape:<20} blake3:{}",
            key.get(..16).unwrap_or(&key)
        );
    }
    out
}
