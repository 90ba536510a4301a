//! The attack table: every attack on the sandboxes of this machine, each beside its control.
//!
//! `cargo test -p sigil-sandbox --test attacks` tries the strongest backend and the reduced tier;
//! `-- --every-backend`, or `SIGIL_EVERY_BACKEND` in the environment, tries all that this machine has. The
//! table goes to standard output, with the backend of every line, so that nobody takes a run on a weak
//! machine for one on a strong one. Started by root it starts itself again as an ordinary user (`--as-user`).
//!
//! Next: `table.rs`.

#![expect(clippy::print_stdout, reason = "the table is what this test is for")]

mod at_compile_time;
mod at_run_time;
mod ground;
mod run;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    // What `cargo test` passes to every test, such as a filter that names another.
    if has("--list") {
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        arguments.iter().find_map(|argument| argument.strip_prefix(name)).map(PathBuf::from)
    };
    let settings = run::Settings {
        every_backend: has("--every-backend") || std::env::var_os("SIGIL_EVERY_BACKEND").is_some(),
        as_user: has("--as-user"),
        program: value("--program="),
        folder: value("--folder=").unwrap_or_else(|| "/var/tmp".into()),
    };
    if run::run(&settings) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
