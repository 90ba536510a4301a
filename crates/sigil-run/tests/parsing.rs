//! Bytes from outside never panic a parser, and what is written comes back.

use std::error::Error;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sigil_run::{
    Manifest, ManifestError, ManifestFile, RunError, RunFolder, RunIdentity, RunRecord, RunView,
};

type TestResult = Result<(), Box<dyn Error>>;

fn manifest() -> Manifest {
    let file = |name: &str| ManifestFile { name: name.into(), bytes: 3, sha256: "0".repeat(64) };
    Manifest { step: 12, sequence: 3, files: vec![file("a.json"), file("b/c.bin")] }
}

#[test]
fn a_manifest_comes_back() -> TestResult {
    assert_eq!(Manifest::parse(&manifest().to_bytes())?, manifest());
    Ok(())
}

#[test]
fn a_manifest_of_a_newer_version_is_named_as_such() {
    let error = Manifest::parse(br#"{"format_version": 9, "anything": true}"#);
    assert_eq!(error, Err(ManifestError::NewerFormat { found: 9 }));
}

#[test]
fn a_manifest_cannot_name_files_outside_its_set() {
    for name in ["../x", "/etc/passwd", "manifest.json", "", "b/c.bin"] {
        let mut manifest = manifest();
        let digest = "0".repeat(64);
        manifest.files.push(ManifestFile { name: name.into(), bytes: 0, sha256: digest });
        let error = Manifest::parse(&manifest.to_bytes());
        assert_eq!(error, Err(ManifestError::BadFile { name: name.into() }));
    }
}

#[test]
fn a_damaged_or_newer_run_record_is_a_sentence() -> TestResult {
    let folder = tempfile::tempdir()?;
    let identity =
        RunIdentity { created_by: "test 0.1.0".into(), seed: u64::MAX, config_digest: "d".into() };
    let (run, _) = RunFolder::create_or_open(folder.path(), &identity)?;
    assert_eq!(run.record().seed, u64::MAX);
    drop(run);
    let path = folder.path().join("run.json");
    fs::write(&path, "{\"format_version\": 1,")?;
    let error = RunFolder::open(folder.path()).expect_err("it is cut short");
    assert!(matches!(error, RunError::DamagedRecord { .. }), "{error}");
    assert!(error.to_string().contains("run.json` is damaged: "), "{error}");
    fs::write(&path, "{\"format_version\": 2, \"new\": []}")?;
    let error = RunFolder::open(folder.path()).expect_err("it is newer");
    assert!(error.to_string().ends_with("has format version 2, this version reads up to 1"));
    Ok(())
}

#[test]
fn a_best_marker_that_names_another_step_is_damaged() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("run.json"), "")?;
    let view = RunView::open(folder.path())?;
    let text = r#"{"set":"../../x","step":1,"metric":"eval_loss","value":1.0}"#;
    fs::write(folder.path().join("best"), text)?;
    assert!(matches!(view.best(), Err(RunError::DamagedRecord { .. })));
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_no_manifest(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Manifest::parse(&bytes).is_err());
    }

    #[test]
    fn a_changed_manifest_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = manifest().to_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(Manifest::parse(&bytes).is_err());
    }

    #[test]
    fn any_json_is_no_manifest(step in any::<u64>(), files in any::<Vec<String>>(), digest in ".*") {
        let json = serde_json::json!({
            "format_version": 1, "step": step, "sequence": 1, "digest": digest,
            "files": files.iter().map(|name| serde_json::json!({"name": name, "bytes": 1, "sha256": name}))
                .collect::<Vec<_>>(),
        });
        prop_assert!(Manifest::parse(json.to_string().as_bytes()).is_err());
    }

    #[test]
    fn any_bytes_are_no_run_record(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(RunRecord::parse(&bytes, Path::new("run.json")).is_err());
    }

    #[test]
    fn markers_of_any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let folder = tempfile::tempdir()?;
        for name in ["run.json", "best", "latest"] {
            fs::write(folder.path().join(name), &bytes)?;
        }
        let view = RunView::open(folder.path())?;
        prop_assert!(view.best().is_err());
        prop_assert_eq!(view.latest_name()?, None);
        prop_assert!(view.newest_whole_set()?.set.is_none());
    }
}
