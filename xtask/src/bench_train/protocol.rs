//! What is said to a process that times steps, ours or the peer's: lines over its pipes.
//!
//! It says [`Hello`] when its model is ready. Each line with a number then asks for that many
//! steps and is answered by [`Timed`]; the end of its input ends it. Every answer is one line of
//! JSON that begins with `{`; other lines, such as a library's greeting, are passed over.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a process says first.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Hello {
    /// Name and versions of what runs the model.
    pub(crate) implementation: String,
    /// Numbers that are trained.
    pub(crate) trained: u64,
    /// Why it cannot run this case; nothing more follows then.
    pub(crate) unavailable: Option<String>,
}

/// The parts of one step, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct StepTime {
    /// Loss and gradients.
    pub(crate) forward_backward_ms: f64,
    /// The global gradient norm, and scaling by it where that is a pass of its own.
    pub(crate) clip_ms: f64,
    /// AdamW.
    pub(crate) optimizer_ms: f64,
}

impl StepTime {
    /// All parts.
    pub(crate) fn total_ms(&self) -> f64 {
        self.forward_backward_ms + self.clip_ms + self.optimizer_ms
    }
}

/// The answer to a number of steps.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Timed {
    /// In the order they were taken.
    pub(crate) steps: Vec<StepTime>,
    /// Loss of the last step, nats per token.
    pub(crate) loss: f64,
    /// Most memory the process has held so far, as Linux counts it.
    pub(crate) peak_resident_bytes: u64,
}

/// A process that times steps.
pub(crate) struct Worker {
    name: String,
    child: Child,
    /// None once closed.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts the process and waits until its model is ready.
    ///
    /// # Errors
    /// It does not start, or ends before it says hello.
    pub(crate) fn start(name: &str, command: &mut Command) -> miette::Result<(Self, Hello)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| miette::miette!("cannot start {name}: {error}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().expect("its output is a pipe");
        let output = BufReader::new(output);
        let mut worker = Self { name: name.to_owned(), child, input, output };
        let hello = worker.answer()?;
        Ok((worker, hello))
    }

    /// Has `steps` steps taken.
    ///
    /// # Errors
    /// The process ended, or answered with something else.
    pub(crate) fn time(&mut self, steps: usize) -> miette::Result<Timed> {
        let input = self.input.as_mut().expect("closed when dropped only");
        writeln!(input, "{steps}")
            .and_then(|()| input.flush())
            .map_err(|error| miette::miette!("{} does not listen: {error}", self.name))?;
        let timed: Timed = self.answer()?;
        if timed.steps.len() != steps {
            let found = timed.steps.len();
            return Err(miette::miette!("{}: asked for {steps} steps, got {found}", self.name));
        }
        Ok(timed)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> miette::Result<T> {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line);
            match read.map_err(|error| miette::miette!("{}: {error}", self.name))? {
                0 => return Err(miette::miette!("{} ended without an answer", self.name)),
                _ if line.starts_with('{') => break,
                _ => {}
            }
        }
        serde_json::from_str(&line)
            .map_err(|error| miette::miette!("{} answered `{}`: {error}", self.name, line.trim()))
    }
}

impl Drop for Worker {
    /// Closes its input, which ends it, and waits.
    fn drop(&mut self) {
        drop(self.input.take());
        // Nothing is lost if it cannot be waited for: its answers are in.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> miette::Result<(Worker, Hello)> {
        Worker::start("the script", Command::new("sh").args(["-c", script]))
    }

    const HELLO: &str = r#"echo a greeting; echo '{"implementation":"x","trained":3}'; "#;

    #[test]
    fn other_lines_are_passed_over_and_steps_are_read() -> miette::Result<()> {
        let step = r#"{"forward_backward_ms":1.5,"clip_ms":0.25,"optimizer_ms":2}"#;
        let (mut worker, hello) = shell(&format!(
            r#"{HELLO} read n; echo noise; echo '{{"steps":[{step}],"loss":1,"peak_resident_bytes":7}}'"#
        ))?;
        assert_eq!((hello.trained, hello.unavailable), (3, None));
        let timed = worker.time(1)?;
        assert_eq!(timed.steps[0].total_ms(), 3.75);
        assert_eq!(timed.peak_resident_bytes, 7);
        Ok(())
    }

    #[test]
    fn a_process_that_ends_or_answers_otherwise_is_an_error() -> miette::Result<()> {
        let error = shell("true").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the script ended without an answer"));
        let (mut worker, _) = shell(&format!("{HELLO} read n; echo '{{}}'"))?;
        let error = worker.time(1).map_err(|error| error.to_string()).expect_err("no steps");
        assert!(error.starts_with("the script answered `{}`: missing field"), "{error}");
        let empty = r#"echo '{"steps":[],"loss":1,"peak_resident_bytes":7}'"#;
        let (mut worker, _) = shell(&format!("{HELLO} read n; {empty}"))?;
        let error = worker.time(2).map_err(|error| error.to_string()).expect_err("too few");
        assert_eq!(error, "the script: asked for 2 steps, got 0");
        Ok(())
    }
}
