//! SIGKILL at every stage of a run with the real programs: before its first file, amid it, after its
//! last. Each time the same command goes on, and in the end every file is that of a run nobody killed.
//!
//! Each stage is killed once here; `SIGIL_EXPERT_KILLS=N` kills each one N times in each of these ways, in
//! both arms (`cargo xtask nightly`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::place::Place;

/// A small run on the base that passes some of its tasks.
const SETTINGS: &str = "\
[tasks]
per_round = 8
seen_percent = 100
development = 2
held_out = 2
[generate]
model = \"sigil-base-tasks\"
samples = 3
development_samples = 2
held_out_samples = 2
max_new_tokens = 64
[select]
max_composition_share = 1.0
[rounds]
count = 1
min_rows = 1
[training.sequence]
max_length = 128
[training.train]
micro_batch_size = 2
gradient_accumulation = 1
num_steps = 6
save_every = 2
log_backend = \"jsonl\"
";

/// When a stage is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as it says that it begins.
    Begin,
    /// So many milliseconds later, or when it ends.
    Within(u64),
    /// As soon as it says that it is done.
    End,
}

/// What a run says of a stage.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    stage: String,
    what: String,
}

/// Reads `[  0:01] STAGE: WHAT`.
fn told(line: &str) -> Option<Told> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let (stage, what) = rest.split_once(": ")?;
    Some(Told { stage: stage.to_owned(), what: what.to_owned() })
}

fn arguments(arms: &str) -> Vec<&str> {
    vec!["run", "--config", "e.toml", "--seed", "5", "--out", "run", "--arms", arms]
}

/// Starts the run and kills it at a moment of a stage.
fn kill(place: &Place, arms: &str, stage: &str, moment: Moment) {
    let mut child = place
        .command(&arguments(arms))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let (sender, receiver) = channel();
    let reader = std::thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            if let Some(told) = told(&line) {
                let _ended = sender.send(told);
            }
        }
    });
    wait(&receiver, stage, "begins");
    match moment {
        Moment::Begin => {}
        Moment::Within(millis) => match receiver.recv_timeout(Duration::from_millis(millis)) {
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("{stage}: it ended by itself"),
        },
        Moment::End => {
            let next = receiver.recv().expect("a stage that began is told to end");
            assert_eq!(next.stage, stage);
        }
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    reader.join().expect("it read to the end");
}

/// Waits until a stage says so.
fn wait(receiver: &Receiver<Told>, stage: &str, what: &str) {
    loop {
        let told = receiver.recv().unwrap_or_else(|_| panic!("it ended before {stage} {what}"));
        if told.stage == stage && told.what == what {
            return;
        }
    }
}

/// Whether a file says nothing but what came out: no time, no memory, no command, no earlier verdict.
fn is_result(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let timed = ["measurements.jsonl", "metrics.jsonl", "report.html", "run.lock"];
    // Of a checkpoint set: its card tells times, and the manifest the card's digest.
    let timed_of_sets = ["README.md", "manifest.json", "trainer_state.json"];
    let of_set = path.components().any(|part| part.as_os_str() == "checkpoints");
    // TensorBoard's files are named by the second in which they were begun.
    let dated = name.starts_with("events.out.tfevents.");
    let is_timed = timed.contains(&name) || (of_set && timed_of_sets.contains(&name)) || dated;
    !is_timed && !path.starts_with("verdicts")
}

/// Every result below a folder.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut folders, mut files) = (vec![root.to_owned()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("it is below").to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if is_result(&name) {
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

#[test]
fn a_run_killed_at_every_stage_ends_with_the_same_files() {
    let times: u64 =
        std::env::var("SIGIL_EXPERT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let arms = if times > 0 { "judged,unjudged" } else { "judged" };
    let whole = Place::new();
    whole.write("e.toml", SETTINGS);
    let (said, code) = whole.run(&arguments(arms));
    assert_eq!(code, Some(0), "{said}");
    let begun: Vec<String> = said
        .lines()
        .filter_map(told)
        .filter(|told| told.what == "begins")
        .map(|told| told.stage)
        .collect();
    assert!(begun.len() >= 17, "{begun:?}");

    let killed = Place::new();
    killed.write("e.toml", SETTINGS);
    let mut random = sigil_eval::score::SplitMix::new(11);
    let mut kills = 0;
    for (at, stage) in begun.iter().enumerate() {
        let moments = match times {
            0 => {
                let within = Moment::Within(random.below(600));
                vec![[within, Moment::Begin, Moment::End][at % 3]]
            }
            _ => {
                let within = (0..times).map(|_| Moment::Within(random.below(1500)));
                std::iter::once(Moment::Begin).chain(within).chain([Moment::End]).collect()
            }
        };
        for moment in moments {
            // One that ended although it was to be killed amid its work is not begun again.
            let record = killed.path().join("run").join(format!("{stage}.stage.json"));
            if !record.exists() {
                kill(&killed, arms, stage, moment);
                kills += 1;
            }
        }
    }
    assert!(kills >= begun.len() - 1, "{kills}");
    let (said, code) = killed.run(&arguments(arms));
    assert_eq!(code, Some(0), "{said}");
    let (wanted, found) = (tree(&whole.path().join("run")), tree(&killed.path().join("run")));
    let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&wanted), names(&found));
    for (name, bytes) in wanted {
        assert!(bytes == found[&name], "{} differs", name.display());
    }
}
