//! `modelfolio inspect`.

use std::path::Path;

use serde_json::Value;

use crate::exit::Failure;

/// Shows a file, or says what is wrong with it.
///
/// # Errors
/// [`Failure::Input`] with the tensor's name if the file breaks a rule, or cannot be read.
pub(crate) fn run(file: &Path, json: bool) -> Result<(), Failure> {
    let found = service::inspect(file).map_err(|e| Failure::Input(e.to_string()))?;
    if json {
        println!("{found}");
        return Ok(());
    }
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
        println!(
            "  {:<40} {:<6} {:<20} blake3:{}",
            text(&tensor["name"]),
            text(&tensor["dtype"]),
            tensor["shape"].to_string(),
            &text(&tensor["key"])[..16]
        );
    }
    Ok(())
}
