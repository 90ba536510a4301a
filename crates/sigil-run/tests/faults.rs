//! Every single storage operation of a save fails once: with an error, cut short, on a full disk, in
//! a crash with and without loss of what was not fsynced. Reopening finds the set before or the new
//! one, whole, with the metrics that belong to it, and the run goes on.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use sigil_run::storage::{CrashLoss, Fault, FaultStorage, Storage};
use sigil_run::{CheckpointSet, MetricsRow, ResumePoint, RunError, RunFolder, RunIdentity};

type TestResult = Result<(), Box<dyn Error>>;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const KEEP: usize = 2;

fn faults() -> Vec<Fault> {
    let seeded = (0..4).map(|seed| Fault::Crash(CrashLoss::SomeUnsynced { seed }));
    let plain = [
        Fault::Error(EIO),
        Fault::Error(ENOSPC),
        Fault::ShortWrite(EIO),
        Fault::DiskFull,
        Fault::Crash(CrashLoss::Nothing),
        Fault::Crash(CrashLoss::AllUnsynced),
    ];
    plain.into_iter().chain(seeded).collect()
}

fn open(path: &Path, storage: Arc<dyn Storage>) -> Result<RunFolder, RunError> {
    let identity = RunIdentity { created_by: "test".into(), seed: 7, config_digest: "abc".into() };
    RunFolder::create_or_open_with(path, &identity, storage).map(|(run, _)| run)
}

/// What a process does between opening a run and its next checkpoint: find where to go on, log one
/// row per step, save, mark the best. `attempt` tells sets of the same step apart.
fn train_to(
    path: &Path,
    storage: Arc<dyn Storage>,
    step: u64,
    attempt: u8,
) -> Result<(), RunError> {
    let mut run = open(path, storage)?;
    let done = run.newest_whole_set()?.set.map_or(0, |set| set.step());
    let resume = if done == 0 { ResumePoint::Start } else { ResumePoint::After(done) };
    let (mut metrics, _) = run.metrics_writer(resume, 1.0)?;
    for step in done + 1..=step {
        metrics.append(&MetricsRow { loss: Some(0.5), ..MetricsRow::new(step) }, 1.0)?;
    }
    metrics.sync()?;
    save(&mut run, step, attempt)?;
    run.mark_best(step, "eval_loss", 1.0)
}

fn save(run: &mut RunFolder, step: u64, attempt: u8) -> Result<(), RunError> {
    let mut set = run.begin_set(step)?;
    set.put("adapter_config.json", format!("{step}").as_bytes())?;
    let mut file = set.file("adapter_model.safetensors")?;
    for _ in 0..2 {
        // Flushed, so that there is a whole write before the one that fails.
        file.write_bytes(&[attempt; 1000])?;
        file.flush().map_err(|source| RunError::Io {
            action: "write",
            path: "adapter_model.safetensors".into(),
            source,
        })?;
    }
    file.finish()?;
    set.put("tokenizer/vocab.json", b"{}")?;
    set.commit(KEEP).map(|_| ())
}

/// The step and attempt of a set made by `save`, all of whose files agree.
fn contents(set: &CheckpointSet) -> Result<(u64, u8), Box<dyn Error>> {
    let step = String::from_utf8(set.read("adapter_config.json")?)?.parse()?;
    let bytes = set.read("adapter_model.safetensors")?;
    assert_eq!(set.step(), step);
    assert_eq!(set.read("tokenizer/vocab.json")?, b"{}");
    assert!(bytes.len() == 2000 && bytes.iter().all(|&byte| byte == bytes[0]));
    Ok((step, bytes[0]))
}

/// Breaks one operation of the last `train_to` after another and checks what is found afterwards.
///
/// `before` prepares the folder; the accident happens on the way to (`step`, `attempt`); `allowed`
/// are the sets that may be the newest one after it (`None`: no set yet).
fn sweep(
    before: impl Fn(&Path) -> TestResult,
    (step, attempt): (u64, u8),
    allowed: &[Option<(u64, u8)>],
) -> TestResult {
    let template = tempfile::tempdir()?;
    before(&template.path().join("run"))?;
    let mut seen = std::collections::BTreeSet::new();
    for fault in faults() {
        let mut struck = 0;
        for operation in 0.. {
            let folder = tempfile::tempdir()?;
            copy_folder(template.path(), folder.path())?;
            let path = folder.path().join("run");
            let storage = FaultStorage::new(operation, fault);
            let result = train_to(&path, Arc::new(storage.clone()), step, attempt);
            let Some(hit) = storage.hit() else {
                assert!(result.is_ok(), "{result:?}");
                break;
            };
            struck += 1;
            let context = format!("{fault:?} at operation {operation}: {hit}");
            if let Err(error) = &result {
                check_sentence(error, &context);
            }

            // The next process finds a whole set, says nothing about damage, and goes on.
            let mut run = open(&path, calm())?;
            let newest = run.newest_whole_set()?;
            assert!(newest.damaged.is_empty(), "{context}: {:?}", newest.damaged);
            let found = newest.set.as_ref().map(contents).transpose()?;
            assert!(allowed.contains(&found), "{context}: found {found:?}");
            if result.is_ok() {
                assert_eq!(found, Some((step, attempt)), "{context}");
            }
            seen.insert(found);
            check_metrics(&run, newest.set.map_or(0, |set| set.step()), &context)?;
            drop(run);
            train_to(&path, calm(), step + 1, 9)?;
            check_tidy(&path, step + 1, &context)?;
        }
        let least = if fault == Fault::DiskFull { 15 } else { 50 };
        assert!(struck >= least, "{fault:?} struck only {struck} operations");
    }
    assert_eq!(seen.len(), allowed.len(), "not every outcome was seen: {seen:?}");
    Ok(())
}

/// One line, lower-case start, no debug output, a hint where the user can act.
fn check_sentence(error: &RunError, context: &str) {
    let text = error.to_string();
    let is_sentence = text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.contains(['\n', '{', '}'])
        && text.contains(' ')
        && !text.ends_with('.');
    assert!(is_sentence, "{context}: {text}");
    if let RunError::NoSpace { .. } = error {
        assert!(text.starts_with("no space left") && error.hint().is_some(), "{context}: {text}");
    }
}

/// The rows up to the newest set were synced before it was committed, so they are all there.
fn check_metrics(run: &RunFolder, step: u64, context: &str) -> TestResult {
    let (metrics, _) = run.metrics_writer(ResumePoint::After(step), 2.0)?;
    drop(metrics);
    let file = run.view().metrics()?;
    let steps: Vec<u64> = file.rows.iter().map(|row| row.step).collect();
    assert_eq!(steps, (1..=step).collect::<Vec<_>>(), "{context}");
    assert!(file.bad_lines.is_empty(), "{context}: {file:?}");
    Ok(())
}

/// No temporary names stay, and no more sets than allowed.
fn check_tidy(path: &Path, newest: u64, context: &str) -> TestResult {
    let run = open(path, calm())?;
    for folder in [path.to_owned(), run.view().checkpoints_path()] {
        for entry in calm().list(&folder)? {
            let name = entry.name.to_string_lossy().into_owned();
            assert!(!name.starts_with('.'), "{context}: `{name}` stays");
        }
    }
    let sets = run.view().sets()?;
    assert_eq!(sets[0].step(), newest, "{context}");
    // One more than `KEEP` when the set that was best at the last save is an old one.
    assert!(sets.len() <= KEEP + 1, "{context}: {} sets", sets.len());
    assert_eq!(run.view().best()?.map(|best| best.step), Some(newest), "{context}");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// For the processes before and after the accident: nothing breaks, and no time goes into fsyncs.
fn calm() -> Arc<dyn Storage> {
    Arc::new(FaultStorage::healthy())
}

fn healthy(path: &Path, saves: &[(u64, u8)]) -> TestResult {
    for &(step, attempt) in saves {
        train_to(path, calm(), step, attempt)?;
    }
    Ok(())
}

#[test]
fn the_first_save_of_a_new_run() -> TestResult {
    sweep(|_| Ok(()), (1, 1), &[None, Some((1, 1))])
}

#[test]
fn a_save_among_others() -> TestResult {
    let before = |path: &Path| healthy(path, &[(1, 1), (2, 1), (3, 1)]);
    sweep(before, (4, 1), &[Some((3, 1)), Some((4, 1))])
}

#[test]
fn a_save_that_replaces_a_whole_set_of_the_same_step() -> TestResult {
    let before = |path: &Path| healthy(path, &[(1, 1), (2, 1)]);
    sweep(before, (2, 2), &[Some((2, 1)), Some((2, 2))])
}

#[test]
fn a_save_that_replaces_a_damaged_set_of_the_same_step() -> TestResult {
    let template = tempfile::tempdir()?;
    healthy(template.path(), &[(1, 1), (2, 1)])?;
    fs::write(template.path().join("checkpoints/step-00000002/adapter_config.json"), "x")?;
    // The damaged set stays in place until its step comes again: only then it is replaced.
    for fault in faults() {
        let mut operation = 0;
        loop {
            let folder = tempfile::tempdir()?;
            copy_folder(template.path(), folder.path())?;
            let storage = FaultStorage::new(operation, fault);
            let result = train_to(folder.path(), Arc::new(storage.clone()), 2, 2);
            let mut run = open(folder.path(), calm())?;
            let newest = run.newest_whole_set()?;
            let found = contents(&newest.set.expect("set 1 is whole in any case"))?;
            let context = format!("{fault:?} at {operation}: {:?}", storage.hit());
            match found {
                (1, 1) => assert_eq!(newest.damaged.len(), 1, "{context}"),
                (2, 2) => assert!(newest.damaged.is_empty(), "{context}"),
                other => panic!("{context}: found {other:?}"),
            }
            if storage.hit().is_none() {
                assert!(result.is_ok() && found == (2, 2));
                break;
            }
            operation += 1;
        }
    }
    Ok(())
}

#[test]
fn a_failed_save_can_be_tried_again_by_the_same_process() -> TestResult {
    for operations_ahead in 0.. {
        let folder = tempfile::tempdir()?;
        healthy(folder.path(), &[(1, 1)])?;
        let storage = FaultStorage::healthy();
        let mut run = open(folder.path(), Arc::new(storage.clone()))?;
        storage.plan_ahead(operations_ahead, Fault::ShortWrite(ENOSPC));
        let first = save(&mut run, 2, 1);
        let hit = storage.hit();
        if hit.is_none() {
            assert!(first.is_ok());
            break;
        }
        save(&mut run, 2, 2)?;
        let newest = run.newest_whole_set()?;
        assert!(newest.damaged.is_empty());
        assert_eq!(contents(&newest.set.expect("it was just saved"))?, (2, 2), "{hit:?}");
    }
    Ok(())
}
