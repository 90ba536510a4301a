//! `adapter_config.json` as plain data.
//!
//! It holds what decides the computation; keys of PEFT that only say how an adapter came about are
//! not kept. It is both what a trainer fills in and what a folder says: parsing is `parse.rs`,
//! writing `write.rs`, matching modules `targets.rs`.

/// Which modules get an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// Full names, or their last dotted parts (`q_proj`, `self_attn.q_proj`).
    Names(Vec<String>),
    /// A regular expression that must match a module's full name, in Python's syntax.
    Pattern(String),
    /// Every linear layer but the output head.
    AllLinear,
}

/// A set of modules, as `exclude_modules` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSet {
    /// Full names, or their last dotted parts.
    Names(Vec<String>),
    /// A regular expression that must match a module's full name, in Python's syntax.
    Pattern(String),
}

/// A LoRA adapter's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// The base the adapter belongs to: a path or a name on the Hub.
    pub base_model_name_or_path: Option<String>,
    /// The base's revision.
    pub revision: Option<String>,
    /// Such as `CAUSAL_LM`.
    pub task_type: Option<String>,
    /// Width of the adapters, unless `rank_pattern` says otherwise.
    pub rank: usize,
    /// Strength of the adapters, unless `alpha_pattern` says otherwise.
    pub alpha: f64,
    /// Chance that an input element of the adapter is zeroed in training.
    pub dropout: f64,
    /// Whether the branch is scaled by `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub use_rslora: bool,
    /// Which modules.
    pub target_modules: TargetModules,
    /// Which modules not, even if targeted.
    pub exclude_modules: Option<ModuleSet>,
    /// Which layers only; none means all. Full names in `target_modules` are exempt.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Names of the layer list that `layers_to_transform` counts in; empty means any.
    pub layers_pattern: Vec<String>,
    /// Ranks of modules whose names match a pattern; the first match counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// Alphas of modules whose names match a pattern; the first match counts.
    pub alpha_pattern: Vec<(String, f64)>,
}

impl Default for AdapterConfig {
    /// PEFT's defaults (rank 8, alpha 8, no dropout) on all linear layers.
    fn default() -> Self {
        Self {
            base_model_name_or_path: None,
            revision: None,
            task_type: Some("CAUSAL_LM".to_owned()),
            rank: 8,
            alpha: 8.0,
            dropout: 0.0,
            use_rslora: false,
            target_modules: TargetModules::AllLinear,
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
        }
    }
}

impl AdapterConfig {
    /// What the adapter's output `B(A(x))` is multiplied with before it is added.
    #[must_use]
    pub fn scaling(&self, rank: usize, alpha: f64) -> f64 {
        let rank = rank as f64;
        alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}
