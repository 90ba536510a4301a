//! `merge`: base and adapter as one model, checked before it appears.

use std::process::ExitCode;
use std::time::Instant;

use sigil_adapter::files::size;
use sigil_adapter::merge::{MergeOptions, MergePlan, config_text, copy_companions};
use sigil_adapter::tensors::{MergedTensors, Onto};
use sigil_run::{CardSource, ModelCard, PendingFolder};
use sigil_weights::Dtype;

use crate::cli::{DtypeName, Merge};
use crate::exit::Failure;
use crate::model::{Model, open};
use crate::output;
use crate::progress::Progress;
use crate::verify;

/// Runs `merge`.
pub(crate) fn run(arguments: &Merge) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let model = open(&arguments.which, &arguments.base)?;
    let dtype = match arguments.dtype {
        DtypeName::Bfloat16 => Dtype::BF16,
        DtypeName::Float16 => Dtype::F16,
        DtypeName::Float32 => Dtype::F32,
    };
    if !arguments.no_verify {
        verify::check_memory(&model.config)?;
    }
    let tensors =
        MergedTensors::new(&model.config, &model.files, model.adapter.as_ref(), model.onto)?;
    let options = MergeOptions { dtype, shard_bytes: arguments.shard_mib << 20 };
    let plan = MergePlan::new(&tensors, &options)?;
    plan.check_space(&arguments.output)?;
    let mut folder = PendingFolder::create(&arguments.output)?;
    eprintln!(
        "merging {} updates into {} tensors ({}, {})",
        tensors.branch_count(),
        plan.tensor_count(),
        model.base.display(),
        size(plan.bytes)
    );
    let mut progress = Progress::new("writing", plan.bytes);
    plan.write(&tensors, &mut folder, &mut |bytes| progress.add(bytes))?;
    drop(progress);
    folder.put("config.json", config_text(&model.base, dtype)?.as_bytes())?;
    let copied = copy_companions(&model.companions(), &mut folder)?;
    folder.put("README.md", card(&model, arguments).as_bytes())?;
    if !copied.contains(&"tokenizer.json") {
        eprintln!("note: neither adapter nor base has a tokenizer.json; the merged model has none");
    }
    let verified = match arguments.no_verify {
        true => None,
        false => {
            eprintln!("comparing logits");
            let verified = verify::verify(&model, folder.path(), dtype)?;
            if let Some(reason) = verify::refusal(&verified) {
                return Err(Failure::new(7, reason).hint(
                    "nothing was written; --dtype float32 keeps updates that are too small for 16 \
                     bits",
                ));
            }
            eprintln!(
                "logits over {} tokens: {:.1e} off ({:.0e} allowed), the adapter changes {:.1e} and \
                 {:.1} % of that is kept, the likeliest token is the same at {:.1} %",
                verified.tokens,
                verified.relative_difference,
                verified.tolerance,
                verified.adapter_effect,
                100.0 * verified.effect_kept,
                100.0 * verified.same_likeliest
            );
            Some(verified)
        }
    };
    folder.commit()?;
    eprintln!("merged in {:.1} s", begun.elapsed().as_secs_f64());
    if arguments.json {
        let report = serde_json::json!({
            "output": arguments.output,
            "bytes": plan.bytes,
            "parameters": plan.parameters,
            "tensors": plan.tensor_count(),
            "updates": tensors.branch_count(),
            "verified": verified,
        });
        output::line(report)?;
    } else {
        output::line(arguments.output.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The merged model's card: what it is made of.
fn card(model: &Model, arguments: &Merge) -> String {
    let base = model.base_name.clone().unwrap_or_else(|| model.base.display().to_string());
    let is_on_hub = base.matches('/').count() == 1 && !std::path::Path::new(&base).exists();
    let from = model.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lora = model.adapter.as_ref().map(|adapter| {
        vec![
            ("rank".to_owned(), adapter.config.rank.to_string()),
            ("alpha".to_owned(), adapter.config.alpha.to_string()),
            ("adapted modules".to_owned(), adapter.modules.len().to_string()),
        ]
    });
    let onto = match model.onto {
        Onto::Base => "the base's own weights",
        Onto::Nf4 => "what NF4 with double quantization leaves of the base's weights",
    };
    let dtype = match arguments.dtype {
        DtypeName::Bfloat16 => "bfloat16",
        DtypeName::Float16 => "float16",
        DtypeName::Float32 => "float32",
    };
    let step = from.strip_prefix("step-").and_then(|step| step.parse().ok()).unwrap_or(0);
    ModelCard {
        title: format!("{base}, merged with {from}"),
        description: format!("A LoRA adapter added to {onto}, written in {dtype} with sigil."),
        base_model: Some(CardSource { name: base, is_on_hub }),
        library_name: "transformers".to_owned(),
        pipeline_tag: "text-generation".to_owned(),
        tags: ["rust", "code", "sigil"].map(str::to_owned).to_vec(),
        step,
        lora: lora.unwrap_or_default(),
        versions: vec![("sigil-adapter".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        ..ModelCard::default()
    }
    .render()
}
