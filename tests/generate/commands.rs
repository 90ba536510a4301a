//! docs/reference/sigil-generate.md is what the program itself says.
//!
//! `UPDATE_EXPECT=1 cargo test --workspace --test generate` rewrites it after a change of the flags.

use std::{fs, path::Path};

use crate::program::Workplace;

#[test]
fn the_reference_of_the_command_is_current() {
    let place = Workplace::new();
    let help = |arguments: &[&str]| {
        let (stdout, stderr, code) = place.run(arguments);
        assert_eq!(code, Some(0), "{stderr}");
        stdout.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>()
    };
    let page = format!(
        "# sigil-generate\n\nThis page is what the program prints for `--help`; a test keeps it \
         current. What the flags are for is in [guides/generate.md](../guides/generate.md).\n\n\
         ```text\n{}```\n\n## `sigil-generate chat`\n\n```text\n{}```\n",
        help(&["--help"]),
        help(&["chat", "--help"]),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/sigil-generate.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, page, "run `UPDATE_EXPECT=1 cargo test --workspace --test generate`");
}
