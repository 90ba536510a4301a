//! The real `sigil-eval`, judging in the real sandbox: what it writes, and with which code it ends.

mod alone;
mod commands;
mod nats;
mod programs;
mod queue;
#[path = "../reference/mod.rs"]
mod reference;
