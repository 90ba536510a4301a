//! Where the other programs of sigil lie: the only file here that reads the environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sigil_expert::rounds::Program;

use crate::exit::Failure;

/// The program beside this one.
pub(crate) fn program(program: Program) -> Result<PathBuf, Failure> {
    let path = own()?.with_file_name(format!("{}{}", program.name(), env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let message = format!("there is no {} in `{}`", program.name(), folder.display());
    Err(Failure::new(5, message)
        .hint("build all programs with `cargo build --release --locked --workspace`"))
}

/// This program.
pub(crate) fn own() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::new(1, error))
}

/// Variables that would change what the programs do behind the settings' back.
pub(crate) fn setting_variables() -> Vec<OsString> {
    let is_setting = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with("SIGIL_"));
    env::vars_os().map(|(name, _)| name).filter(is_setting).collect()
}
