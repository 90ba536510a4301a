//! Compiles and lints a sample in one pass of `clippy-driver`, and says when that pass does not decide.
//!
//! The rule, in full. One pass compiles the sample (with the few lines behind it through which a harness
//! calls it) and lints it. If the pass has an error of the compiler in the sample's own lines, the sample
//! does not compile. If it has none at all, it compiles. A plain `rustc` run over the sample alone
//! decides in the remaining cases: all errors are clippy's, or the ban on `unsafe` that tests need, or
//! lie in the lines behind the sample; and before any of that, whenever the text could tell the two
//! compilers apart (it mentions `clippy` in a condition), names a lint that the pass sets itself, or ends
//! in an attribute or documentation that would swallow the lines behind it.
//!
//! "Compiles" means that the compiler ended with code 0 *and* left its artefact. Next: `test_stage.rs`.

use serde::{Deserialize, Serialize};
use sigil_sandbox::{Ended, Infra, Job, TakenFile};

use super::diagnostics::{Diagnostic, Errors, Lints, parse, rendered};
use super::judge::Bench;
use super::verdict::{Limit, Stage, StageCost};
use crate::source::{ItemKind, TokenKind, items, tokens};

/// What a text is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrateKind {
    /// A library: it has items and none of them is `main`.
    Library,
    /// A program.
    Program,
}

impl CrateKind {
    /// What a text is: a library if it has items and none of them is `main`.
    pub fn of(text: &str) -> Self {
        let all = items(text);
        let real = |kind| !matches!(kind, ItemKind::Other | ItemKind::InnerAttribute);
        let has_items = all.iter().any(|item| real(item.kind));
        let has_main = all.iter().any(|item| {
            item.name.as_deref() == Some("main") && item.kind == ItemKind::Function
                || item.kind == ItemKind::Use && text[item.span.clone()].contains("main")
        });
        if has_items && !has_main { Self::Library } else { Self::Program }
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Library => "lib",
            Self::Program => "bin",
        }
    }
}

/// What compiling a sample said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileReport {
    /// Whether the sample compiles by itself.
    pub compiled: bool,
    /// A limit that stopped the compiler.
    pub limit: Option<Limit>,
    /// Whether a plain rustc run decided.
    pub second_pass: bool,
    /// Its errors.
    pub errors: Errors,
    /// Its lints.
    pub lints: Lints,
    /// Whether the ban on `unsafe` was met.
    pub uses_unsafe: bool,
    /// Whether the lines through which a harness calls it did not compile.
    pub wrong_interface: bool,
    /// Lines of the compiler's output that were no messages.
    pub noise_lines: u32,
    /// The first messages.
    pub message: String,
}

/// A report, and what it leaves for the tests.
pub(crate) struct Compiled {
    pub(crate) report: CompileReport,
    /// The sample as a library, if it can be tested.
    pub(crate) library: Option<Vec<u8>>,
    pub(crate) costs: Vec<StageCost>,
}

/// What to compile.
pub(crate) struct Unit<'a> {
    pub(crate) text: &'a str,
    /// The harness's lines behind it; `None` if there are no tests to run.
    pub(crate) appended: Option<&'a str>,
    pub(crate) edition: &'a str,
    pub(crate) kind: CrateKind,
    /// `--extern` arguments.
    pub(crate) externs: &'a [String],
    /// Names of the crates that these give.
    pub(crate) known: &'a [String],
}

/// One run of a compiler.
struct Pass {
    ended: Ended,
    found: Vec<Diagnostic>,
    noise: u32,
    artefact: Option<Vec<u8>>,
    /// Messages were cut off.
    cut: bool,
}

impl Pass {
    fn succeeded(&self) -> bool {
        self.ended.is_success() && self.artefact.is_some()
    }
}

/// Where the compiler's artefact is.
const ARTEFACT: &str = "/box/libsample.out";

/// A library for one sample of a few kilobytes is not larger than this.
const MOST_ARTEFACT_BYTES: u64 = 64 << 20;

impl Unit<'_> {
    /// Whether the text could tell the one pass from a plain run.
    fn is_doubtful(&self) -> bool {
        let all = tokens(self.text);
        let word = |index: usize| all.get(index).map_or("", |token| token.text(self.text));
        let named =
            (0..all.len()).filter(|index| all[*index].kind == TokenKind::Word).any(|index| {
                match word(index) {
                    "clippy" => !(word(index + 1) == ":" && word(index + 2) == ":"),
                    "dead_code" | "unused" | "unsafe_code" => true,
                    _ => false,
                }
            });
        let swallows = match all.iter().rev().find(|token| token.kind != TokenKind::Comment) {
            Some(token) => {
                token.kind == TokenKind::DocComment || token.kind == TokenKind::Close(b']')
            }
            None => false,
        };
        named || (self.appended.is_some() && swallows)
    }
}

/// Compiles a sample.
///
/// # Errors
/// If the sandbox fails.
pub(crate) fn compile(bench: &Bench<'_>, unit: &Unit<'_>) -> Result<Compiled, Infra> {
    let mut costs = Vec::new();
    let own_lines = unit.text.lines().count();
    let whole = format!("{}{}", unit.text, unit.appended.unwrap_or_default());
    let forbid = unit.appended.is_some() && !bench.options.allow_unsafe;
    let first = run(bench, unit, &whole, "clippy-driver", forbid, false, &mut costs)?;
    let mut report = CompileReport {
        limit: Limit::of(first.ended),
        noise_lines: first.noise,
        ..CompileReport::default()
    };
    if report.limit.is_some() {
        return Ok(Compiled { report, library: None, costs });
    }
    let most = bench.options.message_bytes;
    let own = |diagnostic: &&Diagnostic| diagnostic.line <= own_lines;
    let errors = || first.found.iter().filter(|d| d.error);
    let hard_own = || errors().filter(own).filter(|d| !is_soft(d));
    report.uses_unsafe = forbid && errors().any(bans_unsafe);
    report.lints = Lints::of(first.found.iter().filter(own), &bench.identity.lint_groups);
    let mut library = None;
    if !unit.is_doubtful() && (first.succeeded() || hard_own().next().is_some()) {
        report.compiled = first.succeeded();
        report.errors = Errors::of(hard_own(), unit.known);
        report.message = rendered(hard_own(), most);
        library = first.artefact;
    } else if !unit.is_doubtful() && errors().next().is_none() && !first.cut {
        // No message and no artefact: the compiler itself broke.
        report.errors.class = Some(super::taxonomy::ErrorClass::InternalCompilerError);
        report.message = format!("the compiler ended with {} and no message", first.ended);
    } else {
        let plain = run(bench, unit, unit.text, "rustc", false, true, &mut costs)?;
        report.second_pass = true;
        report.limit = Limit::of(plain.ended);
        report.compiled = plain.succeeded();
        if !report.compiled {
            let plain_errors = || plain.found.iter().filter(|d| d.error);
            report.errors = Errors::of(plain_errors(), unit.known);
            report.message = rendered(plain_errors(), most);
        } else if first.succeeded() {
            library = first.artefact;
        } else if unit.appended.is_some() && !report.uses_unsafe {
            // Only lints were in the way of the library, unless an error in the lines behind says
            // that the function asked for is not there.
            let behind = || errors().filter(|d| !own(d) && !is_lint(d));
            report.wrong_interface = behind().next().is_some();
            report.message = rendered(behind(), most);
            if !report.wrong_interface {
                let again = run(bench, unit, &whole, "rustc", false, false, &mut costs)?;
                report.limit = Limit::of(again.ended);
                let left = again.found.iter().filter(|d| d.error);
                report.message = rendered(left, most);
                report.wrong_interface = !again.succeeded() && report.limit.is_none();
                library = again.artefact;
            }
        }
    }
    if !report.compiled {
        report.lints = Lints::default();
        library = None;
    }
    Ok(Compiled { report, library: library.filter(|_| unit.appended.is_some()), costs })
}

/// Whether an error says nothing about compiling: a lint of clippy, or the ban on `unsafe`.
fn is_soft(error: &Diagnostic) -> bool {
    error.code.as_deref().is_some_and(|code| code.starts_with("clippy::")) || bans_unsafe(error)
}

fn is_lint(error: &Diagnostic) -> bool {
    error
        .code
        .as_deref()
        .is_some_and(|code| code == "E0453" || code.starts_with(|c: char| c.is_lowercase()))
}

fn bans_unsafe(error: &Diagnostic) -> bool {
    match error.code.as_deref() {
        Some("unsafe_code") => true,
        Some("E0453") => error.message.contains("unsafe_code"),
        _ => false,
    }
}

/// Runs a compiler over a text. `alone` leaves lints as the sample sets them and makes no library.
fn run(
    bench: &Bench<'_>,
    unit: &Unit<'_>,
    text: &str,
    program: &str,
    forbid_unsafe: bool,
    alone: bool,
    costs: &mut Vec<StageCost>,
) -> Result<Pass, Infra> {
    let library = unit.appended.is_some() && !alone;
    let mut job = bench.compiler(program, unit.edition);
    job = job
        .args(["sample.rs", "--crate-name=sample", "--crate-type", unit.kind.argument()])
        .arg(format!("--emit={}={ARTEFACT}", if library { "link" } else { "metadata" }))
        .args(unit.externs)
        .input("/box/sample.rs", text.as_bytes().to_vec())
        .output(ARTEFACT, MOST_ARTEFACT_BYTES);
    if !alone {
        // Nothing calls the functions of a snippet.
        if unit.kind == CrateKind::Library {
            job = job.arg("-Adead_code");
        }
        if program == "clippy-driver" {
            job = job.args(bench.options.lint_groups.iter().map(|group| format!("-W{group}")));
        } else {
            // A library after all: which lints it denies was decided before.
            job = job.args(["--cap-lints", "allow"]);
        }
    }
    if forbid_unsafe {
        job = job.arg("-Funsafe_code");
    }
    let outcome = bench.run(&job)?;
    costs.push(StageCost::new(Stage::Compile, &outcome.usage));
    let (found, noise) = parse(&outcome.stderr.to_text());
    let artefact = outcome.files.into_iter().find_map(|(_, file)| match file {
        TakenFile::Bytes(bytes) => Some(bytes),
        _ => None,
    });
    let cut = outcome.stderr.total_bytes > outcome.stderr.bytes.len() as u64;
    Ok(Pass { ended: outcome.ended, found, noise, artefact, cut })
}

impl Bench<'_> {
    /// A compiler with the arguments and variables that every run of it has.
    pub(crate) fn compiler(&self, program: &str, edition: &str) -> Job {
        let mut job = Job::new(&self.compile_root, self.toolchain_inside.join("bin").join(program))
            .args(["--edition", edition, "--error-format=json"])
            .args(["-Copt-level=0", "-Cdebuginfo=0", "-Ccodegen-units=1", "-Cstrip=debuginfo"])
            .arg("-Cprefer-dynamic")
            .env("PATH", "/usr/bin:/bin")
            .env("LD_LIBRARY_PATH", self.toolchain_inside.join("lib"))
            .env("LC_ALL", "C")
            .env("TMPDIR", "/tmp")
            .env("RUSTC_ICE", "0");
        if let Some(set) = &self.set_inside {
            job = job.arg(format!("-Ldependency={}", set.display()));
        }
        // The linker's front end looks for itself there.
        job.proc = true;
        job.load_ahead = self.options.load_ahead;
        job.limits = self.options.compile_limits.clone();
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_program_or_a_library() {
        let check = |text, wanted| assert_eq!(CrateKind::of(text), wanted, "{text}");
        check("fn main() {}", CrateKind::Program);
        check("pub use a::run as main;", CrateKind::Program);
        check("fn f() {} // fn main() {}", CrateKind::Library);
        check("mod m { fn main() {} }", CrateKind::Library);
        check("hello world", CrateKind::Program);
        check("", CrateKind::Program);
    }

    #[test]
    fn doubtful_texts_are_known() {
        let check = |text: &str, wanted| {
            let unit = Unit {
                text,
                appended: Some("x"),
                edition: "2021",
                kind: CrateKind::Library,
                externs: &[],
                known: &[],
            };
            assert_eq!(unit.is_doubtful(), wanted, "{text}");
        };
        check("#![deny(clippy::all)] fn f() {}", false);
        check("#[cfg(not(clippy))] fn f() {}", true);
        check("#![deny(dead_code)] fn f() {}", true);
        check("fn f() {}\n/// swallows", true);
        check("fn f() {}\n#[cfg(any())]", true);
        check("fn f() {}\n// clippy dead_code", false);
    }
}
