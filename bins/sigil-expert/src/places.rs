//! Where the other programs of sigil lie.

use std::env;
use std::path::{Path, PathBuf};

use sigil_expert::rounds::Program;

use crate::exit::Failure;

/// The program beside this one.
pub(crate) fn program(program: Program) -> Result<PathBuf, Failure> {
    let own = env::current_exe().map_err(|error| Failure::new(1, error))?;
    let path = own.with_file_name(format!("{}{}", program.name(), env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let message = format!("there is no {} in `{}`", program.name(), folder.display());
    Err(Failure::new(5, message)
        .hint("build all programs with `cargo build --release --locked --workspace`"))
}
