//! Where things lie on this machine: the only file here that reads the environment.

use std::env;
use std::path::PathBuf;

use crate::exit::Failure;

/// `sigil-train`, beside this program.
pub(crate) fn trainer() -> Result<PathBuf, Failure> {
    let own = env::current_exe().map_err(|error| Failure::new(1, error))?;
    let path = own.with_file_name(format!("sigil-train{}", env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    let folder = path.parent().unwrap_or(&path).display().to_string();
    Err(Failure::new(5, format!("there is no sigil-train in `{folder}`"))
        .hint("build all programs with `cargo build --release --locked --workspace`"))
}

/// Variables that would change the settings of runs behind the sweep's back.
pub(crate) fn setting_variables() -> Vec<std::ffi::OsString> {
    let is_setting = |name: &std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.starts_with("SIGIL_") && name.contains("__"))
    };
    env::vars_os().map(|(name, _)| name).filter(is_setting).collect()
}
