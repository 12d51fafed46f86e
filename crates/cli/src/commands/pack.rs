//! `modelfolio pack`: an ONNX file becomes the pair that is published.

use std::path::PathBuf;

use service::pack::{PackError, PackRequest, Packed, pack};

use super::runtime;
use crate::exit::{Failure, print};

/// Arguments of `modelfolio pack`.
#[derive(Debug, clap::Args)]
pub(crate) struct PackArguments {
    /// The ONNX file; external data are read from its folder.
    model: PathBuf,
    /// Folder for `graph.onnx` and `model.safetensors`; absent or empty.
    out: PathBuf,
    /// Inputs to prove with: a safetensors file with one tensor an input, by its name. By default they are made up.
    #[arg(long)]
    inputs: Option<PathBuf>,
    /// Write the pair even if the ONNX file itself ran on no inputs that were tried, so that nothing was compared.
    #[arg(long)]
    unproven: bool,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Packs, and says what was written and how it was proven.
///
/// # Errors
/// [`Failure::Input`] with tensor, node or output at fault, [`Failure::Environment`] without library.
pub(crate) async fn run(arguments: PackArguments) -> Result<(), Failure> {
    let library = runtime::ensure("cpu").await?;
    let program =
        std::env::current_exe().map_err(|e| Failure::Environment(format!("own program: {e}")))?;
    let json = arguments.json;
    let out = arguments.out.display().to_string();
    let packed = tokio::task::spawn_blocking(move || {
        pack(&PackRequest {
            model: &arguments.model,
            out: &arguments.out,
            inputs: arguments.inputs.as_deref(),
            unproven: arguments.unproven,
            child: &program,
            library: &library,
        })
    });
    let packed = packed.await.map_err(Failure::environment)?;
    let packed = packed.map_err(|error: PackError| {
        if error.is_environment() { Failure::environment(error) } else { Failure::input(error) }
    })?;
    let Packed { graph_bytes, weight_bytes, tensors, proof } = packed;
    if json {
        let proof = proof
            .map(|p| serde_json::json!({ "runs": p.runs, "outputs": p.outputs, "bytes": p.bytes }));
        let said = serde_json::json!({
            "graph_bytes": graph_bytes, "weight_bytes": weight_bytes, "tensors": tensors, "proof": proof,
        });
        return print(&format!("{said}\n"));
    }
    let proof = match proof {
        Some(p) => format!(
            "{} outputs, {} bytes, bit-identical on {} sets of inputs",
            p.outputs, p.bytes, p.runs
        ),
        None => "NONE: the file ran on no inputs that were tried".to_owned(),
    };
    print(&format!(
        "packed  {out}\ngraph   {graph_bytes} bytes\nweights {weight_bytes} bytes, {tensors} tensors\nproof   {proof}\n"
    ))
}
