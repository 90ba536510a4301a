//! The Landlock rules of a job: what of its root it may do what with.
//!
//! A second wall behind the mounts of the full tier, and the only one of the reduced tier. The rights
//! and versions are those of `include/uapi/linux/landlock.h`. Applied in `init/program.rs`.

use std::path::PathBuf;

use crate::Job;
use crate::plan::{Place, relocated};

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SYM: u64 = 1 << 12;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;

/// Everything in the writable folder but devices, sockets and pipes.
const WORK: u64 = WRITE_FILE
    | READ_FILE
    | READ_DIR
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SYM
    | REFER
    | TRUNCATE;

/// What is forbidden unless allowed, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Rights to files, to the network, across the border: as many words as the kernel knows. Empty
    /// without Landlock.
    pub(crate) handled: Vec<u64>,
    /// What is allowed below which path.
    pub(crate) paths: Vec<PathRule>,
}

/// Rights below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathRule {
    pub(crate) path: PathBuf,
    pub(crate) access: u64,
    /// Whether the path may be missing.
    pub(crate) optional: bool,
}

/// All rights to files that a version of Landlock can forbid.
pub(crate) fn file_rights(abi: u32) -> u64 {
    match abi {
        0 => 0,
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}

impl Rules {
    /// The rules of one job in one place.
    pub(crate) fn of(job: &Job, place: &Place) -> Self {
        let abi = place.landlock_abi;
        let files = file_rights(abi);
        let mut handled = Vec::new();
        if abi >= 1 {
            handled.push(files);
        }
        if abi >= 4 {
            // Binding and connecting TCP.
            handled.push(0b11);
        }
        if abi >= 6 {
            // Abstract sockets and signals to processes outside.
            handled.push(0b11);
        }
        let mut rules = Self { handled, paths: Vec::new() };
        let execute = if job.executables.is_none() { EXECUTE } else { 0 };
        for mount in &job.root.mounts {
            let execute = if mount.execute { execute } else { 0 };
            rules.allow(&mount.inside, READ_FILE | READ_DIR | execute, false);
        }
        for file in &job.root.files {
            rules.allow(&file.path, READ_FILE, true);
        }
        rules.allow(&place.input, READ_FILE | READ_DIR | execute, true);
        rules.allow(&place.work, WORK | if job.work_executable { EXECUTE } else { 0 }, false);
        for device in ["null", "zero", "full", "random", "urandom"] {
            rules.allow(format!("/dev/{device}"), READ_FILE | WRITE_FILE, false);
        }
        if job.proc {
            rules.allow("/proc", READ_FILE | READ_DIR, false);
        }
        for program in job.executables.iter().flatten() {
            rules.allow(relocated(program, place), READ_FILE | EXECUTE, false);
        }
        // A right that the kernel does not know cannot be allowed either.
        for rule in &mut rules.paths {
            rule.access &= files;
        }
        rules
    }

    fn allow(&mut self, path: impl Into<PathBuf>, access: u64, optional: bool) {
        self.paths.push(PathRule { path: path.into(), access, optional });
    }
}
