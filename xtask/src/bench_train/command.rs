//! The verb `bench-train`: starts a process for each side of a case and has them take turns.
//!
//! The only file here that knows of the terminal and of files. Turns are short, so that what else
//! the machine does meanwhile slows both sides alike. Next: `worker.rs`.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::PathBuf;
use std::process::Command;

use super::protocol::{Hello, Worker};
use super::report::{CaseReport, Figures, Report};
use super::shape::{CONFIG, Case, SHAPE};
use super::worker;

/// The peer's side.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/bench_peft.py");
/// Steps of a turn.
const TURN: usize = 5;

/// Flags of `cargo xtask bench-train`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Timed steps of each side in each case
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps before the timed ones
    #[arg(long, default_value_t = 5)]
    warmup: u32,
    /// Threads of each side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// A Python that has torch, transformers and peft, to time them as well
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Be the process that times a case
    #[arg(long, hide = true)]
    worker: Option<Case>,
}

/// Times all cases and prints the figures.
///
/// # Errors
/// A process does not start or dies.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    if let Some(case) = arguments.worker {
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        return worker::serve(case, arguments.threads as usize, input, output);
    }
    let before = load_average();
    let mut cases = vec![];
    for case in Case::ALL {
        cases.push(time_case(case, arguments)?);
    }
    let report = Report {
        shape: SHAPE,
        model: serde_json::from_str(CONFIG).expect("the built-in config is JSON"),
        threads: arguments.threads as usize,
        warmup_steps: arguments.warmup as usize,
        load_average: [before, load_average()],
        cases,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report).expect("figures serialize"));
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn time_case(case: Case, arguments: &Arguments) -> miette::Result<CaseReport> {
    let ours = Worker::start("the worker", &mut our_command(case, arguments)?)?;
    let mut sides = vec![Side::new(ours)];
    let mut missing = "not timed: no --python was given".to_owned();
    if let Some(python) = &arguments.python {
        match Worker::start("the peer", &mut peer_command(python, case, arguments))? {
            (_, Hello { unavailable: Some(reason), .. }) => missing = reason,
            peer => sides.push(Side::new(peer)),
        }
    }
    for side in &mut sides {
        side.worker.time(arguments.warmup as usize)?;
    }
    let mut left = arguments.steps as usize;
    while left > 0 {
        let turn = left.min(TURN);
        for side in &mut sides {
            side.take(turn)?;
        }
        left -= turn;
    }
    let mut figures = sides.into_iter().map(Side::figures);
    let ours = figures.next().expect("our side is always there");
    Ok(CaseReport::new(case, ours, figures.next().ok_or(missing)))
}

fn our_command(case: Case, arguments: &Arguments) -> miette::Result<Command> {
    let program = std::env::current_exe()
        .map_err(|error| miette::miette!("this program's own path: {error}"))?;
    let mut command = Command::new(program);
    command.args(["bench-train", "--worker", case.name()]);
    command.args(["--threads", &arguments.threads.to_string()]);
    Ok(command)
}

fn peer_command(python: &PathBuf, case: Case, arguments: &Arguments) -> Command {
    let mut command = Command::new(python);
    let shape = serde_json::to_string(&SHAPE).expect("numbers serialize");
    command.args([PEER, case.name(), &arguments.threads.to_string(), &shape, CONFIG]);
    command
}

/// One process and what it has answered so far.
struct Side {
    worker: Worker,
    hello: Hello,
    steps: Vec<super::protocol::StepTime>,
    loss: f64,
    peak_resident_bytes: u64,
}

impl Side {
    fn new((worker, hello): (Worker, Hello)) -> Self {
        Self { worker, hello, steps: vec![], loss: f64::NAN, peak_resident_bytes: 0 }
    }

    fn take(&mut self, steps: usize) -> miette::Result<()> {
        let timed = self.worker.time(steps)?;
        self.steps.extend(timed.steps);
        self.loss = timed.loss;
        self.peak_resident_bytes = timed.peak_resident_bytes;
        Ok(())
    }

    fn figures(self) -> Figures {
        let Self { hello, steps, loss, peak_resident_bytes, .. } = self;
        let Hello { implementation, trained, .. } = hello;
        let tokens = SHAPE.step_tokens();
        Figures::new(implementation, trained, &steps, tokens, peak_resident_bytes, loss)
    }
}

/// The one-minute load average where Linux tells it.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
