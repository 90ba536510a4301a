//! A NATS server of one's own for a test: on a free port, with a folder of its own, killed at the end.
//!
//! Nothing is installed here. Where no `nats-server` is on PATH the tests of the queue say so and end; CI
//! installs it first, so there they always run.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A running server.
pub(crate) struct Nats {
    child: Child,
    folder: PathBuf,
    port: u16,
    more: Vec<String>,
}

impl Nats {
    /// Starts a server that keeps its streams below `folder`; `None`, said plainly, where there is no
    /// `nats-server` on PATH.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Option<Self> {
        if Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let must = std::env::var_os("SIGIL_REQUIRE_NATS").is_some();
            assert!(!must, "no nats-server on PATH: apt-get install nats-server");
            let mut stderr = std::io::stderr();
            let _ = writeln!(
                stderr,
                "NOT RUN: no nats-server on PATH; `apt-get install nats-server`, or .ci/run does it"
            );
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .port();
        let more: Vec<String> = more.iter().map(|text| (*text).to_owned()).collect();
        let child = spawn(folder, port, &more);
        let started = Self { child, folder: folder.to_owned(), port, more };
        started.wait_until_it_listens();
        Some(started)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it as `kill -9` does, and starts it again over the same folder.
    pub(crate) fn kill_and_restart(&mut self) {
        self.end();
        self.child = spawn(&self.folder, self.port, &self.more);
        self.wait_until_it_listens();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_it_listens(&self) {
        // It reads its folder before it listens.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn spawn(folder: &Path, port: u16, more: &[String]) -> Child {
    Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(folder)
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is on PATH")
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends every job that a coordinator sends a second time, as a network that repeats itself would. Speaks
/// the server's own text protocol.
pub(crate) struct Doubler {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    doubled: Arc<AtomicUsize>,
}

impl Doubler {
    pub(crate) fn start(port: u16) -> Self {
        let (stop, doubled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&doubled));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // The server is killed now and then.
                let _ = double(port, &told, &count);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { stop, thread: Some(thread), doubled }
    }

    /// How many jobs were sent a second time.
    pub(crate) fn doubled(&self) -> usize {
        self.doubled.load(Ordering::Relaxed)
    }
}

impl Drop for Doubler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn double(port: u16, stop: &AtomicBool, doubled: &AtomicUsize) -> std::io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut writer = stream.try_clone()?;
    writer.write_all(
        b"CONNECT {\"verbose\":false,\"headers\":true,\"lang\":\"t\",\"version\":\"1\"}\r\n",
    )?;
    writer.write_all(b"SUB sigil.jobs.> 1\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) if line.ends_with(b"\n") => {}
            // A line may come in pieces: what was read of it stays.
            _ if stop.load(Ordering::Relaxed) => return Ok(()),
            _ => continue,
        }
        let words: Vec<String> =
            String::from_utf8_lossy(&line).split_whitespace().map(str::to_owned).collect();
        line.clear();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match words[..] {
            ["PING"] => writer.write_all(b"PONG\r\n")?,
            // What has headers is a coordinator's; what this thread sends has none.
            ["HMSG", subject, .., header, total] => {
                let mut body = vec![0; number(total) + 2];
                read_all(&mut reader, &mut body)?;
                let payload = &body[number(header)..number(total)];
                write!(writer, "PUB {subject} {}\r\n", payload.len())?;
                writer.write_all(payload)?;
                writer.write_all(b"\r\n")?;
                doubled.fetch_add(1, Ordering::Relaxed);
            }
            ["MSG", .., total] => {
                let mut body = vec![0; number(total) + 2];
                read_all(&mut reader, &mut body)?;
            }
            _ => {}
        }
    }
}

/// Reads exactly so much, however often nothing comes for a moment.
fn read_all(reader: &mut BufReader<TcpStream>, body: &mut [u8]) -> std::io::Result<()> {
    let mut at = 0;
    while at < body.len() {
        match reader.read(&mut body[at..]) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => at += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
