//! Judges real samples in the real sandbox, with the toolchain of this workspace.
//!
//! One test binary with one judge, since opening the sandbox costs more than a sample. Where no sandbox
//! can be used these tests fail and say why: a judge that cannot judge is not green. The forged passes
//! are in `judging/forgeries.rs`.
#![expect(clippy::print_stderr, reason = "a test says on which sandbox it ran")]

mod judging {
    pub(crate) mod bench;
    mod benchmarks;
    mod forgeries;
    mod lints;
    mod projects;
    mod reruns;
    mod taxonomy;
}
