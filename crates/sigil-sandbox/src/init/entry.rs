//! What the helper's first argument makes of it.
//!
//! - `slot`: the prepared parent of one slot's jobs (`slot.rs`); descriptor 0 is the supervisor's;
//! - `job`: process 1 (or the reaper) of one job in a place that somebody else made (`job.rs`);
//! - `connect PATH`: the same, for places that pass no descriptors;
//! - `probe`: tells the kernel's Landlock version in two digits;
//! - `hold`: waits until descriptor 0 closes, for whoever needs a process to move about;
//! - `canary NAME ..`: the attempts of `canary.rs`.

use crate::init::kernel::{self, Arguments, Fd};
use crate::init::{canary, job, slot};

/// Runs the role that the arguments ask for; the exit code.
pub(crate) fn start(arguments: &Arguments) -> i32 {
    let Some(role) = arguments.get(1) else { return 64 };
    match role.to_bytes() {
        b"slot" => slot::serve(0),
        b"job" => job::serve_one(0),
        b"connect" => match arguments.get(2).map(kernel::connect) {
            Some(Ok(socket)) => job::serve_one(socket as Fd),
            _ => 69,
        },
        b"probe" => {
            let version = kernel::landlock_version().unwrap_or(0);
            let digits = [b'0' + (version / 10 % 10) as u8, b'0' + (version % 10) as u8];
            i32::from(kernel::write_all(1, &digits).is_err())
        }
        b"hold" => {
            while kernel::poll_readable(&[0], 1_000_000) == 0 {}
            0
        }
        b"canary" => canary::attempt(arguments),
        _ => 64,
    }
}
