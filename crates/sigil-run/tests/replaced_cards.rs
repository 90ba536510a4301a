//! Replacing the card of a committed set: every single storage operation of it fails once, and the set
//! is whole at every moment, with the old card or the new one.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sigil_run::storage::{CrashLoss, Fault, FaultStorage, Storage};
use sigil_run::{CheckpointSet, RunError, RunFolder, RunIdentity, RunView};

type TestResult = Result<(), Box<dyn Error>>;

const OLD: &[u8] = b"the old card";
const NEW: &[u8] = b"the new card, which is longer";

fn begin(path: &Path, storage: Arc<dyn Storage>) -> Result<RunFolder, RunError> {
    let identity = RunIdentity { created_by: "test".into(), seed: 7, config_digest: "abc".into() };
    RunFolder::create_or_open_with(path, &identity, storage).map(|(run, _)| run)
}

fn save(run: &mut RunFolder, step: u64, with_card: bool, keep: usize) -> Result<(), RunError> {
    let mut set = run.begin_set(step)?;
    set.put("adapter_model.safetensors", &[7; 500])?;
    if with_card {
        set.put("README.md", OLD)?;
    }
    set.commit(keep).map(|_| ())
}

fn newest(view: &RunView) -> Result<CheckpointSet, Box<dyn Error>> {
    let newest = view.newest_whole_set()?;
    if let Some(damaged) = newest.damaged.first() {
        return Err(damaged.to_string().into());
    }
    Ok(newest.set.ok_or("there is a set")?)
}

fn names(set: &CheckpointSet) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(set.folder())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[test]
fn a_card_is_replaced_and_the_set_stays_sealed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = begin(folder.path(), Arc::new(FaultStorage::healthy()))?;
    save(&mut run, 1, true, 2)?;
    let view = RunView::open(folder.path())?;
    let before = newest(&view)?;
    view.replace_card(&before, NEW)?;
    // One who had read the manifest before still finds the set whole.
    assert_eq!(before.verify(), Ok(()));
    assert_eq!(before.read("README.md")?, NEW);
    let after = newest(&view)?;
    assert_eq!(after.read("README.md")?, NEW);
    assert_eq!(after.manifest().sequence, before.manifest().sequence);
    assert_eq!(names(&after)?, ["README.md", "adapter_model.safetensors", "manifest.json"]);
    // The seal is real: another card than the one sealed is damage, and so are other weights.
    fs::write(after.folder().join("README.md"), OLD)?;
    assert!(after.verify().is_err() && after.read("README.md").is_err());
    fs::write(after.folder().join("README.md"), NEW)?;
    fs::write(after.folder().join("adapter_model.safetensors"), [8; 500])?;
    assert!(after.verify().is_err());
    Ok(())
}

#[test]
fn a_set_without_a_card_gets_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = begin(folder.path(), Arc::new(FaultStorage::healthy()))?;
    save(&mut run, 1, false, 2)?;
    run.view().replace_card(&newest(run.view())?, NEW)?;
    assert_eq!(newest(run.view())?.read("README.md")?, NEW);
    Ok(())
}

#[test]
fn a_set_that_is_gone_or_made_again_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = begin(folder.path(), Arc::new(FaultStorage::healthy()))?;
    save(&mut run, 1, true, 1)?;
    let first = newest(run.view())?;
    save(&mut run, 1, true, 1)?;
    let refused = run.view().replace_card(&first, NEW);
    assert!(matches!(refused, Err(RunError::NoSuchSet { .. })), "{refused:?}");
    let second = newest(run.view())?;
    save(&mut run, 2, true, 1)?;
    let refused = run.view().replace_card(&second, NEW);
    assert!(matches!(refused, Err(RunError::NoSuchSet { .. })), "{refused:?}");
    assert_eq!(newest(run.view())?.read("README.md")?, OLD);
    Ok(())
}

#[test]
fn every_single_failure_leaves_a_whole_set_with_either_card() -> TestResult {
    let seeded = (0..4).map(|seed| Fault::Crash(CrashLoss::SomeUnsynced { seed }));
    let plain = [
        Fault::Error(5),
        Fault::ShortWrite(5),
        Fault::DiskFull,
        Fault::Crash(CrashLoss::Nothing),
        Fault::Crash(CrashLoss::AllUnsynced),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for fault in plain.into_iter().chain(seeded) {
        for with_card in [true, false] {
            let mut struck = 0;
            for operations_ahead in 0.. {
                let folder = tempfile::tempdir()?;
                let storage = FaultStorage::healthy();
                let mut run = begin(folder.path(), Arc::new(storage.clone()))?;
                save(&mut run, 1, with_card, 2)?;
                let set = newest(run.view())?;
                storage.plan_ahead(operations_ahead, fault);
                let result = run.view().replace_card(&set, NEW);
                let Some(hit) = storage.hit() else {
                    assert!(result.is_ok(), "{result:?}");
                    break;
                };
                struck += 1;
                let context = format!("{fault:?} after {operations_ahead}: {hit}");
                drop(run);

                let view = RunView::open(folder.path())?;
                assert!(newest(&view).is_ok(), "{context}");
                // No time goes into fsyncs from here on.
                let run = begin(folder.path(), Arc::new(FaultStorage::healthy()))?;
                let view = run.view();
                let found = newest(view).map_err(|error| format!("{context}: {error}"))?;
                let card =
                    if found.contains("README.md") { found.read("README.md")? } else { vec![] };
                let old: &[u8] = if with_card { OLD } else { b"" };
                assert!(card == old || card == NEW, "{context}");
                if result.is_ok() {
                    assert_eq!(card, NEW, "{context}");
                }
                seen.insert((with_card, card));
                // The next one goes through, whatever was left, and nothing stays behind.
                let third = b"a third card";
                view.replace_card(&found, third)?;
                let found = newest(view).map_err(|error| format!("{context}, after: {error}"))?;
                assert_eq!(found.read("README.md")?, third, "{context}");
                let left = names(&found)?;
                let whole = ["README.md", "adapter_model.safetensors", "manifest.json"];
                assert_eq!(left, whole, "{context}");
            }
            let least = if fault == Fault::DiskFull { 6 } else { 18 };
            assert!(struck >= least, "{fault:?} struck only {struck} operations");
        }
    }
    assert_eq!(seen.len(), 4, "not every outcome was seen");
    Ok(())
}

#[test]
fn cards_are_replaced_while_the_run_commits_and_prunes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = begin(folder.path(), Arc::new(FaultStorage::healthy()))?;
    save(&mut run, 1, true, 2)?;
    std::thread::scope(|scope| {
        let path = folder.path();
        let replacing = scope.spawn(move || -> Result<(usize, usize), String> {
            let view = RunView::open(path).map_err(|error| error.to_string())?;
            let (mut replaced, mut gone) = (0, 0);
            while replaced < 50 {
                let Ok(sets) = view.sets() else { continue };
                let Some(set) = sets.last() else { continue };
                match view.replace_card(set, NEW) {
                    Ok(()) => replaced += 1,
                    Err(RunError::NoSuchSet { .. }) => gone += 1,
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok((replaced, gone))
        });
        for step in (1..4).cycle() {
            save(&mut run, step, true, 2).expect("a commit is never in the way");
            if replacing.is_finished() {
                break;
            }
        }
        let (replaced, _gone) = replacing.join().expect("no panic").expect("no failure");
        assert_eq!(replaced, 50);
    });
    for set in run.view().sets()? {
        assert_eq!(set.verify(), Ok(()), "{}", set.name());
        assert_eq!(names(&set)?, ["README.md", "adapter_model.safetensors", "manifest.json"]);
    }
    Ok(())
}
