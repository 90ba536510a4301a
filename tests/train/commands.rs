//! docs/reference/sigil-train.md is current.

use crate::reference::Page;

#[test]
fn the_reference_of_the_command_is_current() {
    let page = Page {
        name: "sigil-train",
        program: env!("CARGO_BIN_EXE_sigil-train"),
        test: "train",
        besides: "Every setting is described in [configs/README.md](../../configs/README.md).",
        commands: &[&["doctor"]],
    };
    page.check();
}
