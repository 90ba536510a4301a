//! Where things lie on this machine: the only file here that reads the environment.

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

/// The small base model: beside an installed program, else in the source tree it was built from.
pub(crate) fn built_in_base() -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| {
        let folder = program.parent()?;
        let candidates = [folder.join("sigil-base"), folder.join("../share/sigil/sigil-base")];
        candidates.into_iter().find(|path| path.is_dir())
    });
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sigil-base");
    beside.or_else(|| source.is_dir().then_some(source))
}

/// The command as it was typed, for messages.
pub(crate) fn command_line() -> String {
    let quote = |argument: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let rest = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let words = std::iter::once("sigil-expert".to_owned()).chain(rest.map(quote));
    words.collect::<Vec<_>>().join(" ")
}
