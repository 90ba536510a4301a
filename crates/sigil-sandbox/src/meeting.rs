//! A socket in a folder, at which one helper is expected.
//!
//! For places that pass no descriptors of the supervisor's on: the helper inside connects, and the job
//! goes to it as a message. Next: `container.rs`.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ChildStderr;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use crate::Infra;
use crate::foreign::PrivateFolder;
use crate::supervise::failed;

/// The socket and its folder; both are gone when this is.
pub(crate) struct Meeting {
    folder: PrivateFolder,
    listener: OwnedFd,
}

/// What waiting came to.
pub(crate) enum Met {
    /// The helper, at the other end of this.
    Helper(OwnedFd),
    /// The command that was to start it ended first, saying this.
    Ended(String),
}

impl Meeting {
    /// Opens one, at which any user may arrive: who the helper is, the engine decides.
    pub(crate) fn open() -> Result<Self, Infra> {
        let folder = PrivateFolder::make()?;
        let path = folder.path().join("socket");
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed("make a socket"))?;
        let address = SocketAddrUnix::new(&path).map_err(failed("name a socket"))?;
        bind(&listener, &address).map_err(failed("name a socket"))?;
        listen(&listener, 1).map_err(failed("listen"))?;
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, open).map_err(|source| Infra::Supervisor {
            action: "open a socket to a container",
            source,
        })?;
        Ok(Self { folder, listener })
    }

    /// The folder with `socket` in it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for the helper, or for the end of the command that starts it: whoever holds the other end
    /// of `said` is that command.
    pub(crate) fn wait(&self, said: &mut ChildStderr, until: Instant) -> Result<Met, Infra> {
        let mut text = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let mut polled =
                [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&*said, PollFlags::IN)];
            let ready =
                poll(&mut polled, Some(&timeout)).map_err(failed("wait for a container"))?;
            if ready == 0 {
                return Err(Infra::NoReport("its container did not start in time".to_owned()));
            }
            if !polled[0].revents().is_empty() {
                let socket = accept_with(self.listener.as_fd(), SocketFlags::CLOEXEC);
                return socket.map(Met::Helper).map_err(failed("meet a container"));
            }
            let mut part = [0u8; 1024];
            match said.read(&mut part) {
                Ok(0) | Err(_) => {
                    let text = String::from_utf8_lossy(&text).trim().to_owned();
                    return Ok(Met::Ended(text));
                }
                Ok(got) if text.len() < 2000 => text.extend(&part[..got]),
                Ok(_) => {}
            }
        }
    }
}
