//! Fetching a model from a fake hub on loopback, and every way it can fail.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};
use sigil_data::{HubError, HubSettings, fetch_model};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REPO: &str = "owner/tiny";

/// What the hub does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Answers everything with this status.
    Status(u16),
    /// Closes the connection in the middle of weights, this many times.
    CutWeights(usize),
    /// Sends weights of the right size with one wrong byte, this many times.
    WrongWeights(usize),
    /// Answers the download itself with an error page.
    ErrorPageForWeights,
}

struct FakeHub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeHub {
    fn start(files: BTreeMap<String, Vec<u8>>, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut faults_left = match fault {
                Fault::CutWeights(times) | Fault::WrongWeights(times) => times,
                _ => usize::MAX,
            };
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                answer(stream, &files, fault, &mut faults_left, &seen);
            }
        });
        Self { address, requests, stop, thread: Some(thread) }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no request handler panicked").clone()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the fake hub does not panic");
        }
    }
}

fn answer(
    mut stream: TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    fault: Fault,
    faults_left: &mut usize,
    seen: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
    seen.lock().expect("no request handler panicked").push(head.clone());
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = path.split('?').next().unwrap_or("");
    let (status, headers, mut body) = match fault {
        Fault::Status(status) => (status, "Retry-After: 7\r\n".to_owned(), b"no".to_vec()),
        _ => respond(path, files),
    };
    let is_weights = method == "GET" && path.ends_with("model.safetensors");
    let mut status = status;
    let mut length = body.len();
    if is_weights && *faults_left > 0 {
        match fault {
            Fault::CutWeights(_) => {
                *faults_left -= 1;
                body.truncate(length / 2);
            }
            Fault::WrongWeights(_) => {
                *faults_left -= 1;
                body[0] ^= 1;
            }
            Fault::ErrorPageForWeights => {
                status = 503;
                body = b"try later".to_vec();
                length = body.len();
            }
            Fault::None | Fault::Status(_) => {}
        }
    }
    if method == "HEAD" {
        body.clear();
    }
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    // A client that went away is no failure of the hub.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}

fn respond(path: &str, files: &BTreeMap<String, Vec<u8>>) -> (u16, String, Vec<u8>) {
    let json = |text: String| (200, "Content-Type: application/json\r\n".to_owned(), text.into());
    if path.starts_with("/api/models/owner/tiny/tree/") {
        let entries: Vec<String> = files
            .iter()
            .map(|(name, bytes)| {
                format!(
                    r#"{{"type":"file","oid":"{}","size":{},"path":"{name}"}}"#,
                    hash(bytes),
                    bytes.len()
                )
            })
            .collect();
        return json(format!("[{}]", entries.join(",")));
    }
    if path.starts_with("/api/models/owner/tiny") {
        return json(format!(r#"{{"id":"{REPO}","sha":"{COMMIT}"}}"#));
    }
    let name = path.strip_prefix("/owner/tiny/resolve/").and_then(|rest| rest.split_once('/'));
    match name.and_then(|(_, name)| files.get(name)) {
        Some(bytes) => {
            let headers = format!("ETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\n", hash(bytes));
            (200, headers, bytes.clone())
        }
        None => (404, String::new(), b"absent".to_vec()),
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn model_files() -> BTreeMap<String, Vec<u8>> {
    [
        ("config.json", b"{}".to_vec()),
        // Equal contents would be one file in the cache, fetched once or twice by chance.
        ("tokenizer.json", b"{ }".to_vec()),
        ("model.safetensors", vec![7; 50_000]),
        ("consolidated.safetensors", vec![8; 10]),
        ("README.md", b"# tiny".to_vec()),
        ("original/params.json", b"{}".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect()
}

fn settings(hub: &FakeHub, cache: &TempDir) -> HubSettings {
    HubSettings { endpoint: hub.endpoint(), attempts: 1, ..HubSettings::new(cache.path()) }
}

fn cache() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[test]
fn a_model_is_fetched_once_and_then_found_offline() -> Result<(), HubError> {
    let (hub, cache) = (FakeHub::start(model_files(), Fault::None), cache());
    let settings = settings(&hub, &cache);
    let folder = fetch_model(&settings, REPO, "main")?;
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the snapshot is a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
    let gets = |hub: &FakeHub| {
        hub.requests().iter().filter(|head| head.starts_with("GET /owner/")).count()
    };
    assert_eq!(gets(&hub), 3, "{:?}", hub.requests());
    assert!(hub.requests().iter().all(|head| !head.to_lowercase().contains("authorization")));
    assert_eq!(fetch_model(&settings, REPO, "main")?, folder);
    assert_eq!(gets(&hub), 3, "nothing is fetched twice");
    drop(hub);
    let offline = HubSettings { offline: true, ..settings };
    for revision in [COMMIT, "main"] {
        assert_eq!(fetch_model(&offline, REPO, revision)?, folder, "{revision}");
    }
    let error = fetch_model(&offline, "owner/other", "main").expect_err("it was never fetched");
    assert!(matches!(error, HubError::NotCached { .. }), "{error}");
    Ok(())
}

#[test]
fn a_token_is_sent_and_never_shown() -> Result<(), HubError> {
    let (hub, cache) = (FakeHub::start(model_files(), Fault::None), cache());
    let settings = HubSettings { token: Some("hf_secret".to_owned()), ..settings(&hub, &cache) };
    fetch_model(&settings, REPO, "main")?;
    let with_token =
        |head: &String| head.to_lowercase().contains("authorization: bearer hf_secret");
    assert!(hub.requests().iter().all(with_token));
    assert!(!format!("{settings:?}").contains("secret"));
    Ok(())
}

#[test]
fn refusals_are_told_apart() {
    for (status, expected) in [
        (401, "it needs a valid token (401)"),
        (403, "this token has no access to it (403)"),
        (404, "the hub has no `owner/tiny` at revision `main` (404)"),
        (429, "the hub asks to slow down (429)"),
        (503, "the hub answered 503 for `owner/tiny`"),
    ] {
        let (hub, cache) = (FakeHub::start(model_files(), Fault::Status(status)), cache());
        let error = fetch_model(&settings(&hub, &cache), REPO, "main").expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_cut_body_is_fetched_again_and_reported_if_it_stays_cut() -> Result<(), HubError> {
    let (hub, first) = (FakeHub::start(model_files(), Fault::CutWeights(1)), cache());
    let folder = fetch_model(&settings(&hub, &first), REPO, "main")?;
    assert_eq!(fs::read(folder.join("model.safetensors")).expect("it is there").len(), 50_000);
    let (hub, second) = (FakeHub::start(model_files(), Fault::CutWeights(99)), cache());
    let error = fetch_model(&settings(&hub, &second), REPO, "main").expect_err("always cut");
    assert!(matches!(error, HubError::Connection { .. }), "{error}");
    Ok(())
}

#[test]
fn wrong_bytes_are_noticed_and_removed() -> Result<(), HubError> {
    let (hub, first) = (FakeHub::start(model_files(), Fault::WrongWeights(1)), cache());
    let folder = fetch_model(&settings(&hub, &first), REPO, "main")?;
    assert_eq!(fs::read(folder.join("model.safetensors")).expect("it is there"), [7; 50_000]);
    for fault in [Fault::WrongWeights(99), Fault::ErrorPageForWeights] {
        let (hub, second) = (FakeHub::start(model_files(), fault), cache());
        let error = fetch_model(&settings(&hub, &second), REPO, "main").expect_err("always wrong");
        let HubError::Damaged { path, .. } = &error else { panic!("{fault:?}: {error}") };
        assert!(!path.exists(), "a damaged file must not stay in the cache");
    }
    Ok(())
}

#[test]
fn incomplete_repositories_and_bad_names_are_refused() {
    for (removed, expected) in
        [("config.json", "has no config.json"), ("model.safetensors", "has no .safetensors")]
    {
        let mut files = model_files();
        files.remove(removed);
        let (hub, cache) = (FakeHub::start(files, Fault::None), cache());
        let error = fetch_model(&settings(&hub, &cache), REPO, "main").expect_err("incomplete");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut files = model_files();
    files.insert(
        "model.safetensors.index.json".to_owned(),
        br#"{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}"#.to_vec(),
    );
    let (hub, cache) = (FakeHub::start(files, Fault::None), cache());
    let error = fetch_model(&settings(&hub, &cache), REPO, "main").expect_err("a shard is absent");
    assert!(error.to_string().contains("has no model-2.safetensors"), "{error}");
    for name in ["", "a/b/c", "../x", "a/..", "a b", "https://x/y"] {
        let error = fetch_model(&settings(&hub, &cache), name, "main").expect_err("no name");
        assert!(matches!(error, HubError::BadName { .. }), "{name}: {error}");
    }
}

#[test]
fn no_connection_is_a_sentence() {
    let (hub, cache) = (FakeHub::start(model_files(), Fault::None), cache());
    let settings = settings(&hub, &cache);
    drop(hub);
    let error = fetch_model(&settings, REPO, "main").expect_err("nothing listens there");
    assert!(matches!(error, HubError::Connection { .. }), "{error}");
    assert!(error.hint().is_some());
}
