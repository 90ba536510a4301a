//! Several processes and one run folder: the lock names its holder and dies with it, and a process
//! killed by SIGKILL at any moment of saving leaves a whole set behind.
//!
//! No test harness: this program starts itself again as the other process.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use sigil_run::{MetricsRow, ResumePoint, RunError, RunFolder, RunIdentity};

type Outcome = Result<(), Box<dyn Error>>;
type Test = fn() -> Outcome;

const KILLS: u64 = 60;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("--save-until-killed") => save_until_killed(Path::new(&arguments[2])),
        _ => run_tests(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_to_report = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_tests() -> Outcome {
    let mut out = std::io::stdout();
    let tests: [(&str, Test); 3] = [
        ("two_handles_in_one_process_exclude_each_other", two_handles),
        ("the_lock_names_its_holder_and_dies_with_it", lock_of_another_process),
        ("a_kill_at_any_moment_leaves_a_whole_set", kills),
    ];
    for (name, test) in tests {
        write!(out, "test {name} ... ")?;
        out.flush()?;
        test()?;
        writeln!(out, "ok")?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<RunFolder, RunError> {
    let identity = RunIdentity { created_by: "test".into(), seed: 1, config_digest: "d".into() };
    RunFolder::create_or_open(path, &identity).map(|(run, _)| run)
}

/// The other process: resumes, then saves a set per step and says so, for ever.
fn save_until_killed(path: &Path) -> Outcome {
    let mut run = open(path)?;
    let done = run.newest_whole_set()?.set.map_or(0, |set| set.step());
    let resume = if done == 0 { ResumePoint::Start } else { ResumePoint::After(done) };
    let (mut metrics, _) = run.metrics_writer(resume, 1.0)?;
    for step in done + 1.. {
        metrics.append(&MetricsRow::new(step), 1.0)?;
        let mut set = run.begin_set(step)?;
        set.put("state.json", step.to_string().as_bytes())?;
        set.put("adapter.bin", &vec![step as u8; 200_000])?;
        set.commit(2)?;
        writeln!(std::io::stdout(), "{step}")?;
    }
    Ok(())
}

/// Starts the other process and waits for its first set.
fn start(path: &Path) -> Result<(Child, BufReader<ChildStdout>, u64), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--save-until-killed")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let step = line.trim().parse()?;
    Ok((child, lines, step))
}

fn two_handles() -> Outcome {
    let folder = tempfile::tempdir()?;
    let first = open(folder.path())?;
    let error = open(folder.path()).expect_err("the first handle has the lock");
    let expected = format!("is in use by process {}", std::process::id());
    assert!(error.to_string().ends_with(&expected), "{error}");
    assert!(error.hint().is_some());
    drop(first);
    open(folder.path())?;
    Ok(())
}

fn lock_of_another_process() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (mut child, _lines, _) = start(folder.path())?;
    let error = open(folder.path()).expect_err("the other process has the lock");
    assert!(
        matches!(error, RunError::Locked { pid: Some(pid), .. } if pid == child.id()),
        "{error}"
    );
    child.kill()?;
    child.wait()?;
    open(folder.path())?;
    Ok(())
}

fn kills() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut last = 0;
    for kill in 0..KILLS {
        let (mut child, lines, first) = start(folder.path())?;
        assert_eq!(first, last + 1, "kill {kill}: resumed somewhere else");
        // Spread over the next few saves; spinning, not sleeping, for moments that short.
        let moment = Instant::now() + Duration::from_micros(kill * 7919 % 40_000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill()?;
        child.wait()?;
        let said = lines.lines().map_while(Result::ok).filter_map(|line| line.parse().ok()).last();

        let mut run = open(folder.path())?;
        let newest = run.newest_whole_set()?;
        assert!(newest.damaged.is_empty(), "kill {kill}: {:?}", newest.damaged);
        let set = newest.set.expect("at least one set was committed");
        last = set.step();
        assert!(last >= said.unwrap_or(first), "kill {kill}: set {last}, but {said:?} was said");
        assert_eq!(set.read("state.json")?, last.to_string().as_bytes());
        assert_eq!(set.read("adapter.bin")?, vec![last as u8; 200_000]);
        let metrics = run.view().metrics()?;
        assert!(metrics.rows.iter().map(|row| row.step).take(last as usize).eq(1..=last));
    }
    Ok(())
}
