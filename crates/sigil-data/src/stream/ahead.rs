//! A thread that makes windows before they are asked for, so that training does not wait for them.
//!
//! Is: one thread, started with the first window, which stays a fixed number of windows ahead; what it
//! makes is what would be made without it. Tokenizing runs on rayon's global threads. Is not: a
//! clock: how far it is decides nothing. Next: `windows.rs`.

use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::windows::{Window, WindowMaker};
use super::{Cursor, StreamError};
use crate::ledger::Ledger;

/// Windows that wait to be taken; one more is being made.
const WAITING: usize = 2;

/// Hands out windows.
pub(super) struct Ahead(State);

enum State {
    /// Nothing is being made.
    Still(Box<WindowMaker>),
    Running(Running),
    /// After an error rows may be lost, so that only a position leads on.
    Failed(Option<Box<WindowMaker>>),
}

struct Running {
    windows: Receiver<Result<Window, StreamError>>,
    thread: JoinHandle<Box<WindowMaker>>,
}

impl Ahead {
    pub(super) fn new(maker: WindowMaker) -> Self {
        Self(State::Still(Box::new(maker)))
    }

    /// Returns the next window.
    pub(super) fn next(&mut self) -> Result<Window, StreamError> {
        let running = match mem::replace(&mut self.0, State::Failed(None)) {
            State::Still(maker) => start(maker)?,
            State::Running(running) => running,
            State::Failed(maker) => {
                self.0 = State::Failed(maker);
                return Err(StreamError::Failed);
            }
        };
        match running.windows.recv() {
            Ok(Ok(window)) => {
                self.0 = State::Running(running);
                Ok(window)
            }
            // Without a word it ends only by a panic, which then goes on here.
            ended => {
                self.0 = State::Failed(Some(running.join()));
                Err(ended.ok().and_then(Result::err).unwrap_or(StreamError::Failed))
            }
        }
    }

    /// Goes to the window of a position and returns it.
    pub(super) fn seek(&mut self, cursor: &Cursor) -> Result<Window, StreamError> {
        let maker = match mem::replace(&mut self.0, State::Failed(None)) {
            State::Still(maker) => Some(maker),
            State::Running(running) => Some(running.join()),
            State::Failed(maker) => maker,
        };
        let mut maker = maker.ok_or(StreamError::Failed)?;
        let found = maker.seek(cursor);
        self.0 = match &found {
            Ok(_) => State::Still(maker),
            Err(_) => State::Failed(Some(maker)),
        };
        found
    }

    /// After an error: what became of all rows up to it.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        match &self.0 {
            State::Failed(Some(maker)) => Some(maker.ledger()),
            _ => None,
        }
    }
}

impl Running {
    /// Stops the thread at its next window and takes back what makes windows.
    fn join(self) -> Box<WindowMaker> {
        drop(self.windows);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn start(mut maker: Box<WindowMaker>) -> Result<Running, StreamError> {
    let (sender, windows) = sync_channel(WAITING);
    let run = move || {
        loop {
            let window = maker.next();
            let last = window.is_err();
            // Nobody takes it any more when the stream was dropped or goes elsewhere.
            if sender.send(window).is_err() || last {
                return maker;
            }
        }
    };
    let builder = thread::Builder::new().name("sigil-loader".to_owned());
    let thread = builder.spawn(run).map_err(StreamError::Thread)?;
    Ok(Running { windows, thread })
}
