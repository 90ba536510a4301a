//! Where things lie on this machine, and how a program was called: what programs read of their
//! environment.
//!
//! For binaries only. Every other library takes such values as arguments, so that what it does depends
//! on nothing unseen; no library uses this crate (`cargo xtask check` sees to both). Empty variables
//! count as absent. The variables of the Hub are those of Hugging Face's `huggingface_hub`
//! (<https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>), so that a
//! model which one of both fetched is there for the other.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sigil_config::Secret;

/// Folders and variables that libraries are given.
#[derive(Debug, Clone)]
pub struct Places {
    /// Home folder of the user.
    pub home: Option<PathBuf>,
    /// Cargo's home folder.
    pub cargo_home: Option<PathBuf>,
    /// Folder for caches of sigil.
    pub cache: PathBuf,
    /// Cache of models and datasets, shared with the Hub's Python library.
    pub hub_cache: PathBuf,
    /// Address of the Hub, if another.
    pub hub_endpoint: Option<String>,
    /// Token of the Hub.
    pub hub_token: Option<Secret>,
    /// File in which the Hub's own tools keep the token after a login.
    pub hub_token_file: PathBuf,
    /// Whether the Hub may not be asked.
    pub hub_offline: bool,
    /// Where the CUDA toolkit's headers are searched first.
    pub cuda_path: Option<PathBuf>,
}

impl Places {
    /// Reads the environment.
    pub fn find() -> Self {
        Self::from_variables(|name| env::var_os(name), env::temp_dir)
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        temporary: impl FnOnce() -> PathBuf,
    ) -> Self {
        let folder = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let text = |name: &str| variable(name)?.into_string().ok().filter(|v| !v.is_empty());
        let home = folder("HOME");
        let cache_home = folder("XDG_CACHE_HOME")
            .or_else(|| home.as_ref().map(|home| home.join(".cache")))
            .unwrap_or_else(temporary);
        let hub_home = folder("HF_HOME").unwrap_or_else(|| cache_home.join("huggingface"));
        Self {
            cargo_home: folder("CARGO_HOME")
                .or_else(|| home.as_ref().map(|home| home.join(".cargo"))),
            cache: cache_home.join("sigil"),
            hub_token_file: folder("HF_TOKEN_PATH").unwrap_or_else(|| hub_home.join("token")),
            hub_cache: folder("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub")),
            hub_endpoint: text("HF_ENDPOINT"),
            hub_token: text("HF_TOKEN").map(Secret::new),
            hub_offline: text("HF_HUB_OFFLINE").is_some_and(|value| value != "0"),
            cuda_path: folder("CUDA_PATH"),
            home,
        }
    }

    /// Folder of the rows that `sigil-train` keeps.
    pub fn row_cache(&self) -> PathBuf {
        self.cache.join("rows")
    }
}

/// All variables that are text.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

/// Names of the models that come with sigil: the small base, and the same after it has seen solved tasks,
/// for rounds of expert iteration.
pub const BUILT_IN_MODELS: [&str; 2] = [sigil_config::BUILT_IN_BASE, "sigil-base-tasks"];

/// The small base model: beside an installed program, else in the source tree it was built from.
pub fn built_in_base() -> Option<PathBuf> {
    built_in_model(sigil_config::BUILT_IN_BASE)
}

/// One of [`BUILT_IN_MODELS`]: beside an installed program, else in the source tree it was built from.
pub fn built_in_model(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| {
        let folder = program.parent()?;
        let candidates = [folder.join(name), folder.join("../share/sigil").join(name)];
        candidates.into_iter().find(|path| path.is_dir())
    });
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    beside.or_else(|| source.is_dir().then_some(source))
}

/// The command as it was typed, for messages and model cards; a shell reads it back as the same
/// arguments. `program` stands for the path by which it was called.
pub fn command_line(program: &str) -> String {
    let rest = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    quoted(program, rest)
}

fn quoted(program: &str, arguments: impl Iterator<Item = String>) -> String {
    let quote = |argument: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    std::iter::once(program.to_owned()).chain(arguments.map(quote)).collect::<Vec<_>>().join(" ")
}

/// True when colours are unwanted (<https://no-color.org>).
pub fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Places {
        Places::from_variables(
            |name| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into()),
            || "/tmp".into(),
        )
    }

    #[test]
    fn the_nearer_variable_wins() {
        let near = places(&[
            ("HOME", "/h"),
            ("XDG_CACHE_HOME", "/x"),
            ("HF_HOME", "/f"),
            ("HF_HUB_CACHE", "/c"),
        ]);
        assert_eq!((near.hub_cache, near.cache), ("/c".into(), "/x/sigil".into()));
        let hub_home = places(&[("HOME", "/h"), ("HF_HOME", "/f")]);
        assert_eq!(hub_home.hub_cache, PathBuf::from("/f/hub"));
        let home = places(&[("HOME", "/h"), ("XDG_CACHE_HOME", ""), ("CARGO_HOME", "")]);
        assert_eq!(home.hub_cache, PathBuf::from("/h/.cache/huggingface/hub"));
        assert_eq!(home.cargo_home, Some("/h/.cargo".into()));
        assert_eq!(home.row_cache(), PathBuf::from("/h/.cache/sigil/rows"));
        let nothing = places(&[]);
        assert_eq!((nothing.cache, nothing.cargo_home), ("/tmp/sigil".into(), None));
    }

    #[test]
    fn offline_is_said_with_anything_but_zero() {
        assert!(places(&[("HF_HUB_OFFLINE", "1")]).hub_offline);
        assert!(places(&[("HF_HUB_OFFLINE", "yes")]).hub_offline);
        assert!(!places(&[("HF_HUB_OFFLINE", "0")]).hub_offline);
        assert!(!places(&[("HF_HUB_OFFLINE", "")]).hub_offline);
    }

    #[test]
    fn a_token_is_not_shown() {
        let debug = format!("{:?}", places(&[("HF_TOKEN", "hf_abc")]));
        assert!(!debug.contains("hf_abc"), "{debug}");
    }

    #[test]
    fn a_shell_reads_the_command_back() {
        let arguments = ["--set", "run.output_dir=my folder", "it's", ""].map(str::to_owned);
        assert_eq!(
            quoted("sigil-train", arguments.into_iter()),
            r"sigil-train --set 'run.output_dir=my folder' 'it'\''s' ''"
        );
    }
}
