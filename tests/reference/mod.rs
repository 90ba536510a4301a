//! Pages of docs/reference are what the programs print for `--help`; the tests of each program include
//! this file.
//!
//! `UPDATE_EXPECT=1 cargo test --workspace --test TEST commands` rewrites a page after a change of flags.

use std::{fs, path::Path, process::Command};

/// A page and where its text comes from.
pub(crate) struct Page<'a> {
    /// Name of the program and of the page.
    pub(crate) name: &'a str,
    /// The built program.
    pub(crate) program: &'a str,
    /// The test that is asked for in the message.
    pub(crate) test: &'a str,
    /// A sentence about what to read besides.
    pub(crate) besides: &'a str,
    /// Commands of the program that get a section, each with its words.
    pub(crate) commands: &'a [&'a [&'a str]],
}

impl Page<'_> {
    /// Compares the committed page with what the program says.
    pub(crate) fn check(&self) {
        let Self { name, program, test, besides, commands } = self;
        let help = |arguments: &[&str]| {
            let mut command = Command::new(program);
            let output = command.env_clear().args(arguments).arg("--help").output();
            let output = output.expect("the program starts");
            assert!(output.status.success(), "{name} {arguments:?} --help: {output:?}");
            let text = String::from_utf8(output.stdout).expect("text");
            text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>()
        };
        let mut page = format!(
            "# {name}\n\nThis page is what the program prints for `--help`; a test keeps it current. \
             {besides}\n\n```text\n{}```\n",
            help(&[]),
        );
        for words in *commands {
            page += &format!("\n## `{name} {}`\n\n```text\n{}```\n", words.join(" "), help(words));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/reference")
            .join(format!("{name}.md"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &page).expect("written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let mend = format!("UPDATE_EXPECT=1 cargo test --workspace --test {test} commands");
        assert_eq!(committed, page, "run `{mend}`");
    }
}
