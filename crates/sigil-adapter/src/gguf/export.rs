//! A base with an adapter as one GGUF file.
//!
//! The head is made first, since every size is known; then tensors go through one at a time. Vectors and
//! rotary factors stay f32, as llama.cpp's converter has it; a matrix whose rows are no whole blocks of
//! Q8_0 becomes F16. Next: `names.rs`.

use std::path::Path;

use sigil_run::PendingFile;
use sigil_weights::DecoderConfig;

use super::layout::{Slot, filling, head};
use super::metadata::describe;
use super::names::{Rows, place, reorder};
use super::vocabulary::Vocabulary;
use super::{TensorKind, Value};
use crate::AdapterError;
use crate::tensors::MergedTensors;

/// How a model is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Element type of matrices.
    pub kind: TensorKind,
    /// llama.cpp's name for how text is split; recognised if not given.
    pub pre: Option<String>,
    /// The model's name.
    pub name: String,
}

/// Where a tensor's elements come from.
#[derive(Debug)]
enum Origin {
    Model { tensor: String, rows: Rows },
    Factors(Vec<f32>),
}

/// A GGUF file that can be written.
#[derive(Debug)]
pub struct ExportPlan {
    metadata: Vec<(String, Value)>,
    slots: Vec<(Slot, Origin)>,
    /// What the user should know: differences that begin beyond some length.
    pub notes: Vec<String>,
}

impl ExportPlan {
    /// Plans the file; `tokenizer` is the folder with `tokenizer.json`.
    ///
    /// # Errors
    /// The architecture, a tensor or the tokenizer has no counterpart there.
    pub fn new(
        config: &DecoderConfig,
        tensors: &MergedTensors<'_>,
        tokenizer: &Path,
        options: &ExportOptions,
    ) -> Result<Self, AdapterError> {
        let description = describe(config, &options.name, options.kind)?;
        let mut metadata = description.metadata;
        let vocabulary = Vocabulary::read(tokenizer)?;
        metadata.extend(vocabulary.metadata(config, options.pre.as_deref())?);
        let mut slots = Vec::new();
        for (name, factors) in description.factors {
            let kind = TensorKind::F32;
            let bytes = factors.len() as u64 * 4;
            let slot = Slot { name: name.to_owned(), shape: vec![factors.len()], kind, bytes };
            slots.push((slot, Origin::Factors(factors)));
        }
        for outline in tensors.outlines()? {
            // A head that is the embedding is not written again.
            if outline.name == "lm_head.weight" && config.tie_word_embeddings {
                continue;
            }
            // Older files carry their rotary frequencies.
            if outline.name.ends_with(".rotary_emb.inv_freq") {
                continue;
            }
            let Some((name, rows)) = place(config, &outline.name) else {
                let what = format!("tensor `{}` has no name there", outline.name);
                return Err(AdapterError::NotExportable { what, hint: None });
            };
            let columns = outline.shape.last().copied().unwrap_or(1) as u64;
            let elements = outline.shape.iter().product::<usize>() as u64;
            let wanted = if outline.shape.len() < 2 { TensorKind::F32 } else { options.kind };
            let (kind, bytes) = match wanted.bytes(elements, columns) {
                Some(bytes) => (wanted, bytes),
                None => (TensorKind::F16, elements * 2),
            };
            let slot = Slot { name, shape: outline.shape, kind, bytes };
            slots.push((slot, Origin::Model { tensor: outline.name, rows }));
        }
        Ok(Self { metadata, slots, notes: description.notes })
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|(slot, _)| slot.bytes + filling(slot.bytes) as u64).sum()
    }

    /// Number of tensors.
    #[must_use]
    pub fn tensor_count(&self) -> usize {
        self.slots.len()
    }

    /// Writes the file; `progress` hears the bytes of every tensor that is done.
    ///
    /// # Errors
    /// A tensor that cannot be read or does not fit the type, or what the system reports.
    pub fn write(
        &self,
        tensors: &MergedTensors<'_>,
        file: &mut PendingFile,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), AdapterError> {
        let slots: Vec<Slot> = self.slots.iter().map(|(slot, _)| slot.clone()).collect();
        file.write_bytes(&head(&self.metadata, &slots))?;
        for (slot, origin) in &self.slots {
            let bytes = match origin {
                Origin::Factors(factors) => slot.kind.encode(&slot.name, factors)?,
                Origin::Model { tensor, rows } => {
                    let columns = if slot.shape.len() > 1 { slot.shape[1] } else { 1 };
                    let values = reorder(tensors.values(tensor)?, *rows, columns);
                    slot.kind.encode(tensor, &values)?
                }
            };
            debug_assert_eq!(bytes.len() as u64, slot.bytes);
            file.write_bytes(&bytes)?;
            file.write_bytes(&vec![0; filling(slot.bytes)])?;
            progress(slot.bytes);
        }
        Ok(())
    }
}
