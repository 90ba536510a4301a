//! A hub on loopback that takes uploads, and can go away in the middle of one.
//!
//! Is: the addresses that a push asks for (repository, tree, preupload, batch, token, xet storage,
//! commit), over files in memory. Small files come inside a commit, large ones are announced to the xet
//! storage and named by their digest. Is not: a test. Included where it is needed, like `mod.rs` beside it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

/// What lies in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The bytes of a small file.
    Bytes(Vec<u8>),
    /// A large file: its SHA-256 and length.
    Large(String, u64),
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Stored>,
    /// Summary and file names of every commit.
    commits: Vec<(String, Vec<String>)>,
    /// Method and path of every request, in order.
    requests: Vec<String>,
    /// Authorization headers that came.
    tokens: Vec<String>,
    xorb_bytes: u64,
    /// Commits until it answers no more.
    commits_left: Option<usize>,
    private: Option<bool>,
}

/// The hub; it ends when it is dropped.
pub(crate) struct UploadHub {
    address: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UploadHub {
    /// Starts a hub without repositories that hangs up on everything after so many commits.
    pub(crate) fn start(commits_left: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let state = Arc::new(Mutex::new(State { commits_left, ..State::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped, own) = (Arc::clone(&state), Arc::clone(&stop), address.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (shared, own) = (Arc::clone(&shared), own.clone());
                // The storage is asked by several connections at once.
                std::thread::spawn(move || drop(answer(stream, &shared, &own)));
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// Its address with the scheme.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets it answer again.
    pub(crate) fn mend(&self) {
        self.locked(|state| state.commits_left = None);
    }

    /// What lies there.
    pub(crate) fn files(&self) -> BTreeMap<String, Stored> {
        self.locked(|state| state.files.clone())
    }

    /// Summary and files of every commit.
    pub(crate) fn commits(&self) -> Vec<(String, Vec<String>)> {
        self.locked(|state| state.commits.clone())
    }

    /// Method and path of every request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.locked(|state| state.requests.clone())
    }

    /// Authorization headers that came.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.locked(|state| state.tokens.clone())
    }

    /// Bytes of large files that the storage took.
    pub(crate) fn xorb_bytes(&self) -> u64 {
        self.locked(|state| state.xorb_bytes)
    }

    /// Whether the repository was made as a private one.
    pub(crate) fn private(&self) -> Option<bool> {
        self.locked(|state| state.private)
    }

    fn locked<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().expect("no request handler panicked"))
    }
}

impl Drop for UploadHub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the fake hub does not panic");
        }
    }
}

struct Request {
    method: String,
    path: String,
    token: Option<String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut chunked, mut token) = (0, false, None);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.contains("chunked"),
            "authorization" => token = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    }
    Ok(Request { method, path, token, body })
}

fn answer(mut stream: TcpStream, state: &Mutex<State>, address: &str) -> std::io::Result<()> {
    let request = read(&stream)?;
    let (status, body) = {
        let mut state = state.lock().expect("no request handler panicked");
        state.requests.push(format!("{} {}", request.method, request.path));
        state.tokens.extend(request.token.clone());
        if state.commits_left == Some(0) {
            // The connection closes without an answer.
            return Ok(());
        }
        respond(&mut state, &request, address)
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn respond(state: &mut State, request: &Request, address: &str) -> (u16, Value) {
    let json: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let path = request.path.split('?').next().unwrap_or_default();
    let post = request.method == "POST";
    match path {
        "/api/repos/create" if post => {
            let status = if state.private.is_some() { 409 } else { 200 };
            state.private = Some(json["private"].as_bool().unwrap_or(false));
            (status, json!({ "url": format!("http://{address}/repo") }))
        }
        _ if path.contains("/tree/") => {
            let entry = |(name, stored): (&String, &Stored)| {
                let (oid, size) = object(stored);
                json!({ "type": "file", "oid": oid, "size": size, "path": name })
            };
            (200, state.files.iter().map(entry).collect())
        }
        _ if path.contains("/preupload/") && post => {
            let files = json["files"].as_array().cloned().unwrap_or_default();
            let mode = |file: &Value| {
                let name = file["path"].as_str().unwrap_or_default();
                let large = name.ends_with(".safetensors") || name.ends_with(".gguf");
                let mode = if large { "lfs" } else { "regular" };
                json!({ "path": name, "uploadMode": mode, "shouldIgnore": false })
            };
            (200, json!({ "files": files.iter().map(mode).collect::<Vec<_>>() }))
        }
        _ if path.ends_with("/info/lfs/objects/batch") && post => {
            (200, json!({ "transfer": "xet", "objects": [] }))
        }
        _ if path.contains("/xet-write-token/") => {
            let token = json!({
                "accessToken": "storage", "exp": 4_000_000_000_u64,
                "casUrl": format!("http://{address}"),
            });
            (200, token)
        }
        _ if path.starts_with("/v1/xorbs/") && post => {
            state.xorb_bytes += request.body.len() as u64;
            (200, json!({ "was_inserted": true }))
        }
        "/v1/shards" if post => (200, json!({ "result": 1 })),
        _ if path.contains("/commit/") && post => commit(state, &request.body),
        _ => (404, json!({ "error": "absent" })),
    }
}

fn commit(state: &mut State, body: &[u8]) -> (u16, Value) {
    if let Some(left) = &mut state.commits_left {
        *left -= 1;
    }
    let (mut summary, mut names) = (String::new(), Vec::new());
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).expect("a commit is lines of JSON");
        let value = &line["value"];
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let stored = match line["key"].as_str() {
            Some("header") => {
                summary = text("summary");
                continue;
            }
            Some("file") => Stored::Bytes(base64(&text("content"))),
            Some("lfsFile") => Stored::Large(text("oid"), value["size"].as_u64().unwrap_or(0)),
            other => panic!("a commit of {other:?}"),
        };
        names.push(text("path"));
        state.files.insert(text("path"), stored);
    }
    state.commits.push((summary, names));
    (
        200,
        json!({ "commitUrl": "http://x/c", "commitOid": "0".repeat(40), "commitMessage": "m", "commitDescription": "" }),
    )
}

/// The git object of a file, and its length.
fn object(stored: &Stored) -> (String, u64) {
    let (bytes, size) = match stored {
        Stored::Bytes(bytes) => (bytes.clone(), bytes.len() as u64),
        Stored::Large(oid, size) => {
            let pointer = format!(
                "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
            );
            (pointer.into_bytes(), *size)
        }
    };
    let mut blob = Sha1::new();
    blob.update(format!("blob {}\0", bytes.len()));
    blob.update(&bytes);
    (blob.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), size)
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter_map(value) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
