//! A connection to the server, and what is tried again until it succeeds.
//!
//! A server that is killed comes back with what it had written, so every request here may be repeated: it
//! either says what is there, or writes what is not there yet. Next: `run.rs`, `desk.rs`.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{ContextBuilder, CreateStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use futures_util::TryStreamExt as _;
use tokio::runtime::Runtime;

use crate::names::{self, MOST_MESSAGE_BYTES};
use crate::{Access, Credentials, QueueError};

/// How long one request may take before it is asked again.
const REQUEST: Duration = Duration::from_secs(3);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// Bytes of headers beside a message.
const HEADERS: usize = 4 << 10;

/// Says whether to go on.
pub(crate) type GoesOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// A connection to a queue's server.
pub struct Server {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) context: jetstream::Context,
    connected: Arc<AtomicBool>,
    patience: Duration,
}

/// What became of something that may be there once only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    New,
    WasThere,
}

impl Server {
    /// Connects, and makes the streams that are not there. `patience` is how long a request is tried again
    /// while the server is away.
    ///
    /// # Errors
    /// If the address is elsewhere and nobody is named, the server is not there or lets nobody in, or it
    /// keeps nothing.
    pub fn connect(access: &Access, patience: Duration) -> Result<Self, QueueError> {
        access.check()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("queue")
            .enable_all()
            .build()
            .map_err(QueueError::Thread)?;
        let connected = Arc::new(AtomicBool::new(true));
        let options = options(access, Arc::clone(&connected))?;
        let address = access.address.to_string();
        let client = runtime
            .block_on(options.connect(address.as_str()))
            .map_err(|error| connect_error(&address, &error))?;
        let taken = client.server_info().max_payload;
        let needed = MOST_MESSAGE_BYTES + HEADERS;
        if taken < needed {
            return Err(QueueError::SmallMessages { address, bytes: taken, needed });
        }
        // The context starts a task of its own.
        let inside = runtime.enter();
        let context = ContextBuilder::new().timeout(REQUEST).build(client.clone());
        drop(inside);
        let server = Self { runtime, client, context, connected, patience };
        server.runtime.block_on(server.first_streams(&address))?;
        Ok(server)
    }

    /// Whether the connection stands; it is made again by itself.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Makes the streams; a server without JetStream is told at once.
    async fn first_streams(&self, address: &str) -> Result<(), QueueError> {
        for config in names::streams() {
            if let Err(error) = self.context.get_or_create_stream(config).await {
                let problem = match error.kind() {
                    CreateStreamErrorKind::JetStreamUnavailable => {
                        return Err(QueueError::NoJetStream(address.to_owned()));
                    }
                    CreateStreamErrorKind::JetStream(said) if said.code() == 503 => {
                        return Err(QueueError::NoJetStream(address.to_owned()));
                    }
                    _ => error.to_string(),
                };
                let (what, waited) = ("make the queue's streams", REQUEST);
                return Err(QueueError::Lost { what, waited, problem });
            }
        }
        Ok(())
    }

    /// Makes the streams again: a server may have lost its folder.
    pub(crate) async fn streams(&self, goes_on: GoesOn<'_>) -> Result<(), QueueError> {
        for config in names::streams() {
            let make = || self.context.get_or_create_stream(config.clone());
            self.insist("make the queue's streams", goes_on, make).await?;
        }
        Ok(())
    }

    /// Tries until it succeeds, the caller wants no more, or patience ends.
    pub(crate) async fn insist<T, E, F>(
        &self,
        what: &'static str,
        goes_on: GoesOn<'_>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, QueueError>
    where
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        let begun = Instant::now();
        loop {
            let problem = match tokio::time::timeout(2 * REQUEST, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if !goes_on() {
                return Err(QueueError::Stopped);
            }
            if begun.elapsed() > self.patience {
                return Err(QueueError::Lost { what, waited: begun.elapsed(), problem });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Puts a message under a subject that holds none. The server compares and writes in one step, so of
    /// any number of writers one succeeds.
    pub(crate) async fn place(
        &self,
        what: &'static str,
        subject: &str,
        headers: Option<async_nats::HeaderMap>,
        bytes: &[u8],
        goes_on: GoesOn<'_>,
    ) -> Result<Placed, QueueError> {
        let payload = bytes::Bytes::copy_from_slice(bytes);
        self.insist(what, goes_on, || async {
            let mut message = PublishMessage::build().payload(payload.clone());
            if let Some(headers) = &headers {
                message = message.headers(headers.clone());
            }
            let message = message.expected_last_subject_sequence(0);
            let sent = self.context.send_publish(subject.to_owned(), message).await;
            let acknowledged = match sent {
                Ok(acknowledgement) => acknowledgement.await,
                Err(error) => Err(error),
            };
            match acknowledged {
                Ok(_) => Ok(Placed::New),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    Ok(Placed::WasThere)
                }
                Err(error) => {
                    if error.kind() == PublishErrorKind::StreamNotFound {
                        for config in names::streams() {
                            let _ = self.context.get_or_create_stream(config).await;
                        }
                    }
                    Err(error)
                }
            }
        })
        .await
    }

    /// The last parts of the subjects of a stream that match a filter.
    pub(crate) async fn keys(
        &self,
        stream: &'static str,
        filter: &str,
        goes_on: GoesOn<'_>,
    ) -> Result<Vec<String>, QueueError> {
        self.insist("list what the queue holds", goes_on, || async {
            let stream = self.context.get_stream(stream).await.map_err(|e| e.to_string())?;
            let listed = stream.info_with_subjects(filter).await.map_err(|e| e.to_string())?;
            let subjects: Vec<(String, usize)> =
                listed.try_collect().await.map_err(|e| e.to_string())?;
            Ok::<_, String>(subjects.into_iter().map(|(subject, _)| subject).collect())
        })
        .await
    }

    /// Takes away what a run left on the server.
    ///
    /// # Errors
    /// If the server is away for too long.
    pub fn forget(&self, run: &str, goes_on: GoesOn<'_>) -> Result<(), QueueError> {
        names::checked(run)?;
        self.runtime.block_on(async {
            // Jobs first: nobody begins one whose run is gone.
            for (stream, filter) in [
                (names::JOBS, format!("sigil.jobs.*.{run}.*")),
                (names::PARTS, format!("sigil.parts.{run}.*.*")),
                (names::ANSWERS, format!("sigil.answers.{run}.*")),
            ] {
                self.insist("take a run from the queue", goes_on, || async {
                    let stream =
                        self.context.get_stream(stream).await.map_err(|e| e.to_string())?;
                    stream.purge().filter(filter.clone()).await.map_err(|e| e.to_string())
                })
                .await?;
            }
            Ok(())
        })
    }
}

fn options(access: &Access, connected: Arc<AtomicBool>) -> Result<ConnectOptions, QueueError> {
    let mut options = ConnectOptions::new()
        .name(&access.name)
        .require_tls(access.address.is_tls())
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        // What a server says of other servers could lead off this machine, or to one without TLS.
        .ignore_discovered_servers()
        .reconnect_delay_callback(|tries| Duration::from_millis(100 * (tries as u64).min(20)))
        .event_callback(move |event| {
            match event {
                Event::Connected => connected.store(true, Ordering::Relaxed),
                Event::Disconnected | Event::Closed => connected.store(false, Ordering::Relaxed),
                _ => {}
            }
            async {}
        });
    if let Some(authority) = &access.authority {
        options = options.add_root_certificates(authority.clone());
    }
    if let Some((certificate, key)) = &access.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(match &access.credentials {
        Credentials::None => options,
        Credentials::Password { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Credentials::File(text) => options
            .credentials(text)
            .map_err(|_| QueueError::Credentials("the .creds file is damaged".to_owned()))?,
    })
}

fn connect_error(address: &str, error: &async_nats::ConnectError) -> QueueError {
    let refused = matches!(
        error.kind(),
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
    );
    // The kind alone says little: what is behind it names the certificate or the port.
    let mut problem = error.to_string();
    let mut behind = std::error::Error::source(error);
    while let Some(next) = behind {
        let more = next.to_string();
        if !problem.contains(&more) {
            problem.push_str(": ");
            problem.push_str(&more);
        }
        behind = next.source();
    }
    QueueError::Connect { address: address.to_owned(), problem, refused }
}
