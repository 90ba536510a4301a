//! A run that is killed at each stage in turn, with half a stage's output lying about, ends with the
//! same files as one that was never killed.
//!
//! Only the order of things and the records are tried here, so the programs are played by a script that
//! writes what they would; they run themselves in `tests/expert`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::experiment::run_over;
use super::pool::Pool;
use super::{Arm, Experiment, Job, Runner};
use crate::ExpertError;
use crate::report::Report;
use crate::score::tests::result;
use crate::settings::ExpertSettings;
use crate::tasks::{MadeTask, Split, TaskSet, task_set};

/// Plays the programs; dies before or amid its `dies_at`-th doing.
struct Script {
    doings: usize,
    dies_at: Option<usize>,
    done: Vec<String>,
}

impl Script {
    fn new(dies_at: Option<usize>) -> Self {
        Self { doings: 0, dies_at, done: Vec::new() }
    }

    fn doing(&mut self, stage: &str) -> Result<(), ExpertError> {
        self.doings += 1;
        if self.dies_at == Some(self.doings) {
            return Err(ExpertError::Interrupted { stage: stage.to_owned() });
        }
        Ok(())
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    super::files::read_lines(path).expect("an earlier stage wrote it")
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("it is below a folder")).expect("a folder");
    std::fs::write(path, text).expect("a temporary folder takes files");
}

impl Runner for Script {
    fn begin(&mut self, stage: &str) -> Result<(), ExpertError> {
        self.doing(stage)
    }

    fn ended(&mut self, stage: &str, _: &str) {
        self.done.push(stage.to_owned());
    }

    fn run(&mut self, stage: &str, job: &Job) -> Result<(), ExpertError> {
        match job {
            Job::Generate { prompts, samples, count, seed, .. } => {
                let mut text = String::new();
                for (at, prompt) in lines(prompts).iter().enumerate() {
                    for sample in 0..*count {
                        let body = format!("\n    {at} + {sample} + {}\n}}\n", seed % 7);
                        let row =
                            serde_json::json!({"id": prompt["id"], "sample": sample, "text": body});
                        text.push_str(&format!("{row}\n"));
                    }
                }
                // What is there when it dies is torn.
                write(samples, &text[..text.len() / 2]);
                self.doing(stage)?;
                write(samples, &text);
            }
            Job::Judge { answers, out, .. } => {
                self.doing(stage)?;
                let rows = lines(answers).into_iter().enumerate().map(|(index, answer)| {
                    let task = answer["task_id"].as_str().expect("an answer names its task");
                    result(task, index, index % 3 != 0, 0)
                });
                let rows: Vec<_> = rows.collect();
                write(&out.join("metrics.json"), "{\"protocol\": {\"rustc_version\": \"1\"}}");
                write(&out.join("results.jsonl"), &sigil_eval::score::to_lines(&rows));
            }
            Job::Train { config, run, resume } => {
                assert!(!*resume, "a run that has no set is begun anew");
                assert!(!run.exists(), "what a killed training left is gone");
                write(&run.join("rubbish"), "half a set");
                self.doing(stage)?;
                std::fs::remove_file(run.join("rubbish")).expect("it was written");
                let identity = sigil_run::RunIdentity {
                    created_by: "script".to_owned(),
                    seed: 1,
                    config_digest: "d".to_owned(),
                };
                let (mut folder, _) = sigil_run::RunFolder::create_or_open(run, &identity)?;
                let text = std::fs::read(config).expect("the stage wrote it");
                let mut set = folder.begin_set(1)?;
                set.put("adapter_model.safetensors", &text)?;
                set.commit(1)?;
            }
        }
        Ok(())
    }
}

/// A few evaluation tasks, made once.
fn run(experiment: &Experiment, script: &mut Script) -> Result<Report, ExpertError> {
    static SETS: OnceLock<[TaskSet; 2]> = OnceLock::new();
    let sets =
        SETS.get_or_init(|| [task_set(Split::Development, 3, 1), task_set(Split::HeldOut, 4, 1)]);
    run_over(experiment, Pool::made(sets.clone()), script)
}

fn experiment(folder: &Path) -> Experiment {
    let text = "[tasks]\nper_round = 12\ndevelopment = 3\nheld_out = 4\n\
                [generate]\nsamples = 2\ndevelopment_samples = 2\nheld_out_samples = 2\n\
                [rounds]\ncount = 1\nmin_rows = 1\n";
    let settings = ExpertSettings::parse(text, Path::new("e.toml")).expect("it is well formed");
    Experiment {
        settings,
        seed: 3,
        arms: vec![Arm::Judged, Arm::Unjudged],
        folder: folder.to_owned(),
    }
}

/// Every file that says what was done, without the folders' own paths.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let (mut folders, mut files) = (vec![root.to_owned()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("it is below").to_owned();
            if name.extension().is_some_and(|end| end == "jsonl" || end == "md")
                || name.ends_with("metadata.json")
                || name.ends_with("report.json")
            {
                let text = std::fs::read_to_string(&path).expect("text");
                files.insert(name, text);
            }
        }
    }
    files.retain(|_, text| {
        // Digests of settings files name the temporary folder: they differ from run to run.
        *text = text.replace(&root.display().to_string(), "ROOT");
        true
    });
    files
}

/// A tree without the digests that hang on the temporary folder's name.
fn without_paths(tree: BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    let mut tree = tree;
    for (name, text) in &mut tree {
        if name.ends_with("metadata.json") {
            let mut value: serde_json::Value = serde_json::from_str(text).expect("metadata");
            value["stages"] = serde_json::Value::Null;
            *text = value.to_string();
        }
    }
    tree
}

#[test]
fn a_run_killed_at_each_stage_ends_as_one_that_was_not() {
    let whole = tempfile::tempdir().expect("a temporary folder");
    let mut script = Script::new(None);
    run(&experiment(whole.path()), &mut script).expect("nothing stops it");
    let doings = script.doings;
    assert!(doings > 25, "{doings}");
    let wanted = without_paths(tree(whole.path()));
    assert!(wanted.contains_key(Path::new("report.md")));

    for dies_at in 1..=doings {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let experiment = experiment(folder.path());
        let died = run(&experiment, &mut Script::new(Some(dies_at))).expect_err("it is killed");
        assert!(matches!(died, ExpertError::Interrupted { .. }), "{died}");
        let mut again = Script::new(None);
        run(&experiment, &mut again).expect("it goes on");
        assert!(again.doings <= doings + 2, "what was done is not done again");
        assert_eq!(without_paths(tree(folder.path())), wanted, "killed at {dies_at}");
    }
}

#[test]
fn a_stage_whose_output_was_changed_is_done_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let experiment = experiment(folder.path());
    run(&experiment, &mut Script::new(None)).expect("nothing stops it");
    let wanted = tree(folder.path());
    let mut nothing = Script::new(None);
    run(&experiment, &mut nothing).expect("all is there");
    assert_eq!(nothing.doings, 0);

    let results = folder.path().join("judged/round-1/judged/results.jsonl");
    std::fs::write(&results, "").expect("a file");
    let mut again = Script::new(None);
    run(&experiment, &mut again).expect("it is mended");
    assert!(again.doings > 0);
    assert_eq!(tree(folder.path()), wanted);
}

#[test]
fn a_folder_of_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = experiment(folder.path());
    run(&first, &mut Script::new(Some(3))).expect_err("it is killed");
    let other = Experiment { seed: 4, ..first };
    let error = run(&other, &mut Script::new(None)).expect_err("it is another's");
    assert!(matches!(error, ExpertError::OtherRun { .. }), "{error}");
}

#[test]
fn no_row_holds_a_task_of_an_evaluation_and_rows_begin_with_their_prompts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&experiment(folder.path()), &mut Script::new(None)).expect("nothing stops it");
    let names: Vec<String> =
        crate::tasks::evaluation_sets().concat().iter().map(MadeTask::solved).collect();
    for arm in ["judged", "unjudged"] {
        let round = folder.path().join(format!("{arm}/round-1"));
        let tasks: Vec<MadeTask> =
            super::files::read_lines(&round.join("tasks.jsonl")).expect("tasks");
        for row in lines(&round.join("rows.jsonl")) {
            let text = row["text"].as_str().expect("a row has text");
            assert!(!names.iter().any(|name| name == text));
            let id = row["_task"].as_str().expect("a row names its task");
            if let Some(task) = tasks.iter().find(|task| task.task_id == id) {
                assert!(text.starts_with(&task.prompt), "{text}");
            }
        }
    }
}
