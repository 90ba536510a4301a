//! The model against what transformers, PEFT and bitsandbytes compute themselves.
//!
//! `SIGIL_PARITY_DIR` points these tests at another folder of fixtures in the same layout. Tolerances
//! are those of the project's requirements: logits 2e-5 of the largest logit, losses 1e-5, gradients
//! 1e-4 (norm of the difference over norm); with f32 against f64 differing by about 1e-6 here, a wrong
//! epsilon, decay or mask shows.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

mod families;
mod fixture;
mod generation;
mod quantized_checkpoints;
mod sampling;
mod training;
