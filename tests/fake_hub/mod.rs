//! A hub of datasets on loopback, and every way it can fail.
//!
//! Is: the few addresses of the Hub that a fetch asks for, over files in memory; included by the tests
//! of several crates. Is not: a test. Next: `crates/sigil-data/tests/it/hub_datasets.rs`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Commit that every revision means.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub does wrong with the bytes of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Answers everything with this status.
    Status(u16),
    /// Sends half of a body, this many times.
    Cut(usize),
    /// Sends wrong bytes of the right number.
    Wrong,
    /// Sends the whole file when a range is asked for.
    NoRanges,
    /// Answers with a redirection to another path.
    Redirect,
    /// Sends a body in small pieces with pauses.
    Slow,
}

/// The hub; it ends when it is dropped.
pub(crate) struct FakeHub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeHub {
    /// Starts a hub that has one dataset, `repo` (`owner/name`).
    pub(crate) fn start(repo: &str, files: &[(&str, Vec<u8>)], fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        let dataset = Dataset { repo: repo.to_owned(), files };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut left = if let Fault::Cut(times) = fault { times } else { usize::MAX };
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                answer(stream, &dataset, fault, &mut left, &seen);
            }
        });
        Self { address, requests, stop, thread: Some(thread) }
    }

    /// Returns its address with the scheme.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the heads of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
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

struct Dataset {
    repo: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// SHA-256, as the Hub names files by it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(
    mut stream: TcpStream,
    dataset: &Dataset,
    fault: Fault,
    left: &mut usize,
    seen: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
    seen.lock().expect("no request handler panicked").push(head.clone());
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = path.split('?').next().unwrap_or("");
    let resolve = format!("/datasets/{}/resolve/", dataset.repo);
    let data = [resolve.as_str(), "/cdn/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix)?.split_once('/'))
        .and_then(|(_, name)| Some((name, dataset.files.get(name)?)));
    let (mut status, mut headers, mut body) = respond(path, dataset);
    if let Some((name, bytes)) = data {
        headers = format!("ETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\n", hash(bytes));
        (status, body) = (200, bytes.clone());
        let asked = range(&head).filter(|_| fault != Fault::NoRanges);
        if let Some((start, end)) = asked {
            status = 206;
            body = bytes[start.min(bytes.len())..end.min(bytes.len())].to_vec();
        }
        if fault == Fault::Redirect && path.starts_with("/datasets/") {
            status = 302;
            headers.push_str(&format!("Location: /cdn/x/{name}\r\n"));
            body.clear();
        }
        if fault == Fault::Wrong && method == "GET" {
            body[0] ^= 1;
        }
    }
    if let Fault::Status(fixed) = fault {
        (status, headers, body) = (fixed, "Retry-After: 7\r\n".to_owned(), b"no".to_vec());
    }
    let length = body.len();
    if method == "GET" && data.is_some() && matches!(fault, Fault::Cut(_)) && *left > 0 {
        *left -= 1;
        body.truncate(length / 2);
    }
    if method == "HEAD" {
        body.clear();
    }
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    // A client that went away is no failure of the hub.
    drop(stream.write_all(head.as_bytes()));
    let pieces =
        if fault == Fault::Slow { body.len().div_ceil(4).max(1) } else { body.len().max(1) };
    for piece in body.chunks(pieces) {
        if fault == Fault::Slow {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stream.write_all(piece));
    }
}

fn range(head: &str) -> Option<(usize, usize)> {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("range:"))?;
    let (start, end) = line.split_once("bytes=")?.1.trim().split_once('-')?;
    Some((start.parse().ok()?, end.parse::<usize>().ok()? + 1))
}

fn respond(path: &str, dataset: &Dataset) -> (u16, String, Vec<u8>) {
    let json = |text: String| (200, "Content-Type: application/json\r\n".to_owned(), text.into());
    let repo = &dataset.repo;
    let Some(rest) = path.strip_prefix(&format!("/api/datasets/{repo}")) else {
        return (404, String::new(), b"absent".to_vec());
    };
    if rest.starts_with("/tree/") {
        let entry = |(name, bytes): (&String, &Vec<u8>)| {
            let (oid, size) = (hash(bytes), bytes.len());
            format!(r#"{{"type":"file","oid":"{oid}","size":{size},"path":"{name}"}}"#)
        };
        return json(format!(
            "[{}]",
            dataset.files.iter().map(entry).collect::<Vec<_>>().join(",")
        ));
    }
    json(format!(r#"{{"id":"{repo}","sha":"{COMMIT}"}}"#))
}
