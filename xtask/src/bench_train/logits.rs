//! The verb `peft-logits`: the logits of a base with an adapter, for PEFT to compare with.
//!
//! Nothing is compared here: `tests/peers/peft_logits.py` loads the same folders with transformers
//! and PEFT and does it.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use sigil_kernels::{Cpu, DType};
use sigil_model::{
    LoadOptions, Mode, TokenBatch,
    adapter::set_adapter,
    load::{Source, load},
};
use sigil_weights::{
    Adapter, DecoderConfig, Dtype, WeightFiles,
    tensor_files::{TensorToWrite, write_safetensors},
};
use tokenizers::Tokenizer;

/// What is put through the model.
const TEXT: &str = "/// The middle value of a slice, none if it is empty.\n\
    pub fn median(values: &mut [f64]) -> Option<f64> {\n    values.sort_by(f64::total_cmp);\n    \
    let middle = values.len() / 2;\n    match values.len() {\n        0 => None,\n        \
    n if n % 2 == 1 => Some(values[middle]),\n        \
    _ => Some((values[middle - 1] + values[middle]) / 2.0),\n    }\n}\n";

/// Flags of `cargo xtask peft-logits`.
#[derive(clap::Args)]
pub(crate) struct LogitsArguments {
    /// Folder of the base: config.json, weights, tokenizer.json
    #[arg(long, value_name = "FOLDER", default_value = "configs/sigil-base")]
    base: PathBuf,
    /// Folder of the adapter, such as a checkpoint set
    #[arg(long, value_name = "FOLDER")]
    adapter: PathBuf,
    /// The safetensors file to write: `tokens` (i32) and `logits` (f32, one row a token)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Computes the logits in f32 over the base as it is, and writes the file.
///
/// # Errors
/// A file cannot be read or written, or the adapter does not fit the base.
pub(crate) fn write_logits(arguments: &LogitsArguments) -> miette::Result<()> {
    let path = arguments.base.join("tokenizer.json");
    let failed = |error| miette::miette!("`{}`: {error}", path.display());
    let tokenizer = Tokenizer::from_file(&path).map_err(failed)?;
    let tokens = tokenizer.encode(TEXT, false).map_err(failed)?.get_ids().to_vec();

    let config =
        DecoderConfig::read(&arguments.base).map_err(|error| miette::miette!("{error}"))?;
    let adapter = Adapter::read(&arguments.adapter).map_err(|error| miette::miette!("{error}"))?;
    let files = WeightFiles::open(&arguments.base).map_err(|error| miette::miette!("{error}"))?;
    let options = LoadOptions {
        mode: Mode::Lora,
        adapter: Some(adapter.config.clone()),
        max_sequence_length: tokens.len(),
        compute: DType::F32,
        seed: 0,
    };
    let device = Default::default();
    let (decoder, mut parameters) =
        load::<Cpu>(&config, Source::Files(&files), &options, &device, &mut |_, _| ())
            .map_err(|error| miette::miette!("{error}"))?;
    set_adapter(&decoder, &mut parameters, &adapter).map_err(|error| miette::miette!("{error}"))?;

    let length = tokens.len();
    let starts = vec![0, length as u32];
    let batch = TokenBatch::new(&tokens, vec![-1; length], starts, &device);
    let logits = decoder.logits(&batch, &parameters);
    let shape = logits.dims();
    let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let ids: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let tensors = [
        TensorToWrite::f32("logits", &shape, &values),
        TensorToWrite {
            name: "tokens".to_owned(),
            dtype: Dtype::I32,
            shape: vec![length],
            bytes: Cow::Owned(ids),
        },
    ];
    let bytes = write_safetensors(&tensors, &BTreeMap::new())
        .map_err(|error| miette::miette!("{error}"))?;
    sigil_run::atomic_write(&arguments.out, &bytes).map_err(|error| miette::miette!("{error}"))?;
    println!("`{}`: logits {shape:?}", arguments.out.display());
    Ok(())
}
