//! The crate's tests from outside, in one program: linking seven would take longer than running.
//!
//! Read next: `messages.rs` (what a user sees), `elements.rs` (every setting, good and bad).

mod elements;
mod layers;
mod messages;
mod messages_of_rules;
mod messages_of_values;
mod migrating;
mod predecessor;
mod presets;
mod properties;
