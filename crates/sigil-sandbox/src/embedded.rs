//! The helper program, which lies inside this library, and starting it.
//!
//! What it does is in `init/mod.rs`. It is started from a sealed memory file; backends that need a path
//! write it into a private folder.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use crate::Infra;

/// The helper's bytes, as `build.rs` made them.
pub(crate) const HELPER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/helper"));

/// The library that is loaded into programs ahead of their jobs; see `init/ahead.rs`.
pub(crate) const AHEAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ahead"));

/// The helper as a file that can be executed and not changed.
fn file() -> Result<&'static OwnedFd, Infra> {
    static FILE: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(file) = FILE.get() {
        return Ok(file);
    }
    let made = make_file().map_err(|errno| Infra::Supervisor {
        action: "make the helper's memory file",
        source: errno.into(),
    })?;
    Ok(FILE.get_or_init(|| made))
}

fn make_file() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag, and need none.
    let file = match memfd_create("sandbox-helper", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("sandbox-helper", flags)?,
        made => made?,
    };
    let mut rest = HELPER;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = &rest[written..];
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// The command that runs the helper, with an empty environment and nothing on its streams.
pub(crate) fn command() -> Result<Command, Infra> {
    let mut command = Command::new(format!("/proc/self/fd/{}", file()?.as_raw_fd()));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in a terminal goes to a whole process group. The supervisor decides what it means: helpers
    // end when their socket does.
    command.current_dir("/").process_group(0);
    Ok(command)
}

/// Starts the helper in a role, with `socket` as its descriptor 0.
pub(crate) fn start(role: &str, socket: OwnedFd) -> Result<Child, Infra> {
    command()?
        .arg(role)
        .stdin(Stdio::from(socket))
        .spawn()
        .map_err(|source| Infra::Supervisor { action: "start the helper", source })
}

/// The kernel's Landlock version, as the helper finds it; 0 is none. Asked once: a kernel does not
/// change, and asking starts a process.
pub(crate) fn landlock_abi() -> Result<u32, Infra> {
    static FOUND: OnceLock<u32> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let fail = |source: io::Error| Infra::Supervisor { action: "start the helper", source };
    let said = command()?.arg("probe").stdout(Stdio::piped()).output().map_err(fail)?;
    let found = std::str::from_utf8(&said.stdout)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| fail(io::Error::other("it says nothing")))?;
    Ok(*FOUND.get_or_init(|| found))
}

/// A short digest of everything that decides what a program may do: helper, library and filters.
pub fn policy_digest() -> String {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(make_digest).clone()
}

fn make_digest() -> String {
    short_digest(crate::filter::filters().iter().flatten().chain(HELPER).chain(AHEAD))
}

/// FNV-1a: tells versions apart, proves nothing.
pub(crate) fn short_digest<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    let digest = bytes.fold(0xcbf2_9ce4_8422_2325u64, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{digest:016x}")
}
