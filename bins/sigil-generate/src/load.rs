//! From folders to a generator and a tokenizer, with a digest of everything that decides the text.

use std::path::Path;

use sigil_data::{Digest, Tokenizer};
use sigil_kernels::{DType, Decoding};
use sigil_model::{
    LoadOptions, Mode, ModelError,
    adapter::set_adapter,
    generate::{AdapterUse, GenerationModel},
    load::{Source, load},
};
use sigil_weights::{Adapter, DecoderConfig, Dtype, FourBit, GenerationConfig, WeightFiles};

use crate::{
    cli::{ModelArguments, Precision},
    exit::Failure,
    model::ModelFolders,
};

/// A tokenizer and what else is known before the weights are loaded.
pub(crate) struct Described {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) config: DecoderConfig,
    /// Tokens that end a text, by `generation_config.json`.
    pub(crate) stop_tokens: Vec<u32>,
    /// Of configuration, weights, adapter and tokenizer.
    pub(crate) digest: String,
}

/// Reads all but the weights, which are only hashed.
pub(crate) fn describe(
    folders: &ModelFolders,
    arguments: &ModelArguments,
) -> Result<Described, Failure> {
    let tokenizer = Tokenizer::load(&folders.tokenizer)?;
    let config = DecoderConfig::read(&folders.base).map_err(ModelError::from)?;
    let generation = GenerationConfig::read(&folders.base).map_err(ModelError::from)?;
    let digest = digest(folders, &tokenizer, arguments)?;
    let stop_tokens = generation.map(|generation| generation.eos_token_ids).unwrap_or_default();
    Ok(Described { tokenizer, config, stop_tokens, digest })
}

/// Loads the weights for sequences of up to `positions` tokens.
pub(crate) fn weights<B: Decoding>(
    folders: &ModelFolders,
    config: &DecoderConfig,
    arguments: &ModelArguments,
    positions: usize,
    device: &B::Device,
    compute: DType,
) -> Result<GenerationModel<B>, Failure> {
    let adapter = match &folders.adapter {
        Some(folder) => Some(Adapter::read(folder).map_err(ModelError::from)?),
        None => None,
    };
    let files = WeightFiles::open(&folders.base).map_err(ModelError::from)?;
    // Weights that are bf16 in the files stay so in memory; nothing is rounded.
    let short = files.get("model.embed_tokens.weight").is_ok_and(|view| view.dtype == Dtype::BF16);
    let quantized = config.linear_modules().first().is_some_and(|module| {
        files.quantized(&module.name).is_ok_and(|quantized| quantized.is_some())
    });
    let mode = match arguments.precision {
        Precision::Full if !quantized => Mode::Lora,
        _ => Mode::Qlora { kind: FourBit::Nf4, nested: true },
    };
    let options = LoadOptions {
        mode,
        adapter: adapter.as_ref().map(|adapter| adapter.config.clone()),
        max_sequence_length: positions,
        compute: if short { DType::BF16 } else { compute },
        seed: 0,
    };
    let source = Source::Files(&files);
    let (decoder, mut parameters) = load::<B>(config, source, &options, device, &mut |_, _| ())?;
    if let Some(adapter) = &adapter {
        set_adapter(&decoder, &mut parameters, adapter)?;
    }
    let place = if arguments.merge { AdapterUse::Merged } else { AdapterUse::Beside };
    Ok(GenerationModel::new(decoder, &parameters, place, compute))
}

/// A digest of every byte that decides what is generated.
fn digest(
    folders: &ModelFolders,
    tokenizer: &Tokenizer,
    arguments: &ModelArguments,
) -> Result<String, Failure> {
    let mut parts = vec![
        format!("{:?} {}", arguments.precision, arguments.merge).into_bytes(),
        tokenizer.digest().to_string().into_bytes(),
    ];
    for folder in std::iter::once(&folders.base).chain(&folders.adapter) {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .map_err(|error| unreadable(folder, &error))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| decides(path))
            .collect();
        names.sort();
        for path in names {
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            parts.push(Digest::of(&bytes).to_string().into_bytes());
        }
    }
    Ok(Digest::of_fields(parts.iter().map(Vec::as_slice)).to_string())
}

/// Configurations and weights; not the optimizer's state of a checkpoint set.
fn decides(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let weights = name.ends_with(".safetensors") && name != "optimizer.safetensors";
    weights || matches!(name, "config.json" | "adapter_config.json")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(5, format!("cannot read `{}`: {error}", path.display()))
}

/// The digest of the model together with the rotary frequencies that it uses for sequences of up to
/// `positions` tokens: some models change them with the length.
pub(crate) fn with_positions(described: &Described, positions: usize) -> String {
    let config = &described.config;
    let frequencies = config.rope.frequencies(config.head_dim, positions);
    let bytes: Vec<u8> = frequencies.inv_freq.iter().flat_map(|x| x.to_le_bytes()).collect();
    Digest::of_fields([described.digest.as_bytes(), &bytes]).to_string()
}
