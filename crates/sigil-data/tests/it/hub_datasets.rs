//! Fetching datasets from a fake hub on loopback, and every way it can fail.

use std::fs;
use std::sync::Arc;

use sigil_data::{
    DatasetRequest, FetchedDataset, HubError, HubSettings, Ledger, OpenSource, ReadSettings,
    RowPlan, fetch_dataset,
};
use tempfile::TempDir;

use crate::fake_hub::{COMMIT, FakeHub, Fault, hash};

fn start(files: &[(&str, Vec<u8>)], fault: Fault) -> FakeHub {
    FakeHub::start("owner/data", files, fault)
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let rows = |word: &str, count: usize| {
        let line = |index| format!("{{\"text\": \"fn {word}_{index}() {{}}\"}}\n");
        (0..count).map(line).collect::<String>().into_bytes()
    };
    vec![
        ("README.md", b"# data".to_vec()),
        ("rust/train-00000.jsonl", rows("first", 400)),
        ("rust/train-00001.jsonl", rows("second", 30)),
        ("rust/test.jsonl", rows("test", 5)),
        ("go/train.jsonl", rows("go", 7)),
    ]
}

fn settings(hub: &FakeHub, cache: &TempDir) -> HubSettings {
    HubSettings { endpoint: hub.endpoint(), attempts: 1, ..HubSettings::new(cache.path()) }
}

fn request(folder: &str, split: &str) -> DatasetRequest {
    DatasetRequest {
        repo: "owner/data".to_owned(),
        folder: folder.to_owned(),
        revision: "main".to_owned(),
        split: split.to_owned(),
    }
}

fn fetch(settings: &HubSettings, request: &DatasetRequest) -> Result<FetchedDataset, HubError> {
    fetch_dataset(settings, request, &mut |_, _, _| ())
}

fn cache() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn sizes(fetched: &FetchedDataset) -> Vec<u64> {
    fetched.files.iter().map(|path| fs::metadata(path).expect("it is there").len()).collect()
}

#[test]
fn a_split_is_fetched_once_read_and_found_offline() {
    let (hub, cache) = (start(&files(), Fault::None), cache());
    let settings = HubSettings { token: Some("hf_secret".to_owned()), ..settings(&hub, &cache) };
    let mut told = Vec::new();
    let mut progress = |file: &str, there, whole| told.push((file.to_owned(), there, whole));
    let request = request("rust", "train");
    let fetched = fetch_dataset(&settings, &request, &mut progress).expect("it is there");
    assert_eq!((fetched.commit.as_str(), fetched.files.len()), (COMMIT, 2));
    assert!(told.contains(&("rust/train-00001.jsonl".to_owned(), 0, sizes(&fetched)[1])));
    let token = "authorization: bearer hf_secret";
    assert!(hub.requests().iter().all(|head| head.to_lowercase().contains(token)));

    let source = OpenSource::of_files("owner/data", &fetched.files).expect("a known kind");
    let mut plan = RowPlan::new(vec![source], ReadSettings::new(cache.path()));
    plan.near_duplicates = false;
    let rows = sigil_data::KeptRows::read(&Arc::new(plan), &[], &mut Ledger::new());
    assert_eq!(rows.expect("the rows can be read").rows.len(), 430);

    let gets =
        |hub: &FakeHub| hub.requests().iter().filter(|r| r.starts_with("GET /datasets")).count();
    let before = gets(&hub);
    assert_eq!(fetch(&settings, &request).expect("it is there"), fetched);
    assert_eq!(gets(&hub), before, "nothing is fetched twice");
    drop(hub);
    let offline = HubSettings { offline: true, ..settings };
    assert_eq!(fetch(&offline, &request).expect("it is in the cache"), fetched);
    let other = DatasetRequest { repo: "owner/other".to_owned(), ..request };
    assert!(matches!(fetch(&offline, &other), Err(HubError::NotCached { .. })));
}

#[test]
fn refusals_are_told_apart() {
    for (status, expected) in [
        (401, "it needs a valid token (401)"),
        (403, "this token has no access to it (403)"),
        (404, "the hub has no `owner/data` at revision `main` (404)"),
        (429, "the hub asks to slow down (429)"),
        (503, "the hub answered 503 for `owner/data`"),
    ] {
        let (hub, cache) = (start(&files(), Fault::Status(status)), cache());
        let error = fetch(&settings(&hub, &cache), &request("", "train")).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn cut_slow_redirected_and_unranged_answers_give_the_same_files() {
    let mut expected = None;
    for fault in [Fault::None, Fault::Cut(2), Fault::Slow, Fault::Redirect, Fault::NoRanges] {
        let (hub, cache) = (start(&files(), fault), cache());
        let fetched = fetch(&settings(&hub, &cache), &request("rust", "train"));
        let fetched = fetched.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let contents: Vec<Vec<u8>> =
            fetched.files.iter().map(|path| fs::read(path).expect("it is there")).collect();
        assert_eq!(expected.get_or_insert(contents.clone()), &contents, "{fault:?}");
    }
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let (hub, cache) = (start(&files(), Fault::None), cache());
    let whole = &files()[1].1;
    let blobs = cache.path().join("datasets--owner--data").join("blobs");
    fs::create_dir_all(&blobs).expect("folders can be made");
    let part = blobs.join(format!("{}.incomplete", hash(whole)));
    fs::write(&part, &whole[..1000]).expect("the file can be written");
    let fetched = fetch(&settings(&hub, &cache), &request("rust", "train")).expect("it is there");
    assert_eq!(fs::read(&fetched.files[0]).expect("it is there"), *whole);
    assert!(!part.exists());
    let resumed = hub.requests().iter().any(|head| head.to_lowercase().contains("bytes=1000-"));
    assert!(resumed, "{:?}", hub.requests());
}

#[test]
fn bytes_that_stay_wrong_or_cut_are_reported_and_not_kept() {
    let (hub, first) = (start(&files(), Fault::Wrong), cache());
    let error = fetch(&settings(&hub, &first), &request("rust", "test")).expect_err("wrong bytes");
    let HubError::Damaged { path, reason } = &error else { panic!("{error}") };
    assert!(reason.contains("SHA-256") && !path.exists(), "{error}");
    let (hub, second) = (start(&files(), Fault::Cut(99)), cache());
    let error = fetch(&settings(&hub, &second), &request("rust", "test")).expect_err("always cut");
    assert!(matches!(error, HubError::Connection { .. } | HubError::Damaged { .. }), "{error}");
}

#[test]
fn splits_and_names_that_are_not_there_are_sentences() {
    let (hub, cache) = (start(&files(), Fault::None), cache());
    let settings = settings(&hub, &cache);
    let error = fetch(&settings, &request("rust", "validation")).expect_err("no such split");
    assert!(error.to_string().contains("no file of the split `validation`"), "{error}");
    assert!(error.to_string().contains("rust/test.jsonl") && error.hint().is_some(), "{error}");
    for repo in ["", "a/b/c", "../x", "a b"] {
        let request = DatasetRequest { repo: repo.to_owned(), ..request("", "train") };
        assert!(matches!(fetch(&settings, &request), Err(HubError::BadName { .. })), "{repo}");
    }
    let mut evil = files();
    evil.push(("../../escape/train.jsonl", b"{}".to_vec()));
    let (hub, cache) = (start(&evil, Fault::None), self::cache());
    let fetched = fetch(&self::settings(&hub, &cache), &request("", "train")).expect("the others");
    assert!(fetched.files.iter().all(|path| path.starts_with(cache.path())));
    assert_eq!(fetched.files.len(), 3);
}
