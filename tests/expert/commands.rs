//! docs/reference/sigil-expert.md is current.

use crate::reference::Page;

#[test]
fn the_reference_of_the_command_is_current() {
    let page = Page {
        name: "sigil-expert",
        program: env!("CARGO_BIN_EXE_sigil-expert"),
        test: "expert",
        besides: "What it does is in [guides/expert.md](../guides/expert.md).",
        commands: &[
            &["run"],
            &["tasks"],
            &["tasks", "train"],
            &["tasks", "write"],
            &["tasks", "check"],
        ],
    };
    page.check();
}
