//! The names inside a run folder, in one place.
//!
//! Not the contents of the files: see `record.rs`, `manifest.rs`, `best.rs` and `metrics/`.

use crate::error::RunError;

pub(crate) const RECORD: &str = "run.json";
pub(crate) const LOCK: &str = "run.lock";
pub(crate) const LATEST: &str = "latest";
pub(crate) const BEST: &str = "best";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const TENSORBOARD: &str = "tensorboard";
pub(crate) const MANIFEST: &str = "manifest.json";
/// The manifest that is about to take the place of the other, while a card is replaced.
pub(crate) const NEXT_MANIFEST: &str = ".next-manifest.json";
/// The model card of a set, the one file that may be replaced after the commit.
pub(crate) const CARD: &str = "README.md";

/// Prefix of everything that is being written or removed; never part of a finished run.
pub(crate) const TEMPORARY: &str = ".tmp-";
/// Prefix of a set that is being replaced by one of the same step.
pub(crate) const REPLACED: &str = ".replaced-";

/// The folder name of a step's set, sorted by step up to 10^8 steps.
pub(crate) fn set_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// The step of a set's folder name; `None` for any other name.
pub(crate) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (set_name(step) == name).then_some(step)
}

/// Accepts names such as `adapter_config.json` or `tokenizer/tokenizer.json`: relative, portable,
/// not hidden, no way out of the folder.
pub(crate) fn check_file_name(name: &str) -> Result<(), RunError> {
    let bad = |reason| Err(RunError::BadName { name: name.to_owned(), reason });
    if name.len() > 200 {
        return bad("it is longer than 200 bytes");
    }
    for part in name.split('/') {
        if part.is_empty() {
            return bad("it is empty, absolute, or has an empty part");
        }
        if part.starts_with('.') {
            return bad("a part of it starts with a dot");
        }
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+=@".contains(&byte)) {
            return bad("only ASCII letters, digits and `._-+=@` are allowed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_names_go_both_ways() {
        for step in [0, 1, 123, 99_999_999, 100_000_000, u64::MAX] {
            assert_eq!(step_of(&set_name(step)), Some(step));
        }
        for foreign in ["step-1", "step-+0000001", "step-", "step-00000001x", ".tmp-step-00000001"]
        {
            assert_eq!(step_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn file_names_cannot_leave_the_folder() {
        for good in ["a", "adapter_model.safetensors", "tokenizer/vocab.json"] {
            assert!(check_file_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a b", "ä", "a\\b", "a\n"]
        {
            assert!(check_file_name(bad).is_err(), "{bad:?}");
        }
    }
}
