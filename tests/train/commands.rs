//! docs/reference/sigil-train.md is what the program itself says.
//!
//! `UPDATE_EXPECT=1 cargo test --workspace --test train` rewrites it after a change of the flags.

use std::{fs, path::Path};

use crate::program::Workplace;

#[test]
fn the_reference_of_the_command_is_current() {
    let place = Workplace::new();
    let help = |arguments: &[&str]| {
        let output = place.bare().args(arguments).output().expect("starts");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>()
    };
    let page = format!(
        "# sigil-train\n\nThis page is what the program prints for `--help`; a test keeps it \
         current. Every setting is described in [configs/README.md](../../configs/README.md).\n\n\
         ```text\n{}```\n\n## `sigil-train doctor`\n\n```text\n{}```\n",
        help(&["--help"]),
        help(&["doctor", "--help"]),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/sigil-train.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, page, "run `UPDATE_EXPECT=1 cargo test --workspace --test train`");
}
