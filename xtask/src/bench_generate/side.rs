//! What is said to a process that times generation, ours or the peer's: lines over its pipes.
//!
//! It says [`Hello`] when its model is ready. Each line with a batch size then asks for one round and
//! is answered by a [`Round`]; the end of its input ends it. Every answer is one line of JSON that
//! begins with `{`; other lines, such as a library's greeting, are passed over.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a process says first.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Hello {
    /// Name and versions of what runs the model.
    pub(crate) implementation: String,
    /// Why it cannot run; nothing more follows then.
    pub(crate) unavailable: Option<String>,
}

/// One batch of prompts answered.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Round {
    /// Prompt tokens, in all sequences.
    pub(crate) prompt_tokens: u64,
    /// Seconds until every sequence had its first token.
    pub(crate) prompt_secs: f64,
    /// Tokens after the first of each sequence.
    pub(crate) decoded_tokens: u64,
    /// Seconds for those.
    pub(crate) decode_secs: f64,
    /// Most memory the process has held so far, as Linux counts it.
    pub(crate) peak_resident_bytes: u64,
}

/// A process that times rounds.
pub(crate) struct Side {
    name: &'static str,
    child: Child,
    /// None once closed.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Side {
    /// Starts the process and waits until its model is ready.
    ///
    /// # Errors
    /// It does not start, or ends before it says hello.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
    ) -> miette::Result<(Self, Hello)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| miette::miette!("cannot start {name}: {error}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut side = Self { name, child, input, output };
        let hello = side.answer()?;
        Ok((side, hello))
    }

    /// Has one round run.
    ///
    /// # Errors
    /// The process ended, or answered with something else.
    pub(crate) fn round(&mut self, batch: usize) -> miette::Result<Round> {
        let input = self.input.as_mut().expect("closed when dropped only");
        writeln!(input, "{batch}")
            .and_then(|()| input.flush())
            .map_err(|error| miette::miette!("{} does not listen: {error}", self.name))?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> miette::Result<T> {
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            let read = self.output.read_line(&mut line);
            if read.map_err(|error| miette::miette!("{}: {error}", self.name))? == 0 {
                return Err(miette::miette!("{} ended without an answer", self.name));
            }
        }
        serde_json::from_str(&line)
            .map_err(|error| miette::miette!("{} answered `{}`: {error}", self.name, line.trim()))
    }
}

impl Drop for Side {
    /// Closes its input, which ends it, and waits.
    fn drop(&mut self) {
        drop(self.input.take());
        // Nothing is lost if it cannot be waited for: its answers are in.
        let _ = self.child.wait();
    }
}
