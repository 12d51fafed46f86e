//! `modelfolio inspect`.

use std::path::Path;

use serde_json::Value;

use crate::exit::Failure;

/// Shows a file, or the shards of a folder, or says what is wrong with it.
///
/// # Errors
/// [`Failure::Input`] with file and tensor if one breaks a rule, or cannot be read.
pub(crate) fn run(path: &Path, count_nonfinite: bool, json: bool) -> Result<(), Failure> {
    let input = |e: service::InspectError| Failure::Input(e.to_string());
    let found = if path.is_dir() {
        service::inspect_folder(path, count_nonfinite)
    } else if count_nonfinite {
        service::inspect_with_nonfinite(path)
    } else {
        service::inspect(path)
    };
    let found = found.map_err(input)?;
    if json {
        println!("{found}");
        return Ok(());
    }
    match found["shards"].as_object() {
        None => show(&found),
        Some(shards) => {
            for (name, shard) in shards {
                println!("shard    {name}");
                show(shard);
            }
        }
    }
    Ok(())
}

fn show(found: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    println!(
        "digest   {}\nbytes    {}\nheader   {} bytes",
        text(&found["digest"]),
        found["bytes"],
        found["header_bytes"]
    );
    for (key, value) in found["metadata"].as_object().into_iter().flatten() {
        println!("metadata {key} = {}", text(value));
    }
    let tensors = found["tensors"].as_array().map_or(&[][..], Vec::as_slice);
    println!("tensors  {}", tensors.len());
    for tensor in tensors {
        let counts = match (&tensor["nan"], &tensor["infinite"]) {
            (Value::Number(nan), Value::Number(infinite)) => {
                format!("  {nan} NaN, {infinite} infinite")
            }
            _ => String::new(),
        };
        println!(
            "  {:<40} {:<6} {:<20} blake3:{}{counts}",
            text(&tensor["name"]),
            text(&tensor["dtype"]),
            tensor["shape"].to_string(),
            &text(&tensor["key"])[..16]
        );
    }
}
