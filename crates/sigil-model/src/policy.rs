//! What a layer keeps of its forward pass for its backward pass.
//!
//! Memory for time: what is not kept is computed again. Numbers do not change, because random masks
//! are functions of a seed and an index. Read `layer.rs` next.

/// What is kept of one layer, from most memory to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckpointPolicy {
    /// Everything; nothing is computed again.
    None,
    /// All but the norms' outputs and the MLP's product, which are cheap to compute again.
    Minimal,
    /// The layer's input only; the layer is run again.
    Inputs,
    /// As `Inputs`, with the input moved to host memory meanwhile.
    Offload,
}

impl CheckpointPolicy {
    /// All policies, from most memory to least.
    pub const ALL: [Self; 4] = [Self::None, Self::Minimal, Self::Inputs, Self::Offload];

    /// The name in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Inputs => "inputs",
            Self::Offload => "offload",
        }
    }
}
