//! docs/reference/sigil-eval.md is current.

use crate::reference::Page;

#[test]
fn the_reference_of_the_command_is_current() {
    let page = Page {
        name: "sigil-eval",
        program: env!("CARGO_BIN_EXE_sigil-eval"),
        test: "eval",
        besides: "What the flags are for is in [guides/judging.md](../guides/judging.md).",
        commands: &[
            &["check"],
            &["compare"],
            &["deps"],
            &["deps", "build"],
            &["deps", "list"],
            &["humaneval"],
            &["watch"],
            &["cache"],
            &["worker"],
            &["queue"],
        ],
    };
    page.check();
}
