//! What goes wrong between this program and the queue's server.

use std::path::PathBuf;
use std::time::Duration;

/// The queue cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// An address that cannot be read.
    #[error("`{address}` is no address of a queue: {problem}")]
    Address {
        /// As it was given, without what could be a password.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A server elsewhere without TLS.
    #[error("`{address}` is not on this machine, and `nats://` sends everything readable")]
    Unprotected {
        /// The address.
        address: String,
    },
    /// A server elsewhere without credentials.
    #[error("`{address}` is not on this machine, and no credentials are given")]
    Anonymous {
        /// The address.
        address: String,
    },
    /// Credentials that cannot be read.
    #[error("the queue's credentials cannot be read: {0}")]
    Credentials(String),
    /// A certificate file that is not there.
    #[error("cannot read the certificate file `{}`", .0.display())]
    Certificate(PathBuf),
    /// The server was not reached, or did not let this program in.
    #[error("cannot connect to `{address}`: {problem}")]
    Connect {
        /// The address.
        address: String,
        /// What the client said.
        problem: String,
        /// Whether the server refused who asked.
        refused: bool,
    },
    /// The server keeps nothing.
    #[error("the server at `{0}` has no JetStream, so it cannot keep jobs")]
    NoJetStream(String),
    /// The server takes messages that are too small.
    #[error("the server at `{address}` takes messages of {bytes} bytes, and jobs need {needed}")]
    SmallMessages {
        /// The address.
        address: String,
        /// What it takes.
        bytes: usize,
        /// What is needed.
        needed: usize,
    },
    /// Something did not succeed although it was tried for a long time.
    #[error("could not {what} in {} s: {problem}", waited.as_secs())]
    Lost {
        /// What was to be done.
        what: &'static str,
        /// How long it was tried.
        waited: Duration,
        /// What the last try said.
        problem: String,
    },
    /// The caller asked to stop while something was tried again.
    #[error("stopped")]
    Stopped,
    /// A name that cannot be part of a subject.
    #[error("`{0}` cannot name a group, a run or a job: letters and digits only, at most 64")]
    Name(String),
    /// Bytes that are not what their name says.
    #[error("job {key} is not the digest of its bytes")]
    WrongName {
        /// The name.
        key: String,
    },
    /// A job or an answer above the cap.
    #[error("{what} has {bytes} bytes, and the queue carries {most}")]
    TooLarge {
        /// What it is.
        what: String,
        /// Its size.
        bytes: usize,
        /// The cap.
        most: usize,
    },
    /// The system failed.
    #[error("cannot start the queue's thread: {0}")]
    Thread(#[source] std::io::Error),
}

impl QueueError {
    /// What the user can do, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Address { .. } => "write nats://127.0.0.1:4222 or tls://HOST:4222",
            Self::Unprotected { .. } => {
                "give the server a certificate and write tls://; nats:// is for this machine alone"
            }
            Self::Anonymous { .. } => {
                "give a file with --queue-credentials: a NATS .creds file, or two lines `user: …` \
                 and `password: …`"
            }
            Self::Credentials(_) => {
                "it is a NATS .creds file, or two lines `user: …` and `password: …`, mode 0600"
            }
            Self::Connect { refused: true, .. } => "the server does not know these credentials",
            Self::Connect { .. } => "start a server with `nats-server -js -sd FOLDER`",
            Self::NoJetStream(_) => "start it with `nats-server -js -sd FOLDER`",
            Self::SmallMessages { .. } => "raise `max_payload` in the server's configuration",
            Self::Lost { .. } => {
                "is the server running, and may these credentials use JetStream? the same command \
                 goes on with what is done"
            }
            _ => return None,
        })
    }
}
