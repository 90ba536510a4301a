//! `[lora]`: the low-rank adapters, in PEFT's terms.
//!
//! Adapters start as in PEFT: A kaiming-uniform, B zero. What PEFT offers beyond these fields is
//! refused by name in `legacy.rs`. Read next: `targets.rs` (which targets exist in a model).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The low-rank adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoraSettings {
    /// Rank of the adapters.
    #[schemars(range(min = 1))]
    pub r: usize,
    /// Numerator of the scale: the adapter's output is multiplied by alpha / r (with `use_rslora`,
    /// by alpha / sqrt(r)).
    #[schemars(range(min = 1))]
    pub alpha: usize,
    /// Share of the adapter's inputs dropped in training, from 0 to below 1.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Projections that get an adapter: a list of names, one string joined by `;`, or `all-linear`.
    #[schemars(length(min = 1), extend("type" = ["array", "string"]))]
    pub target_modules: Vec<String>,
    /// Scale by alpha / sqrt(r) instead of alpha / r.
    pub use_rslora: bool,
    /// Indices of the layers that get adapters. Not set: all of them.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Ranks that differ, by module name or regular expression.
    #[schemars(extend("additionalProperties" = {"type": "integer", "minimum": 1}))]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Alphas that differ, by module name or regular expression.
    #[schemars(extend("additionalProperties" = {"type": "integer", "minimum": 1}))]
    pub alpha_pattern: BTreeMap<String, usize>,
}

/// Which linear modules get an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets<'a> {
    /// Every linear module of the decoder layers (`all-linear`).
    AllLinear,
    /// Modules whose name ends in one of these.
    Named(&'a [String]),
}

impl LoraSettings {
    /// Returns which linear modules get an adapter.
    pub fn targets(&self) -> Targets<'_> {
        if self.target_modules.iter().any(|name| name == "all-linear") {
            Targets::AllLinear
        } else {
            Targets::Named(&self.target_modules)
        }
    }
}

impl Default for LoraSettings {
    fn default() -> Self {
        let seven = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", "gate_proj"];
        Self {
            r: 16,
            alpha: 16,
            dropout: 0.05,
            target_modules: seven.map(str::to_owned).to_vec(),
            use_rslora: false,
            layers_to_transform: None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
        }
    }
}
