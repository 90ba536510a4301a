//! `[quantization]`: how the frozen base is stored in mode `qlora`.
//!
//! Read next: `model.rs`, whose `mode` switches this section on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the frozen base is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuantizationSettings {
    /// The 4-bit number format.
    pub quant_type: QuantType,
    /// Store the scales in 8 bits as well (saves about 0.37 bits for each weight).
    pub use_double_quant: bool,
    /// Number format of activations. The CPU always computes in float32.
    pub compute_dtype: ComputeDtype,
}

impl Default for QuantizationSettings {
    fn default() -> Self {
        Self {
            quant_type: QuantType::Nf4,
            use_double_quant: true,
            compute_dtype: ComputeDtype::Auto,
        }
    }
}

/// The 4-bit number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuantType {
    /// NormalFloat: quantiles of the normal distribution.
    Nf4,
    /// A 4-bit floating-point number.
    Fp4,
}

/// Number format of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComputeDtype {
    /// bfloat16 on CUDA, float32 on the CPU.
    Auto,
    /// bfloat16 on CUDA (the CPU computes in float32 all the same).
    Bfloat16,
    /// float32 everywhere: slower and larger on CUDA.
    Float32,
}
