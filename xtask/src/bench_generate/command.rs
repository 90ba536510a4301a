//! The verb `bench-generate`: starts a process for each side and has them take turns, so that what
//! else the machine does meanwhile slows both alike. Next: `worker.rs`.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::report::{Figures, Report, Row};
use super::side::{Hello, Round, Side};
use super::worker::{self, Work};

/// The peer's side.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/bench_generate.py");
/// Sequences at the same time.
const BATCHES: [usize; 4] = [1, 8, 32, 128];

/// Quiet before every round. The threads of a side whose turn has ended may go on asking for work
/// (those of GCC's OpenMP, which PyTorch has, for milliseconds) on cores that the other is timed on.
const PAUSE_MILLIS: u32 = 100;

/// Flags of `cargo xtask bench-generate`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Folder of the model
    #[arg(long, value_name = "FOLDER", default_value = "configs/sigil-base")]
    model: PathBuf,
    /// Hold the linear layers in NF4 on our side (the peer has no such mode on the CPU)
    #[arg(long)]
    nf4: bool,
    /// Tokens of every prompt
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    prompt_tokens: u32,
    /// New tokens of every sequence
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..))]
    new_tokens: u32,
    /// Timed rounds of each side at each batch size
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Milliseconds of quiet before each round
    #[arg(long, default_value_t = PAUSE_MILLIS)]
    pause_millis: u32,
    /// Threads of each side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// A Python that has torch and transformers, to time them as well
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Be the process that times our side
    #[arg(long, hide = true)]
    worker: bool,
}

/// Times all batch sizes and prints the figures.
///
/// # Errors
/// A process does not start or dies.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    if arguments.worker {
        let work = Work {
            model: &arguments.model,
            nf4: arguments.nf4,
            prompt_tokens: arguments.prompt_tokens as usize,
            new_tokens: arguments.new_tokens as usize,
        };
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        return worker::serve(work, arguments.threads as usize, input, output);
    }
    let before = load_average();
    let (mut ours, hello) = Side::start("the worker", &mut our_command(arguments)?)?;
    let mut peer_name = "not timed: no --python was given".to_owned();
    let mut peer = None;
    if let Some(python) = &arguments.python {
        let (side, Hello { implementation, unavailable }) =
            Side::start("the peer", &mut peer_command(python, arguments))?;
        match unavailable {
            Some(reason) => peer_name = format!("not timed: {reason}"),
            None => (peer, peer_name) = (Some(side), implementation),
        }
    }
    let mut rows = vec![];
    for batch in BATCHES {
        let (mut our_rounds, mut peer_rounds): (Vec<Round>, Vec<Round>) = (vec![], vec![]);
        let pause = Duration::from_millis(u64::from(arguments.pause_millis));
        for round in 0..=arguments.rounds {
            std::thread::sleep(pause);
            let own = ours.round(batch)?;
            std::thread::sleep(pause);
            let others = peer.as_mut().map(|peer| peer.round(batch)).transpose()?;
            // The first round of each warms up.
            if round > 0 {
                our_rounds.push(own);
                peer_rounds.extend(others);
            }
        }
        let peer = (!peer_rounds.is_empty()).then(|| Figures::new(&peer_rounds));
        rows.push(Row { batch, ours: Figures::new(&our_rounds), peer });
    }
    let report = Report {
        model: arguments.model.display().to_string(),
        precision: if arguments.nf4 { "nf4" } else { "full" },
        threads: arguments.threads as usize,
        prompt_tokens: arguments.prompt_tokens as usize,
        new_tokens: arguments.new_tokens as usize,
        rounds: arguments.rounds as usize,
        pause_millis: arguments.pause_millis,
        load_average: [before, load_average()],
        ours: hello.implementation,
        peer: peer_name,
        rows,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report).expect("figures serialize"));
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn our_command(arguments: &Arguments) -> miette::Result<Command> {
    let program = std::env::current_exe()
        .map_err(|error| miette::miette!("this program's own path: {error}"))?;
    let mut command = Command::new(program);
    command.args(["bench-generate", "--worker", "--model"]).arg(&arguments.model);
    command.args(["--threads", &arguments.threads.to_string()]);
    command.args(["--prompt-tokens", &arguments.prompt_tokens.to_string()]);
    command.args(["--new-tokens", &arguments.new_tokens.to_string()]);
    if arguments.nf4 {
        command.arg("--nf4");
    }
    Ok(command)
}

fn peer_command(python: &PathBuf, arguments: &Arguments) -> Command {
    let mut command = Command::new(python);
    command.arg(PEER).arg(&arguments.model).args(
        [arguments.threads, arguments.prompt_tokens, arguments.new_tokens].map(|n| n.to_string()),
    );
    command
}

/// The one-minute load average where Linux tells it.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
