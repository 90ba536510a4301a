//! `cargo xtask make-base export`: the newest set of the training run as the files that ship.
//!
//! Weights are rounded from f32 to bf16; everything else is copied. The folder is a transformers
//! checkpoint: config.json, model.safetensors, tokenizer files, a model card.

use std::{collections::BTreeMap, path::Path};

use half::bf16;
use sigil_run::RunView;
use sigil_weights::{
    WeightFiles,
    tensor_files::{TensorToWrite, write_safetensors},
};

/// Most bytes that the shipped folder may take.
const MOST_BYTES: u64 = 10 << 20;

/// Writes `out` from the run and the tokenizer in `work`; returns its size in bytes. `first_phase` says
/// what came before this run, if it is a second phase.
///
/// # Errors
/// There is no whole set, a file cannot be read or written, or the result is too large to ship.
pub(crate) fn export(work: &Path, out: &Path, first_phase: Option<&str>) -> miette::Result<u64> {
    let run = RunView::open(work.join("run")).map_err(|error| miette::miette!("{error}"))?;
    let newest = run.newest_whole_set().map_err(|error| miette::miette!("{error}"))?;
    let set = newest.set.ok_or_else(|| miette::miette!("the run has no whole checkpoint set"))?;
    let weights = WeightFiles::open(&set.folder().join("model.safetensors"))
        .map_err(|error| miette::miette!("{error}"))?;
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    let mut tensors = vec![];
    for name in &names {
        let view = weights.get(name).map_err(|error| miette::miette!("{error}"))?;
        let values: Vec<bf16> = view.to_bf16().map_err(|error| miette::miette!("{error}"))?;
        tensors.push((name.clone(), view.shape.to_vec(), values));
    }
    let model = model_file(&tensors)?;
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| miette::miette!("`{}`: {error}", path.display()))
    };
    let metrics = run.metrics().map_err(|error| miette::miette!("{error}"))?;
    let seen = metrics.rows.iter().filter(|row| row.step <= set.step());
    let tokens = seen.clone().filter_map(|row| row.tokens_seen).next_back().unwrap_or(0);
    let loss = seen.filter_map(|row| row.eval_loss).next_back();
    let files = [
        ("model.safetensors", model),
        ("config.json", read(&set.folder().join("config.json"))?),
        ("tokenizer.json", read(&work.join("tokenizer.json"))?),
        ("tokenizer_config.json", read(&work.join("tokenizer_config.json"))?),
        ("README.md", card(set.step(), tokens, loss, first_phase).into_bytes()),
    ];
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if bytes > MOST_BYTES {
        return Err(miette::miette!("{bytes} bytes, and at most {MOST_BYTES} may ship"));
    }
    std::fs::create_dir_all(out).map_err(|error| miette::miette!("{}: {error}", out.display()))?;
    for (name, bytes) in files {
        let path = out.join(name);
        sigil_run::atomic_write(&path, &bytes).map_err(|error| miette::miette!("{error}"))?;
    }
    Ok(bytes)
}

/// A weight: its name, its shape, its numbers.
pub(super) type Weight = (String, Vec<usize>, Vec<bf16>);

/// The bytes of `model.safetensors`, marked as transformers asks.
///
/// # Errors
/// A shape that does not fit its numbers.
pub(super) fn model_file(weights: &[Weight]) -> miette::Result<Vec<u8>> {
    let tensors: Vec<TensorToWrite<'_>> = weights
        .iter()
        .map(|(name, shape, values)| TensorToWrite::bf16(name.as_str(), shape, values))
        .collect();
    let metadata: BTreeMap<String, String> = [("format".to_owned(), "pt".to_owned())].into();
    write_safetensors(&tensors, &metadata).map_err(|error| miette::miette!("{error}"))
}

fn card(step: u64, tokens: u64, loss: Option<f64>, first_phase: Option<&str>) -> String {
    let phases = match first_phase {
        None => format!("({tokens} tokens in {step} steps)"),
        Some(first) => format!(
            "({first}), then on a mix of the same and of small solved programming tasks ({tokens} \
             tokens in {step} steps)"
        ),
    };
    let loss = loss.map_or(String::new(), |loss| {
        format!(" Its loss on held-out crates of the corpus is {loss:.3} nats per token.")
    });
    format!(
        "---\nlicense: mit\nlibrary_name: transformers\ntags:\n- rust\n- code\n---\n\n\
         # sigil-base\n\n\
         A llama-shaped model of 2.4 million parameters with a byte-level BPE tokenizer of 4,096 \
         tokens, trained from scratch by `cargo xtask make-base` on permissively licensed Rust \
         from crates.io {phases}.{loss}\n\n\
         It exists so that the quickstart and the tests have a real model that learns something \
         in minutes on a CPU. It is no assistant: it has seen nothing else, and little of that.\n\n\
         The crates it was trained on, with versions, checksums and licences, are listed in \
         `xtask/src/make_base/corpus/corpus.tsv`; none of them was a dependency of this workspace \
         when it was made, nor of the families that the quickstart holds out. \
         The recipe is `docs/guides/make-base.md`.\n"
    )
}
