//! One target: built with coverage counters, run for a time, its figures read.

use std::path::{Path, PathBuf};
use std::process::Command;

use miette::{Context, IntoDiagnostic, Result, bail, miette};

/// The target triple; naming one keeps the counters out of build scripts and macros.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What makes libFuzzer's counters on stable rustc (LLVM's SanitizerCoverage).
const FLAGS: &str = "-Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Memory that a parser may use for one small input before it counts as a crash, in MiB.
const MEMORY_MIB: u32 = 2048;

/// Seconds that a parser may take for one input before it counts as a crash.
const INPUT_SECONDS: u32 = 20;

/// What one session did.
#[derive(Debug)]
pub(crate) struct Session {
    /// Inputs executed.
    pub(crate) executions: u64,
    /// Coverage: program points reached.
    pub(crate) points: u64,
    /// The end of the program's own words, if it crashed.
    pub(crate) crash: Option<String>,
}

/// Where things lie.
pub(crate) struct Places {
    /// `tests/fuzz`.
    pub(crate) workspace: PathBuf,
    /// Build output, corpora and crashes.
    pub(crate) output: PathBuf,
}

impl Places {
    /// The names of all targets, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn targets(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.workspace.join("targets")).into_diagnostic()? {
            let path = entry.into_diagnostic()?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Builds all targets.
    ///
    /// # Errors
    /// The build fails; a missing C++ compiler is one reason.
    pub(crate) fn build(&self) -> Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--locked", "--target", TRIPLE, "--target-dir"])
            .arg(&self.output)
            .env("RUSTFLAGS", FLAGS)
            .current_dir(&self.workspace)
            .status()
            .into_diagnostic()?;
        if status.success() {
            return Ok(());
        }
        Err(miette!(
            help = "libFuzzer needs a C++ compiler: apt-get install g++",
            "the build failed"
        ))
    }

    /// Runs one target for `seconds`.
    ///
    /// # Errors
    /// It does not start, or says nothing that can be read.
    pub(crate) fn fuzz(&self, target: &str, seconds: u32) -> Result<Session> {
        let corpus = self.output.join("corpus").join(target);
        let crashes = self.output.join("crashes");
        for folder in [&corpus, &crashes] {
            std::fs::create_dir_all(folder).into_diagnostic()?;
        }
        let mut command = Command::new(self.output.join(TRIPLE).join("release").join(target));
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
        command.arg(format!("-timeout={INPUT_SECONDS}"));
        command.arg(format!("-artifact_prefix={}/{target}-", crashes.display()));
        command.args(["-print_final_stats=1", "-max_len=65536"]).arg(&corpus);
        let seeds = self.workspace.join("seeds").join(target);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        let output = command
            .output()
            .into_diagnostic()
            .wrap_err_with(|| format!("starting the target `{target}`"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        let crash = (!output.status.success()).then(|| ending(&told));
        let Some(executions) = executions(&told).or(crash.is_some().then_some(0)) else {
            bail!("`{target}` ended without its figures: {}", ending(&told));
        };
        Ok(Session { executions, points: points(&told), crash })
    }
}

/// Reads `stat::number_of_executed_units: 1234`.
fn executions(told: &str) -> Option<u64> {
    let line =
        told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

/// Reads the last `cov: 567` of libFuzzer's progress lines.
fn points(told: &str) -> u64 {
    let figures = told.lines().filter_map(|line| line.split_once(" cov: ")?.1.split(' ').next());
    figures.filter_map(|figure| figure.parse().ok()).next_back().unwrap_or(0)
}

/// The last lines, where a panic and the path of its input are.
fn ending(told: &str) -> String {
    let lines: Vec<&str> = told.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The folder of the fuzz workspace in the repository at `root`.
pub(crate) fn places(root: &Path) -> Places {
    Places { workspace: root.join("tests/fuzz"), output: root.join("target/fuzz") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_prints() {
        let told = "#2\tINITED cov: 3 ft: 4 corp: 1/1b\n#900\tNEW    cov: 57 ft: 80 corp: 9/90b\n\
                    Done 1000 runs in 2 second(s)\nstat::number_of_executed_units: 1000\n";
        assert_eq!(executions(told), Some(1000));
        assert_eq!(points(told), 57);
        assert_eq!(executions("nothing"), None);
        assert_eq!(ending("a\nb"), "a\nb");
    }

    #[test]
    fn every_target_is_built() -> Result<()> {
        let places = places(crate::check::repository());
        let manifest = std::fs::read_to_string(places.workspace.join("Cargo.toml"));
        let manifest = manifest.into_diagnostic()?;
        let built = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/"));
        let mut built: Vec<String> =
            built.map(|rest| rest.trim_end_matches(".rs\"").to_owned()).collect();
        built.sort();
        assert_eq!(built, places.targets()?);
        Ok(())
    }
}
