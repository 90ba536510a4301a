//! The other processes of a run with `run.processes` above 1: this program again, spoken to over its
//! stdin and stdout.
//!
//! Here they are started, watched and waited for; what is said is in `sigil_qlora::ranks`. Their side is
//! `follow.rs`.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sigil_qlora::ranks::{Channel, Loading};

use crate::exit::Failure;

/// How long one that should end may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often they are looked after.
const GLANCE: Duration = Duration::from_millis(100);

/// Processes at work; they end with this.
pub(crate) struct Followers {
    children: Arc<Mutex<Vec<Child>>>,
    /// They may end from now on.
    is_over: Arc<AtomicBool>,
}

impl Followers {
    /// Starts one for each of `loadings` and tells it what to load.
    pub(crate) fn start(loadings: &[Loading]) -> Result<(Self, Vec<Channel>), Failure> {
        let failed = |what: String| Failure::new(1, what, None);
        let program = std::env::current_exe()
            .map_err(|error| failed(format!("cannot find this program's own file: {error}")))?;
        let followers =
            Self { children: Arc::default(), is_over: Arc::new(AtomicBool::new(false)) };
        let ranks = loadings.len() + 1;
        let mut channels = vec![];
        for (i, loading) in loadings.iter().enumerate() {
            let rank = i + 1;
            let mut child = Command::new(&program)
                .args(["--follow", &format!("{rank}/{ranks}")])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| {
                    failed(format!("cannot start process {rank} of {ranks}: {error}"))
                })?;
            let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(failed(format!("process {rank} of {ranks} has no pipes")));
            };
            followers.children().push(child);
            let mut channel = Channel::new(from, to);
            channel
                .send_loading(loading, rank, ranks)
                .map_err(|error| Failure::new(1, &error, Some(error.hint().to_owned())))?;
            channels.push(channel);
        }
        if ranks > 1 {
            followers.watch();
        }
        Ok((followers, channels))
    }

    fn children(&self) -> MutexGuard<'_, Vec<Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends this process when one of them is gone and nothing was noticed: a sum over GPUs would wait for
    /// it forever.
    fn watch(&self) {
        let (children, is_over) = (Arc::clone(&self.children), Arc::clone(&self.is_over));
        std::thread::spawn(move || {
            let mut gone_since = None;
            while !is_over.load(Ordering::SeqCst) {
                std::thread::sleep(GLANCE);
                let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
                let gone =
                    children.iter_mut().position(|child| !matches!(child.try_wait(), Ok(None)));
                let Some(gone) = gone else { continue };
                let since: Instant = *gone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE && !is_over.load(Ordering::SeqCst) {
                    crate::live::give_back();
                    let (rank, ranks) = (gone + 1, children.len() + 1);
                    eprintln!(
                        "error: process {rank} of {ranks} has ended, and the others wait for it\n  \
                         hint: the newest checkpoint set is whole; `--resume` goes on from it"
                    );
                    std::process::exit(1);
                }
            }
        });
    }

    /// The exit code of the first that failed by itself, once those that end have ended.
    pub(crate) fn failure_code(&self) -> Option<u8> {
        let begun = Instant::now();
        loop {
            let mut children = self.children();
            let codes: Vec<Option<i32>> = children
                .iter_mut()
                .map(|child| {
                    child.try_wait().ok().flatten().map(|status| status.code().unwrap_or(1))
                })
                .collect();
            drop(children);
            let failed = codes.iter().flatten().find(|&&code| code > 1);
            let all_ended = codes.iter().all(Option::is_some);
            if failed.is_some() || all_ended || begun.elapsed() > Duration::from_secs(1) {
                return failed.and_then(|&code| u8::try_from(code).ok());
            }
            std::thread::sleep(GLANCE / 10);
        }
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        for child in self.children().iter_mut() {
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
                std::thread::sleep(GLANCE / 10);
            }
            let _ended_already = child.kill();
            let _waited_for = child.wait();
        }
    }
}
