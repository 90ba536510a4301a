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

use sigil_qlora::{
    TrainError,
    ranks::{Channel, Loading, RanksError},
};

use crate::exit::Failure;

/// How long one that should end may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often they are looked after.
const GLANCE: Duration = Duration::from_millis(20);

/// Processes at work; they end with this.
pub(crate) struct Followers {
    children: Arc<Children>,
    /// They may end from now on.
    is_over: Arc<AtomicBool>,
}

/// The processes in the order of their numbers, from 1 on.
#[derive(Default)]
struct Children(Mutex<Vec<Child>>);

impl Followers {
    /// Starts one for each of `loadings` and tells it what to load.
    pub(crate) fn start(loadings: &[Loading]) -> Result<(Self, Vec<Channel>), Failure> {
        let failed = |what: String| Failure::new(1, what, None);
        let program = std::env::current_exe()
            .map_err(|error| failed(format!("cannot find this program's own file: {error}")))?;
        let followers = Self { children: Arc::default(), is_over: Arc::default() };
        let ranks = loadings.len() + 1;
        let mut channels = vec![];
        for (loading, rank) in loadings.iter().zip(1..) {
            let mut child = Command::new(&program)
                .args(["--follow", &ranks.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| {
                    failed(format!("cannot start process {rank} of {ranks}: {error}"))
                })?;
            let to = child.stdin.take().expect("it was asked to be a pipe");
            let from = child.stdout.take().expect("it was asked to be a pipe");
            followers.children.lock().push(child);
            let mut channel = Channel::new(from, to, rank, ranks);
            channel.send_loading(loading).map_err(TrainError::from)?;
            channels.push(channel);
        }
        if ranks > 1 {
            followers.watch();
        }
        Ok((followers, channels))
    }

    /// Ends this process when one of them is gone and nothing was noticed: a sum over GPUs would wait for
    /// it forever.
    fn watch(&self) {
        let (children, is_over) = (Arc::clone(&self.children), Arc::clone(&self.is_over));
        std::thread::spawn(move || {
            let over = || is_over.load(Ordering::SeqCst).then_some(());
            // For as long as the run takes.
            let gone = || over().map(|()| None).or_else(|| children.gone().map(Some));
            let Some(gone) = wait_for(Duration::MAX, gone).flatten() else { return };
            if wait_for(PATIENCE, over).is_none() {
                crate::live::give_back();
                let ranks = children.lock().len() + 1;
                let error = TrainError::from(RanksError::Gone { rank: gone + 1, ranks });
                let failure = Failure::from(error).with_code(children.failure_code());
                std::process::exit(failure.tell().into());
            }
        });
    }

    /// The exit code of the first that failed by itself, once those that end have ended.
    pub(crate) fn failure_code(&self) -> Option<u8> {
        let children = &self.children;
        let ended =
            || children.failure_code().map(Some).or_else(|| children.ended().then_some(None));
        wait_for(Duration::from_secs(1), ended).flatten()
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        wait_for(PATIENCE, || self.children.ended().then_some(()));
        for child in self.children.lock().iter_mut() {
            let _ended_already = child.kill();
            let _waited_for = child.wait();
        }
    }
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Vec<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of the first that has ended.
    fn gone(&self) -> Option<usize> {
        self.lock().iter_mut().position(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn ended(&self) -> bool {
        self.lock().iter_mut().all(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// The first exit code that says more than that something failed.
    fn failure_code(&self) -> Option<u8> {
        let mut children = self.lock();
        let statuses = children.iter_mut().filter_map(|child| child.try_wait().ok().flatten());
        let codes = statuses.filter_map(|status| u8::try_from(status.code()?).ok());
        codes.into_iter().find(|&code| code > 1)
    }
}

/// What `found` finds, asked again and again for at most so long: the system offers no waiting for one of
/// several processes or a flag.
fn wait_for<T>(patience: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let now = found();
        if now.is_some() || begun.elapsed() > patience {
            return now;
        }
        std::thread::sleep(GLANCE);
    }
}
