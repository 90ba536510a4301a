//! `sigil-generate`: samples from a code model and its adapters, and chats with it.
//!
//! This file only parses arguments and hands over. Next: `cli.rs`, then `samples.rs`.
#![recursion_limit = "256"]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod chat;
mod cli;
mod conversation;
mod device;
mod exit;
mod load;
mod model;
mod output;
mod plain;
mod progress;
mod prompt_tokens;
mod prompts;
mod samples;
mod selection;
mod yaml;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments = cli::Arguments::parse();
    let result = match &arguments.verb {
        Some(cli::Verb::Chat(chat)) => chat::run(&arguments, chat),
        None => samples::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
