//! docs/reference/sigil-adapter.md is what the program itself says.
//!
//! `UPDATE_EXPECT=1 cargo test --workspace --test adapter` rewrites it after a change of the flags.

use std::{fs, path::Path};

use crate::program::Workplace;

const VERBS: [&str; 7] = ["inspect", "diff", "merge", "export", "card", "push", "report"];

#[test]
fn the_reference_of_the_command_is_current() {
    let place = Workplace::new();
    let help = |arguments: &[&str]| -> String {
        let text = place.well(arguments);
        text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    };
    let mut page = format!(
        "# sigil-adapter\n\nThis page is what the program prints for `--help`; a test keeps it \
         current. How it is used: [guides/adapters.md](../guides/adapters.md).\n\n```text\n{}```\n",
        help(&["--help"])
    );
    for verb in VERBS {
        page +=
            &format!("\n## `sigil-adapter {verb}`\n\n```text\n{}```\n", help(&[verb, "--help"]));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/sigil-adapter.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, page, "run `UPDATE_EXPECT=1 cargo test --workspace --test adapter`");
}
