//! Checkpoint sets in a healthy world and after damage: written, found, verified, replaced, pruned.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use sigil_run::{Damage, Note, RunError, RunFolder, RunIdentity, RunView};

type TestResult = Result<(), Box<dyn Error>>;

fn open(path: &Path) -> Result<RunFolder, RunError> {
    let identity =
        RunIdentity { created_by: "test 0.1.0".into(), seed: 7, config_digest: "abc".into() };
    RunFolder::create_or_open(path, &identity).map(|(run, _)| run)
}

fn save(run: &mut RunFolder, step: u64, keep: usize) -> Result<Vec<String>, RunError> {
    let mut set = run.begin_set(step)?;
    set.put("adapter_config.json", format!("{{\"step\":{step}}}").as_bytes())?;
    set.put("tokenizer/vocab.json", b"{}")?;
    let mut file = set.file("adapter_model.safetensors")?;
    for chunk in 0..10 {
        file.write_bytes(&[chunk; 1000])?;
    }
    file.finish()?;
    set.put("empty", b"")?;
    set.commit(keep).map(|committed| committed.pruned)
}

fn newest(run: &mut RunFolder) -> Result<(Option<u64>, Vec<String>), RunError> {
    let newest = run.newest_whole_set()?;
    let damaged = newest.damaged.iter().map(ToString::to_string).collect();
    Ok((newest.set.map(|set| set.step()), damaged))
}

fn set_names(run: &RunFolder) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(run.view().checkpoints_path())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[test]
fn a_set_is_read_back_through_the_run_and_through_a_view() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(&folder.path().join("a/b/run"))?;
    assert!(run.is_new());
    assert_eq!(newest(&mut run)?, (None, vec![]));
    save(&mut run, 12, 3)?;
    let view = RunView::open(run.path())?;
    let set = view.newest_whole_set()?.set.expect("one was committed");
    assert_eq!((set.step(), set.name()), (12, "step-00000012"));
    assert_eq!(set.read("adapter_config.json")?, b"{\"step\":12}");
    assert_eq!(set.read("adapter_model.safetensors")?.len(), 10_000);
    assert_eq!(fs::read(set.path("tokenizer/vocab.json")?)?, b"{}");
    assert!(set.contains("empty") && !set.contains("other"));
    assert!(matches!(set.read("other"), Err(RunError::NoSuchFile { .. })));
    assert_eq!(view.latest_name()?.as_deref(), Some("step-00000012"));
    assert_eq!(view.set(12)?.step(), 12);
    assert!(matches!(view.set(13), Err(RunError::NoSuchSet { .. })));
    drop(run);
    assert!(!open(view.path())?.is_new());
    Ok(())
}

#[test]
fn old_sets_are_pruned_but_never_the_best_and_never_the_newest() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 2)?;
    run.mark_best(1, "eval_loss", 0.5)?;
    assert_eq!(save(&mut run, 2, 2)?, Vec::<String>::new());
    assert_eq!(save(&mut run, 3, 2)?, Vec::<String>::new());
    assert_eq!(save(&mut run, 4, 2)?, ["step-00000002"]);
    run.mark_best(4, "eval_loss", 0.25)?;
    assert_eq!(save(&mut run, 5, 0)?, ["step-00000003", "step-00000001"]);
    assert_eq!(set_names(&run)?, ["step-00000004", "step-00000005"]);
    let best = run.view().best()?.expect("it was marked");
    assert_eq!((best.step, best.metric.as_str(), best.value), (4, "eval_loss", 0.25));
    assert!(matches!(run.mark_best(9, "eval_loss", 0.1), Err(RunError::NoSuchSet { .. })));
    let no_number = run.mark_best(5, "eval_loss", f64::NAN);
    assert!(matches!(no_number, Err(RunError::NotFinite { .. })));
    Ok(())
}

#[test]
fn nothing_is_pruned_while_the_best_marker_is_unreadable() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 1)?;
    fs::write(folder.path().join("best"), "step-0000")?;
    assert_eq!(save(&mut run, 2, 1)?, Vec::<String>::new());
    run.mark_best(2, "eval_loss", 1.0)?;
    assert_eq!(save(&mut run, 3, 1)?, ["step-00000001"]);
    Ok(())
}

#[test]
fn every_changed_byte_of_every_small_file_is_noticed_and_the_set_before_is_used() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 5)?;
    save(&mut run, 2, 5)?;
    let set = run.view().checkpoints_path().join("step-00000002");
    for name in ["manifest.json", "adapter_config.json", "tokenizer/vocab.json"] {
        let path = set.join(name);
        let whole = fs::read(&path)?;
        for at in 0..whole.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                fs::write(&path, &bytes)?;
                let (step, damaged) = newest(&mut run)?;
                assert_eq!(step, Some(1), "{name} byte {at}");
                assert_eq!(damaged.len(), 1, "{name} byte {at}");
                assert!(damaged[0].starts_with("checkpoint set `step-00000002` is damaged"));
            }
        }
        fs::write(&path, &whole)?;
        assert_eq!(newest(&mut run)?, (Some(2), vec![]));
    }
    Ok(())
}

#[test]
fn every_kind_of_damage_is_named() -> TestResult {
    type Break = fn(&Path) -> std::io::Result<()>;
    let cases: [(&str, Break); 8] = [
        ("the bytes of `adapter_model.safetensors` have changed", |set| {
            let path = set.join("adapter_model.safetensors");
            let mut bytes = fs::read(&path)?;
            bytes[9_999] ^= 1;
            fs::write(path, bytes)
        }),
        ("has 9999 bytes instead of 10000", |set| {
            fs::OpenOptions::new()
                .write(true)
                .open(set.join("adapter_model.safetensors"))?
                .set_len(9_999)
        }),
        ("has 1 bytes instead of 0", |set| fs::write(set.join("empty"), "x")),
        ("`empty` cannot be read: it is not there", |set| fs::remove_file(set.join("empty"))),
        ("`manifest.json` cannot be read: it is not there", |set| {
            fs::remove_file(set.join("manifest.json"))
        }),
        ("`manifest.json` is unusable: it is not a manifest", |set| {
            fs::write(set.join("manifest.json"), [0; 10])
        }),
        ("its manifest is that of step 1", |set| {
            fs::copy(
                set.with_file_name("step-00000001").join("manifest.json"),
                set.join("manifest.json"),
            )
            .map(|_| ())
        }),
        ("`latest` names it, but it is not there", |set| fs::remove_dir_all(set)),
    ];
    for (expected, damage) in cases {
        let folder = tempfile::tempdir()?;
        let mut run = open(folder.path())?;
        save(&mut run, 1, 5)?;
        save(&mut run, 2, 5)?;
        damage(&run.view().checkpoints_path().join("step-00000002"))?;
        let (step, damaged) = newest(&mut run)?;
        assert_eq!(step, Some(1), "{expected}");
        assert!(damaged.len() == 1 && damaged[0].contains(expected), "{expected}: {damaged:?}");
        // The run goes on from step 1 and comes to step 2 again.
        save(&mut run, 2, 5)?;
        assert_eq!(newest(&mut run)?, (Some(2), vec![]), "{expected}");
        assert_eq!(set_names(&run)?, ["step-00000001", "step-00000002"], "{expected}");
    }
    Ok(())
}

#[test]
fn damaged_sets_do_not_push_whole_ones_out() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 2)?;
    save(&mut run, 5, 2)?;
    fs::write(run.view().checkpoints_path().join("step-00000005/empty"), "x")?;
    assert_eq!(newest(&mut run)?.0, Some(1));
    // Two whole sets are kept from here on; the damaged one goes once there are two.
    assert_eq!(save(&mut run, 3, 2)?, ["step-00000005"]);
    assert_eq!(set_names(&run)?, ["step-00000001", "step-00000003"]);
    Ok(())
}

#[test]
fn the_order_of_the_commits_decides_not_that_of_the_steps() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 10, 5)?;
    save(&mut run, 20, 5)?;
    drop(run);
    // Someone resumed from step 10 on purpose and got to step 15.
    let mut run = open(folder.path())?;
    save(&mut run, 15, 5)?;
    drop(run);
    assert_eq!(newest(&mut open(folder.path())?)?, (Some(15), vec![]));
    Ok(())
}

#[test]
fn leftovers_of_a_killed_process_are_removed_and_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 5)?;
    let checkpoints = run.view().checkpoints_path();
    drop(run);
    fs::create_dir(checkpoints.join(".tmp-step-00000002"))?;
    fs::write(checkpoints.join(".tmp-step-00000002/adapter"), "half")?;
    fs::write(folder.path().join(".tmp-1-0-latest"), "half")?;
    fs::rename(checkpoints.join("step-00000001"), checkpoints.join(".replaced-step-00000001"))?;
    // A reader without the lock finds the set where it is.
    assert_eq!(
        RunView::open(folder.path())?.newest_whole_set()?.set.map(|set| set.step()),
        Some(1)
    );

    let (mut run, notes) = RunFolder::open(folder.path())?;
    let expected = [
        Note::ReplacedSetRestored { set: "step-00000001".into() },
        Note::LeftoverRemoved { path: folder.path().join(".tmp-1-0-latest") },
        Note::LeftoverRemoved { path: checkpoints.join(".tmp-step-00000002") },
    ];
    assert_eq!(notes, expected);
    assert_eq!(newest(&mut run)?, (Some(1), vec![]));
    assert_eq!(set_names(&run)?, ["step-00000001"]);
    Ok(())
}

#[test]
fn a_set_not_committed_leaves_nothing_and_bad_names_are_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    let mut set = run.begin_set(1)?;
    set.put("a", b"1")?;
    for name in ["a", "manifest.json", "../x", "/x", ".x", "", "a b"] {
        assert!(matches!(set.put(name, b""), Err(RunError::BadName { .. })), "{name}");
    }
    drop(set);
    assert_eq!(set_names(&run)?, Vec::<String>::new());

    // A streamed file that was given up spoils its set.
    let mut set = run.begin_set(1)?;
    let mut file = set.file("half")?;
    file.write_all(b"abc")?;
    drop(file);
    assert!(matches!(set.commit(1), Err(RunError::IncompleteSet { .. })));
    assert_eq!(set_names(&run)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("README.md"), "mine")?;
    let error = open(folder.path()).expect_err("it is not a run");
    assert!(error.to_string().contains("holds `README.md`"), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    assert!(matches!(RunFolder::open(folder.path()), Err(RunError::NoRun { .. })));
    Ok(())
}

#[test]
fn files_of_the_run_are_written_whole_and_its_own_names_are_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let run = open(folder.path())?;
    run.write_file("config.toml", b"a = 1")?;
    run.write_file("config.toml", b"a = 2")?;
    assert_eq!(run.view().read_file("config.toml")?.as_deref(), Some(b"a = 2".as_slice()));
    assert_eq!(run.view().read_file("README.md")?, None);
    for name in ["run.json", "latest", "best", "metrics.jsonl", "x/y", "../x"] {
        assert!(matches!(run.write_file(name, b""), Err(RunError::BadName { .. })), "{name}");
    }
    assert!(run.free_space()? > 0);
    Ok(())
}

#[test]
fn damage_found_while_reading_a_file_is_an_error() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut run = open(folder.path())?;
    save(&mut run, 1, 1)?;
    let set = run.newest_whole_set()?.set.expect("one was committed");
    fs::write(set.path("adapter_config.json")?, "{\"step\":2}")?;
    let error = set.read("adapter_config.json").expect_err("its bytes changed");
    let RunError::DamagedSet { damage, .. } = error else { panic!("{error}") };
    assert_eq!(damage, Damage::WrongHash { name: "adapter_config.json".into() });
    Ok(())
}

#[test]
fn only_a_new_and_empty_run_is_taken_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run");
    open(&path)?.abandon()?;
    assert!(!path.exists(), "nothing is left of a run that never began");

    drop(open(&path)?);
    open(&path)?.abandon()?;
    assert!(path.join("run.json").is_file(), "another opening began it");
    fs::remove_dir_all(&path)?;

    let mut run = open(&path)?;
    save(&mut run, 1, 3)?;
    run.abandon()?;
    assert_eq!(RunView::open(&path)?.set(1)?.step(), 1, "a set is never thrown away");
    Ok(())
}
