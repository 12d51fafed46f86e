//! `modelfolio replay`: the engine over a file of operations.

use std::path::Path;

use domain::fund::replay::lines;

use crate::exit::{Failure, print};

/// Applies the operations of a file in the form of `lifecycle.json`, and prints one JSON line a step.
///
/// # Errors
/// [`Failure::Input`] names the first step and field that is not of the form; nothing is applied then.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let named = |error: &dyn std::error::Error| {
        Failure::Input(format!("{}: {}", path.display(), crate::exit::chain(error)))
    };
    let text = std::fs::read_to_string(path).map_err(|e| named(&e))?;
    for line in lines(&text).map_err(|e| named(&e))? {
        print(&format!("{line}\n"))?;
    }
    Ok(())
}
