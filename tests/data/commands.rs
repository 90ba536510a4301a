//! docs/reference/sigil-data.md is current.

use crate::reference::Page;

#[test]
fn the_reference_of_the_command_is_current() {
    let page = Page {
        name: "sigil-data",
        program: env!("CARGO_BIN_EXE_sigil-data"),
        test: "data",
        besides: "What the commands are for is in [guides/data.md](../guides/data.md).",
        commands: &[&["filter"], &["preview"], &["batches"], &["stats"], &["cache"]],
    };
    page.check();
}
