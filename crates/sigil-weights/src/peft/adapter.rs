//! An adapter in memory: its configuration and the two matrices of every adapted module, in f32.
//!
//! Reading checks every tensor's name, shape and rank against the configuration; nothing in the
//! file is silently left out. It neither applies nor merges. Writing is `write.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{AdapterConfig, CONFIG_FILE, PeftError, TENSOR_FILE, resolve_targets};
use crate::config::LinearModule;
use crate::tensor_files::WeightFiles;

/// The two matrices of one adapted module.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraPair {
    /// Width.
    pub rank: usize,
    /// Columns of the module's weight.
    pub in_features: usize,
    /// Rows of the module's weight.
    pub out_features: usize,
    /// `lora_A`, `[rank, in_features]`, row-major.
    pub a: Vec<f32>,
    /// `lora_B`, `[out_features, rank]`, row-major.
    pub b: Vec<f32>,
}

/// A LoRA adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Its configuration.
    pub config: AdapterConfig,
    /// Its matrices by full module name, such as `model.layers.0.self_attn.q_proj`.
    pub modules: BTreeMap<String, LoraPair>,
}

impl Adapter {
    /// Reads an adapter folder; f16 and bf16 tensors are widened.
    ///
    /// # Errors
    /// A file is missing or damaged, the configuration is refused, a tensor is not understood, or
    /// shapes and ranks do not fit together.
    pub fn read(folder: &Path) -> Result<Self, PeftError> {
        let file = folder.join(CONFIG_FILE);
        let text = std::fs::read(&file)
            .map_err(|source| PeftError::Read { path: file.clone(), source })?;
        let config = AdapterConfig::parse(&text, &file)?;
        let tensors = folder.join(TENSOR_FILE);
        let pickle = folder.join("adapter_model.bin");
        if !tensors.is_file() && pickle.is_file() {
            return Err(PeftError::Pickle { path: pickle });
        }
        let files = WeightFiles::open(&tensors)?;
        let modules = pairs(&files, &tensors)?;
        let adapter = Self { config, modules };
        adapter.check_ranks(&tensors)?;
        Ok(adapter)
    }

    /// Refuses an adapter that does not fit a model: a module the model lacks, matrices of other
    /// sizes, or a targeted module without matrices.
    ///
    /// # Errors
    /// As said.
    pub fn check_model(&self, modules: &[LinearModule]) -> Result<(), PeftError> {
        let known: BTreeMap<&str, &LinearModule> =
            modules.iter().map(|module| (module.name.as_str(), module)).collect();
        for (name, pair) in &self.modules {
            let wrong = |what| PeftError::Module { module: name.clone(), what };
            let Some(module) = known.get(name.as_str()) else {
                return Err(wrong("the model has no such linear layer".to_owned()));
            };
            let (found, needed) =
                ((pair.out_features, pair.in_features), (module.out_features, module.in_features));
            if found != needed {
                return Err(wrong(format!(
                    "made for a weight of {found:?}, the model's is {needed:?}"
                )));
            }
        }
        let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
        let resolved = resolve_targets(&self.config, &names)?;
        let targeted = names.iter().zip(&resolved.modules).filter(|(_, target)| target.is_some());
        let missing = targeted.filter(|(name, _)| !self.modules.contains_key(**name));
        let missing: Vec<String> = missing.map(|(name, _)| (*name).to_owned()).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(PeftError::MissingModules { modules: missing })
        }
    }

    /// Every module in the file must be targeted, with the rank that the configuration gives it.
    fn check_ranks(&self, file: &Path) -> Result<(), PeftError> {
        let names: Vec<&String> = self.modules.keys().collect();
        if names.is_empty() {
            let what = "holds no LoRA matrices".to_owned();
            return Err(PeftError::Key {
                path: file.to_path_buf(),
                key: "lora_A".to_owned(),
                what,
            });
        }
        let resolved = resolve_targets(&self.config, &names)?;
        let mut foreign = Vec::new();
        for (name, target) in names.iter().zip(resolved.modules) {
            let Some(target) = target else {
                foreign.push(format!("{name} (not targeted by the configuration)"));
                continue;
            };
            let found = self.modules[*name].rank;
            if found != target.rank {
                let what = format!("rank {found}, the configuration says {}", target.rank);
                return Err(PeftError::Module { module: (*name).clone(), what });
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        Err(PeftError::Unrecognised { path: file.to_path_buf(), names: foreign })
    }
}

/// The prefix that PEFT puts before a module's name, and the endings of its matrices.
pub(super) const PREFIX: &str = "base_model.model.";
pub(super) const A: &str = ".lora_A.weight";
pub(super) const B: &str = ".lora_B.weight";

fn pairs(files: &WeightFiles, path: &Path) -> Result<BTreeMap<String, LoraPair>, PeftError> {
    let mut modules = BTreeSet::new();
    let mut foreign = Vec::new();
    for name in files.names() {
        let inner = name.strip_prefix(PREFIX);
        match inner.and_then(|inner| inner.strip_suffix(A).or_else(|| inner.strip_suffix(B))) {
            Some(module) if !module.is_empty() => {
                modules.insert(module);
            }
            _ => foreign.push(format!("{name} ({})", reason(name))),
        }
    }
    if !foreign.is_empty() {
        return Err(PeftError::Unrecognised { path: path.to_path_buf(), names: foreign });
    }
    modules.into_iter().map(|module| Ok((module.to_owned(), pair(files, module)?))).collect()
}

fn reason(name: &str) -> &'static str {
    if name.contains("lora_magnitude_vector") {
        "a DoRA magnitude, which is not supported"
    } else if name.contains("lora_embedding_") {
        "LoRA on an embedding, which is not supported"
    } else if name.contains("lora_A.bias") || name.contains("lora_B.bias") {
        "a LoRA bias, which is not supported"
    } else if name.contains("lora_") {
        "not under base_model.model., or not a LoRA matrix"
    } else {
        "a fully trained weight, which is not supported"
    }
}

fn pair(files: &WeightFiles, module: &str) -> Result<LoraPair, PeftError> {
    let wrong = |what: String| PeftError::Module { module: module.to_owned(), what };
    let find = |ending: &str| {
        let name = format!("{PREFIX}{module}{ending}");
        files.get(&name).map_err(|_| wrong(format!("`{name}` is missing")))
    };
    let (a, b) = (find(A)?, find(B)?);
    let (&[rank, in_features], &[out_features, b_rank]) = (a.shape, b.shape) else {
        return Err(wrong(format!("shapes {:?} and {:?} are not matrices", a.shape, b.shape)));
    };
    if rank != b_rank || rank == 0 {
        return Err(wrong(format!("A has rank {rank}, B has rank {b_rank}")));
    }
    let (a, b) = (a.to_f32()?, b.to_f32()?);
    if let Some(at) = a.iter().chain(&b).position(|value| !value.is_finite()) {
        return Err(wrong(format!("value {at} of A and B together is not finite")));
    }
    Ok(LoraPair { rank, in_features, out_features, a, b })
}
