//! The tensors of a base with an adapter added, one at a time.
//!
//! `W + s · B · A` is computed in f32 and rounded once, by whoever writes it. A base that bitsandbytes
//! quantized is decoded; on request any base is taken through 4 bits first, which is what a QLoRA run
//! trained over. Nothing is held but the tensor in hand. Next: `merge.rs`, `gguf/export.rs`.

use std::collections::BTreeMap;

use half::{bf16, f16};
use rayon::prelude::*;
use sigil_weights::config::LinearModule;
use sigil_weights::peft::{LoraPair, resolve_targets};
use sigil_weights::tensor_files::TensorOutline;
use sigil_weights::{
    Adapter, DecoderConfig, Dtype, FourBit, QuantizedMatrix, WeightFiles, WeightsError,
};

use crate::AdapterError;

/// Elements per task of a conversion.
const CHUNK: usize = 1 << 16;

/// What the adapter is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// The base's weights as its files have them.
    Base,
    /// The weights that remain of the base after NF4 with double quantization.
    Nf4,
}

/// A base, perhaps with an adapter.
#[derive(Debug)]
pub struct MergedTensors<'a> {
    files: &'a WeightFiles,
    onto: Onto,
    modules: BTreeMap<String, LinearModule>,
    branches: BTreeMap<String, (&'a LoraPair, f32)>,
}

impl<'a> MergedTensors<'a> {
    /// Puts base and adapter together.
    ///
    /// # Errors
    /// The adapter was made for another model.
    pub fn new(
        config: &DecoderConfig,
        files: &'a WeightFiles,
        adapter: Option<&'a Adapter>,
        onto: Onto,
    ) -> Result<Self, AdapterError> {
        let list = config.linear_modules();
        let mut branches = BTreeMap::new();
        if let Some(adapter) = adapter {
            adapter.check_model(&list)?;
            let names: Vec<&str> = list.iter().map(|module| module.name.as_str()).collect();
            let targets = resolve_targets(&adapter.config, &names)?.modules;
            for (name, target) in names.iter().zip(targets) {
                if let (Some(target), Some(pair)) = (target, adapter.modules.get(*name)) {
                    branches.insert((*name).to_owned(), (pair, target.scaling as f32));
                }
            }
        }
        let modules = list.into_iter().map(|module| (module.name.clone(), module)).collect();
        Ok(Self { files, onto, modules, branches })
    }

    /// Name and shape of every tensor, by name; the parts of quantized weights are one tensor. The
    /// element types are those of the files, F32 where a weight was quantized.
    ///
    /// # Errors
    /// A weight is not of the shape that the architecture gives it.
    pub fn outlines(&self) -> Result<Vec<TensorOutline>, AdapterError> {
        let mut outlines = Vec::new();
        for name in self.files.names() {
            if is_quantized_part(name) {
                continue;
            }
            let view = self.files.get(name)?;
            let (mut dtype, mut shape) = (view.dtype, view.shape.to_vec());
            if let Some(module) = self.module_of(name) {
                let wanted = [module.out_features, module.in_features];
                if dtype == Dtype::U8 {
                    (dtype, shape) = (Dtype::F32, wanted.to_vec());
                } else {
                    view.expect_shape(&wanted)?;
                }
            }
            outlines.push(TensorOutline { name: name.to_owned(), dtype, shape });
        }
        for module in self.branches.keys() {
            // Found missing before anything is written.
            self.files.get(&format!("{module}.weight"))?;
        }
        Ok(outlines)
    }

    /// The elements of a tensor in f32, the adapter added where it has a branch.
    ///
    /// # Errors
    /// The tensor is missing, damaged, or of a type that is no float.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, AdapterError> {
        let Some(module) = self.module_of(name) else {
            let values = self.files.read_f32(name)?;
            self.files.release(name);
            return Ok(values);
        };
        let mut values = match self.files.quantized(&module.name)? {
            Some(quantized) => {
                let values = quantized.dequantize();
                self.files.release_quantized(&module.name);
                values
            }
            None => {
                let view = self.files.get(name)?;
                let values = match self.onto {
                    Onto::Base => view.to_f32()?,
                    Onto::Nf4 => {
                        QuantizedMatrix::quantize_tensor(&view, FourBit::Nf4, true)?.dequantize()
                    }
                };
                self.files.release(name);
                values
            }
        };
        if values.len() != module.out_features * module.in_features {
            return Err(WeightsError::WrongShape {
                path: self.files.root().to_owned(),
                tensor: name.to_owned(),
                found: vec![values.len()],
                expected: format!("{:?}", [module.out_features, module.in_features]),
            }
            .into());
        }
        if let Some((pair, scaling)) = self.branches.get(&module.name) {
            add_branch(&mut values, pair, *scaling);
        }
        Ok(values)
    }

    /// The bytes of a tensor as its file has them, where neither adapter nor conversion changes them.
    pub fn unchanged(&self, name: &str, dtype: Dtype) -> Option<&'a [u8]> {
        let module = self.module_of(name);
        let view = self.files.get(name).ok()?;
        let is_changed = module.is_some_and(|module| {
            self.onto == Onto::Nf4 || self.branches.contains_key(&module.name)
        });
        let is_float = matches!(view.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16);
        (!is_changed && (view.dtype == dtype || !is_float) && view.dtype != Dtype::U8)
            .then_some(view.bytes)
    }

    /// Gives the pages of a tensor back to the system.
    pub fn release(&self, name: &str) {
        self.files.release(name);
    }

    /// How many weights the adapter changes.
    #[must_use]
    pub fn branch_count(&self) -> usize {
        self.branches.len()
    }

    fn module_of(&self, tensor: &str) -> Option<&LinearModule> {
        self.modules.get(tensor.strip_suffix(".weight")?)
    }
}

/// Whether a name is that of a part beside a quantized weight (`P.weight.absmax` and its like).
fn is_quantized_part(name: &str) -> bool {
    name.contains(".weight.") && !name.ends_with(".weight")
}

/// `weight += scaling · B · A`: the product is summed up by itself first, so that small updates are not
/// lost in large weights one by one.
///
/// # Shapes
/// `weight [out, in]`, `A [rank, in]`, `B [out, rank]`, row-major.
fn add_branch(weight: &mut [f32], pair: &LoraPair, scaling: f32) {
    let columns = pair.in_features;
    weight.par_chunks_mut(columns).zip(pair.b.par_chunks(pair.rank)).for_each_init(
        || vec![0.0_f32; columns],
        |sum, (row, b)| {
            sum.fill(0.0);
            for (factor, a) in b.iter().zip(pair.a.chunks_exact(columns)) {
                for (sum, a) in sum.iter_mut().zip(a) {
                    *sum += factor * a;
                }
            }
            for (cell, sum) in row.iter_mut().zip(sum.iter()) {
                *cell += scaling * sum;
            }
        },
    );
}

/// Elements in a type that takes less room, little-endian.
///
/// # Errors
/// A finite value becomes infinite.
pub fn encode(tensor: &str, values: &[f32], dtype: Dtype) -> Result<Vec<u8>, AdapterError> {
    let size = dtype.bitsize() / 8;
    let mut bytes = vec![0; values.len() * size];
    let tasks = bytes.par_chunks_mut(CHUNK * size).zip(values.par_chunks(CHUNK));
    let overflow = tasks.map(|(out, values)| match dtype {
        Dtype::F32 => {
            for (out, value) in out.chunks_exact_mut(4).zip(values) {
                out.copy_from_slice(&value.to_le_bytes());
            }
            None
        }
        Dtype::BF16 => narrow(out, values, |value| {
            let short = bf16::from_f32(value);
            (short.to_le_bytes(), short.is_finite())
        }),
        _ => narrow(out, values, |value| {
            let short = f16::from_f32(value);
            (short.to_le_bytes(), short.is_finite())
        }),
    });
    match overflow.find_first(Option::is_some).flatten() {
        None => Ok(bytes),
        Some(value) => Err(AdapterError::Overflow {
            tensor: tensor.to_owned(),
            value,
            dtype: if dtype == Dtype::BF16 { "bfloat16" } else { "float16" },
        }),
    }
}

/// Writes two bytes a value; the first finite value that became infinite, if one did.
fn narrow(out: &mut [u8], values: &[f32], shorten: impl Fn(f32) -> ([u8; 2], bool)) -> Option<f32> {
    let mut lost = None;
    for (out, &value) in out.chunks_exact_mut(2).zip(values) {
        let (bytes, is_finite) = shorten(value);
        out.copy_from_slice(&bytes);
        if !is_finite && value.is_finite() && lost.is_none() {
            lost = Some(value);
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_added_with_its_scale() {
        let pair = LoraPair {
            rank: 2,
            in_features: 3,
            out_features: 2,
            a: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            b: vec![1.0, 0.5, -1.0, 2.0],
        };
        let mut weight = vec![10.0; 6];
        add_branch(&mut weight, &pair, 0.5);
        assert_eq!(weight, [11.5, 12.25, 13.0, 13.5, 14.0, 14.5]);
    }

    #[test]
    fn a_value_that_does_not_fit_is_told() {
        assert_eq!(encode("t", &[1.0], Dtype::BF16).expect("fits"), [0x80, 0x3f]);
        assert_eq!(encode("t", &[1.0], Dtype::F16).expect("fits"), [0x00, 0x3c]);
        assert_eq!(encode("t", &[1.0], Dtype::F32).expect("fits"), 1.0_f32.to_le_bytes());
        let error = encode("lm_head.weight", &[1.0, 7e4], Dtype::F16).expect_err("too large");
        assert_eq!(error.to_string(), "tensor `lm_head.weight` holds 7e4, which float16 cannot");
        assert!(encode("t", &[f32::INFINITY], Dtype::F16).is_ok(), "it was infinite before");
    }

    #[test]
    fn parts_of_quantized_weights_are_told_from_weights() {
        assert!(is_quantized_part("model.layers.0.mlp.up_proj.weight.absmax"));
        assert!(!is_quantized_part("model.layers.0.mlp.up_proj.weight"));
        assert!(!is_quantized_part("model.layers.0.self_attn.q_proj.bias"));
    }
}
