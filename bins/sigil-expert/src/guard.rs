//! Becomes another program, which the kernel ends as soon as whoever started it has ended.
//!
//! `sigil-expert` starts its programs through itself: a process can ask for that only on its own behalf,
//! and what it asked for stays with it when it becomes another program. So a run that is killed leaves
//! nothing behind, whatever killed it. Next: `programs.rs`, which starts it.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::cli::Guarded;
use crate::exit::Failure;

/// Becomes the program, or says why it cannot.
pub(crate) fn become_program(arguments: &Guarded) -> Result<Infallible, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::new(1, format!("cannot ask to end with the run: {error}")))?;
    // A parent that ended before that line sends nothing any more.
    if getppid().map(Pid::as_raw_pid) != Some(arguments.parent) {
        return Err(Failure::new(1, "the run that started this has ended"));
    }
    let error = Command::new(&arguments.program).args(&arguments.arguments).exec();
    Err(Failure::new(5, format!("cannot start `{}`: {error}", arguments.program.display())))
}
