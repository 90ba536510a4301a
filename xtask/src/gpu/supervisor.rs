//! Starts the process of a stage, writes what it says to a file, and goes on after a case that kills
//! it or takes too long.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use miette::{Context, IntoDiagnostic, miette};
use serde::{Deserialize, Serialize};

use super::{
    command::{RunArguments, Side, Stage},
    pack::PACKAGES,
};

/// The peers' side.
const PEER: &str = "bench_gpu.py";
/// What a case may take: compiling and tuning kernels happens in it.
const CASE: Duration = Duration::from_secs(240);

/// What a process says before and after a case.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "said", rename_all = "kebab-case")]
pub(crate) enum Line {
    /// A case begins.
    Begun {
        /// Number of the case in its stage.
        index: usize,
        /// Its name.
        case: String,
    },
    /// A case is over.
    Ended(CaseResult),
}

/// The end of a case.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct CaseResult {
    /// Number of the case in its stage.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) case: String,
    /// False where it failed, disagreed or was left out.
    pub(crate) ok: bool,
    /// What was found, for people.
    pub(crate) text: String,
    /// Figures by name with their units.
    #[serde(default)]
    pub(crate) figures: serde_json::Map<String, serde_json::Value>,
}

/// The name of a part's files.
pub(crate) fn part_name(stage: Stage, side: Side) -> String {
    let beside = side == Side::Peer && stage.sides().len() > 1;
    format!("{}{}", stage.name(), if beside { "-peer" } else { "" })
}

/// Runs one side of a stage until its cases are through or the time is over. A process that cannot be
/// started is a case that failed: what comes after it still runs.
///
/// # Errors
/// The results cannot be written.
pub(crate) fn supervise(
    stage: Stage,
    side: Side,
    arguments: &RunArguments,
    deadline: Instant,
) -> miette::Result<Vec<CaseResult>> {
    let (out, part) = (&arguments.out, part_name(stage, side));
    let path = out.join(format!("{part}.jsonl"));
    let mut file = File::create(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("creating {}", path.display()))?;
    let mut results: Vec<CaseResult> = vec![];
    let mut from = 0;
    loop {
        let log = out.join(format!("{part}-{from}.stderr"));
        let end = match Process::start(command(stage, side, arguments, from)?, &log) {
            Ok(mut process) => process.follow(deadline, |result| {
                let line = serde_json::to_string(result).expect("strings and numbers serialize");
                results.push(result.clone());
                writeln!(file, "{line}").and_then(|()| file.flush())
            })?,
            Err(error) => End::Died { open: None, why: format!("{error:?}") },
        };
        let (index, case, why) = match end {
            End::Through => return Ok(results),
            End::Died { open: Some((index, case)), why } => (index, case, why),
            End::Died { open: None, why } => (usize::MAX, part.clone(), why),
        };
        let text = format!("{why}{}", last_words(&log));
        let result = CaseResult { index, case, ok: false, text, figures: Default::default() };
        let line = serde_json::to_string(&result).expect("strings and numbers serialize");
        results.push(result);
        writeln!(file, "{line}").into_diagnostic()?;
        // Before its first case a process says why it cannot begin; after it, the next case is new.
        if index == usize::MAX || Instant::now() >= deadline {
            return Ok(results);
        }
        from = index + 1;
    }
}

fn command(
    stage: Stage,
    side: Side,
    arguments: &RunArguments,
    from: usize,
) -> miette::Result<Command> {
    let program = std::env::current_exe().into_diagnostic().wrap_err("this program's own path")?;
    let shape = clap::ValueEnum::to_possible_value(&arguments.shape).expect("no shape is skipped");
    let device = clap::ValueEnum::to_possible_value(&arguments.device).expect("likewise");
    let common = ["--device", device.get_name(), "--shape", shape.get_name()];
    let from = from.to_string();
    if side == Side::Peer {
        // Beside the program where it was packed, else in the repository it was built from.
        let packed = program.with_file_name(PEER);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers").join(PEER);
        let script = if packed.is_file() { packed } else { source };
        let mut command = Command::new(&arguments.python);
        let carried = script.with_file_name(PACKAGES);
        if carried.is_dir() {
            let own = std::env::var_os("PYTHONPATH").unwrap_or_default();
            let all = std::iter::once(carried).chain(std::env::split_paths(&own));
            command.env("PYTHONPATH", std::env::join_paths(all).into_diagnostic()?);
        }
        command.arg(script).args(["--stage", stage.name()]).args(common);
        command.args(["--from", &from, "--only", &arguments.only]).arg("--out").arg(&arguments.out);
        return Ok(command);
    }
    let mut command = Command::new(program);
    command.args(["gpu", "run", "--one", stage.name()]).args(common);
    command.args(["--from", &from, "--only", &arguments.only]).arg("--out").arg(&arguments.out);
    if arguments.without_warpgroups {
        command.arg("--without-warpgroups");
    }
    Ok(command)
}

/// The last lines that a process wrote to its standard error.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = lines[lines.len().saturating_sub(6)..].join(" | ");
    if said.is_empty() { said } else { format!(": {said}") }
}

/// How a process ended.
enum End {
    /// By itself, with every case told.
    Through,
    /// In a case, or before the first.
    Died { open: Option<(usize, String)>, why: String },
}

struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(mut command: Command, log: &Path) -> miette::Result<Self> {
        let log = File::create(log)
            .into_diagnostic()
            .wrap_err_with(|| format!("creating {}", log.display()))?;
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .into_diagnostic()
            .wrap_err_with(|| format!("starting {name}"))?;
        let output = child.stdout.take().ok_or_else(|| miette!("no pipe from {name}"))?;
        let (sender, lines) = channel();
        // Ends with the pipe, hence with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn follow(
        &mut self,
        deadline: Instant,
        mut keep: impl FnMut(&CaseResult) -> std::io::Result<()>,
    ) -> miette::Result<End> {
        let mut open = None;
        let mut case_deadline = Instant::now() + CASE;
        loop {
            let until = deadline.min(case_deadline);
            let wait = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(wait) {
                // Other lines are a library's greeting.
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(Line::Begun { index, case }) => {
                        open = Some((index, case));
                        case_deadline = Instant::now() + CASE;
                    }
                    Ok(Line::Ended(result)) => {
                        open = None;
                        keep(&result).into_diagnostic().wrap_err("writing results")?;
                    }
                    Err(_) => {}
                },
                Err(RecvTimeoutError::Timeout) => {
                    let why = if Instant::now() >= deadline {
                        "the time of this part is over"
                    } else {
                        "no answer for minutes"
                    };
                    self.stop();
                    return Ok(End::Died { open, why: why.to_owned() });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().into_diagnostic()?;
                    if status.success() && open.is_none() {
                        return Ok(End::Through);
                    }
                    return Ok(End::Died { open, why: format!("the process ended ({status})") });
                }
            }
        }
    }

    fn stop(&mut self) {
        // It may have ended meanwhile, which is as good.
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(script: &str, seconds: u64) -> (Vec<CaseResult>, End) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut process = Process::start(command, &folder.path().join("log")).expect("sh starts");
        let mut results = vec![];
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let end = process.follow(deadline, |result| {
            results.push(result.clone());
            Ok(())
        });
        (results, end.expect("nothing is written"))
    }

    const BEGUN: &str = r#"echo '{"said":"begun","index":3,"case":"a"}';"#;
    const ENDED: &str = r#"echo '{"said":"ended","index":3,"case":"a","ok":true,"text":"t"}';"#;

    #[test]
    fn a_process_that_tells_every_case_is_through() {
        let (results, end) = follow(&format!("echo hello; {BEGUN} {ENDED}"), 60);
        assert!(matches!(end, End::Through));
        assert_eq!(results.len(), 1);
        assert!(results[0].ok);
    }

    #[test]
    fn a_case_that_kills_its_process_is_named() {
        let (results, end) = follow(&format!("{BEGUN} exit 7"), 60);
        assert_eq!(results, []);
        let End::Died { open, why } = end else { panic!("it died") };
        assert_eq!(open, Some((3, "a".to_owned())));
        assert!(why.contains('7'), "{why}");
    }

    #[test]
    fn a_case_that_hangs_is_stopped_at_the_deadline() {
        let (_, end) = follow(&format!("{BEGUN} exec sleep 600"), 1);
        let End::Died { open, why } = end else { panic!("it was stopped") };
        assert_eq!(open.map(|(index, _)| index), Some(3));
        assert_eq!(why, "the time of this part is over");
    }
}
