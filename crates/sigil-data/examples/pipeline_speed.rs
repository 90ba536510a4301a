//! Measures the pipeline alone over any source: `pipeline_speed SOURCE TOKENIZER [--json]`.
//!
//! SOURCE is written as in `dataset.names`, TOKENIZER is a model folder. The figures are those of
//! `cargo xtask bench-filter`, whose file this includes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use sigil_data::{ReadSettings, SourceSpec, StreamError, Tokenizer};
use sigil_filter::RuleSet;

#[path = "../../../xtask/src/bench_filter/pipeline.rs"]
mod pipeline;
/// What `xtask/src/bench_filter/timer.rs` measures, from what Linux says of this process.
mod timer {
    use std::time::Instant;

    use serde::Serialize;

    /// Clock ticks of `/proc` in a second.
    const TICKS_PER_SEC: f64 = 100.0;

    #[derive(Clone, Copy, Debug, Serialize)]
    pub(super) struct Spent {
        pub(super) cpu_secs: f64,
        pub(super) wall_secs: f64,
    }

    pub(super) fn measure<T>(work: impl FnOnce() -> T) -> (T, Spent) {
        let (cpu, wall) = (cpu_secs(), Instant::now());
        let result = work();
        let spent = Spent { cpu_secs: cpu_secs() - cpu, wall_secs: wall.elapsed().as_secs_f64() };
        (result, spent)
    }

    /// User and system time of all threads; 0 where there is no `/proc`.
    fn cpu_secs() -> f64 {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program stands in parentheses and may hold spaces.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SEC
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--json").collect();
    let [source, tokenizer] = arguments.as_slice() else {
        eprintln!("usage: pipeline_speed SOURCE TOKENIZER [--json]");
        return ExitCode::from(2);
    };
    match measure(source, tokenizer) {
        Ok(report) if env::args().any(|word| word == "--json") => {
            println!("{}", serde_json::to_string_pretty(&report).expect("figures are plain data"));
            ExitCode::SUCCESS
        }
        Ok(report) => {
            print!("{}", report.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(
    source: &str,
    tokenizer: &str,
) -> Result<pipeline::PipelineReport, Box<dyn std::error::Error>> {
    let mut read = ReadSettings::new(env::current_dir()?);
    let folder =
        |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    read.cargo_home = folder("CARGO_HOME").or_else(|| Some(folder("HOME")?.join(".cargo")));
    let input = pipeline::Input {
        source: SourceSpec::from(source),
        read,
        rules: RuleSet::phase2(),
        tokenizer: Arc::new(Tokenizer::load(Path::new(tokenizer))?),
        trainer_tokens_per_sec: 12_000.0,
        steps: 20,
    };
    let report: Result<_, StreamError> = pipeline::run(&input);
    Ok(report?)
}
