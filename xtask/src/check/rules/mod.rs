//! The rules, one promise each; every file names the promise, its data and its tests.
//!
//! A rule is a function from what it reads to findings. To add one: write its file here, and name
//! it in the list in `../run.rs`.

pub(crate) mod changelog;
pub(crate) mod commands;
pub(crate) mod crate_arrows;
pub(crate) mod decisions;
pub(crate) mod defects;
pub(crate) mod file_shape;
pub(crate) mod inheritance;
pub(crate) mod links;
pub(crate) mod lockfile;
pub(crate) mod machine_traces;
pub(crate) mod presets;
pub(crate) mod reserved_calls;
pub(crate) mod reserved_packages;
pub(crate) mod shared_versions;
pub(crate) mod top_level;
