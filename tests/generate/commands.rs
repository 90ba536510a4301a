//! docs/reference/sigil-generate.md is current.

use crate::reference::Page;

#[test]
fn the_reference_of_the_command_is_current() {
    let page = Page {
        name: "sigil-generate",
        program: env!("CARGO_BIN_EXE_sigil-generate"),
        test: "generate",
        besides: "What the flags are for is in [guides/generate.md](../guides/generate.md).",
        commands: &[&["chat"]],
    };
    page.check();
}
