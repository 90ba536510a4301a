//! Operations tried on a device at hand: do they agree with the plain version, and how fast are they.
//!
//! For programs that have a card for minutes and must not lose them: every case is a closure of its
//! own, so that one that fails leaves the others. Nothing here reads a clock or prints. Sizes are
//! given; [`Sizes::LLAMA_8B`] is what matters. Read `parity.rs` next.

mod choosing;
mod inputs;
mod parity;
mod parity_linear;
mod parity_optimizer;
mod parity_quantize;
mod self_check;
mod speed;

pub use parity::{ParityCase, parity_cases};
pub use self_check::{Disagreement, self_check};
pub use speed::{Sizes, SpeedCase, speed_cases};

use burn::tensor::backend::Backend;

/// Waits until everything given to the device is done.
///
/// # Errors
/// What the device says about a launch that failed since the last wait.
pub fn wait<B: Backend>(device: &B::Device) -> Result<(), String> {
    B::sync(device).map_err(|error| format!("{error:?}"))
}

/// Gives the memory that no tensor holds back to the device.
pub fn release<B: Backend>(device: &B::Device) {
    B::memory_cleanup(device);
}
