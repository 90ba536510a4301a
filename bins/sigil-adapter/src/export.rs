//! `export`: base and adapter as one GGUF file, read back before it appears.

use std::process::ExitCode;

use sigil_adapter::files::size;
use sigil_adapter::gguf::{ExportOptions, ExportPlan, GgufFile, TensorKind};
use sigil_adapter::merge::check_space;
use sigil_adapter::tensors::MergedTensors;
use sigil_run::PendingFile;

use crate::cli::{Export, KindName};
use crate::exit::Failure;
use crate::model::open;
use crate::output;
use crate::progress::Progress;

/// Runs `export`.
pub(crate) fn run(arguments: &Export) -> Result<ExitCode, Failure> {
    let model = open(&arguments.which, &arguments.base)?;
    let Some(tokenizer) = model.tokenizer() else {
        let message = "neither the adapter nor its base has a tokenizer.json, which GGUF needs";
        return Err(Failure::new(5, message).hint("name a base that has one with --base"));
    };
    let kind = match arguments.kind {
        KindName::F32 => TensorKind::F32,
        KindName::F16 => TensorKind::F16,
        KindName::Bf16 => TensorKind::BF16,
        KindName::Q8_0 => TensorKind::Q8_0,
    };
    let name = arguments.output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let options = ExportOptions { kind, pre: arguments.pre.clone(), name };
    let tensors =
        MergedTensors::new(&model.config, &model.files, model.adapter.as_ref(), model.onto)?;
    let plan = ExportPlan::new(&model.config, &tensors, tokenizer, &options)?;
    plan.notes.iter().for_each(|note| eprintln!("note: {note}"));
    check_space(&arguments.output, plan.bytes())?;
    let mut file = PendingFile::create(&arguments.output)?;
    eprintln!(
        "writing {} tensors as {} ({})",
        plan.tensor_count(),
        kind.name(),
        size(plan.bytes())
    );
    let mut progress = Progress::new("writing", plan.bytes());
    plan.write(&tensors, &mut file, &mut |bytes| progress.add(bytes))?;
    drop(progress);
    file.finish()?;
    let read = GgufFile::open(file.path())?;
    if read.tensors().len() != plan.tensor_count() {
        return Err(Failure::new(1, "the file does not hold what was written"));
    }
    file.commit()?;
    if arguments.json {
        let report = serde_json::json!({
            "output": arguments.output,
            "bytes": plan.bytes(),
            "tensors": plan.tensor_count(),
            "updates": tensors.branch_count(),
            "type": kind.name(),
            "notes": plan.notes,
        });
        output::line(report)?;
    } else {
        output::line(arguments.output.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
