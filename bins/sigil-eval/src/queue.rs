//! Joins the coordinator of `sigil-eval` to the queue of `sigil-queue`, and lets a person look into one.
//!
//! Credentials are read here, from a file; nothing of them is ever an argument. Next: `worker.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use sigil_eval::EvalError;
use sigil_eval::queue::{Carrier, JudgeIdentity};
use sigil_queue::{Access, Address, Credentials, Heard, QueueError, Run, Server};

use crate::cli::JudgeArguments;
use crate::exit::Failure;
use crate::stop::Stop;

/// Where the queue is and who asks.
#[derive(Args, Clone, Debug)]
pub(crate) struct QueueArguments {
    /// Have the workers of this queue judge: nats://127.0.0.1:4222 on this machine, tls://HOST elsewhere
    #[arg(long, value_name = "ADDRESS", env = "SIGIL_EVAL_QUEUE", global = true)]
    pub(crate) queue: Option<String>,
    /// Who asks: a NATS .creds file, or lines `user: …` and `password: …`; required off this machine
    #[arg(long, value_name = "FILE", env = "SIGIL_EVAL_QUEUE_CREDENTIALS", global = true)]
    pub(crate) queue_credentials: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) queue_ca: Option<PathBuf>,
    /// An own certificate (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "queue_key", global = true)]
    pub(crate) queue_certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "queue_certificate", global = true)]
    pub(crate) queue_key: Option<PathBuf>,
    /// Seconds to wait for a server that is away
    #[arg(long, value_name = "SECS", default_value_t = 600, global = true)]
    pub(crate) queue_patience: u64,
    /// Whether this program serves the queue, not asks it; `worker` sets it.
    #[arg(skip)]
    pub(crate) serves: bool,
}

/// `queue`.
#[derive(Debug, Args)]
pub(crate) struct QueueVerb {
    /// Take away every run
    #[arg(long, conflicts_with = "forget")]
    clear: bool,
    /// Take away this run
    #[arg(long, value_name = "RUN")]
    forget: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    judge: JudgeArguments,
}

/// A connection as the arguments tell.
pub(crate) fn connect(address: &str, arguments: &QueueArguments) -> Result<Server, Failure> {
    let address = Address::parse(address)?;
    let credentials = match &arguments.queue_credentials {
        Some(path) => credentials(path)?,
        None => Credentials::None,
    };
    let certificate = arguments.queue_certificate.clone().zip(arguments.queue_key.clone());
    let access = Access {
        address,
        credentials,
        authority: arguments.queue_ca.clone(),
        certificate,
        name: format!("sigil-eval {}", std::process::id()),
    };
    Ok(Server::connect(&access, Duration::from_secs(arguments.queue_patience))?)
}

fn credentials(path: &Path) -> Result<Credentials, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let bad = |problem: String| {
        Failure::from(QueueError::Credentials(format!("`{}` {problem}", path.display())))
    };
    let mode = path.metadata().map_err(|error| bad(error.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(bad(format!("can be read by others: its mode is {:o}", mode & 0o777)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    Ok(Credentials::parse(&text)?)
}

/// Runs `queue`.
pub(crate) fn run(arguments: &QueueVerb) -> Result<ExitCode, Failure> {
    let queue = &arguments.judge.queue;
    let Some(address) = &queue.queue else {
        let hint = "name it with --queue ADDRESS, or SIGIL_EVAL_QUEUE";
        return Err(Failure::new(2, "there is no queue to look at", Some(hint.to_owned())));
    };
    let stop = Stop::listen()?;
    let goes_on = || !stop.asked();
    let server = connect(address, queue)?;
    let overview = server.overview(&goes_on)?;
    let gone: Vec<&String> = match &arguments.forget {
        Some(run) => vec![run],
        None if arguments.clear => overview.runs.keys().collect(),
        None => Vec::new(),
    };
    for run in &gone {
        server.forget(run, &goes_on)?;
    }
    let left = if gone.is_empty() { overview } else { server.overview(&goes_on)? };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&left).expect("it is plain data"));
        return Ok(ExitCode::SUCCESS);
    }
    for (name, run) in &left.runs {
        println!("{name}  {:>7} waiting {:>7} answered", run.waiting, run.answered);
    }
    if left.runs.is_empty() {
        eprintln!("the queue is empty");
    }
    Ok(ExitCode::SUCCESS)
}

/// The queue as the coordinator's carrier.
pub(crate) struct Nats {
    server: Server,
    stop: Stop,
    quiet: bool,
    allow_reduced: bool,
    /// Runs whose results are with the coordinator, and not yet written.
    carried: Mutex<Vec<String>>,
}

impl Nats {
    pub(crate) fn connect(
        address: &str,
        arguments: &JudgeArguments,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        Ok(Self {
            server: connect(address, &arguments.queue)?,
            stop: stop.clone(),
            quiet: arguments.quiet,
            allow_reduced: arguments.allow_reduced,
            carried: Mutex::default(),
        })
    }

    fn tell(&self, text: &str) {
        if !self.quiet {
            eprintln!("queue: {text}");
        }
    }
}

fn carrier(error: QueueError) -> EvalError {
    EvalError::Carrier { message: error.to_string(), hint: error.hint().map(str::to_owned) }
}

/// After so many moments without a worker it is said that there is none.
const MOMENTS_ALONE: u32 = 20;

impl Carrier for Nats {
    fn carry(
        &self,
        identity: &JudgeIdentity,
        jobs: BTreeMap<String, Vec<u8>>,
        hear: &mut dyn FnMut(&str, &[u8]) -> bool,
    ) -> Result<(), EvalError> {
        let wanted = identity.in_words();
        let group = identity.tag(self.allow_reduced);
        let run = Run { group, says: wanted.clone(), jobs };
        let goes_on = || !self.stop.asked();
        let (mut alone, mut away) = (0, false);
        let all = self
            .server
            .ask(&run, &goes_on, &mut |heard| {
                match heard {
                    Heard::Answer { key, bytes } => return hear(key, bytes),
                    Heard::Stranger { says } => self.tell(&format!(
                        "a worker is left aside: it has {says}; this run wants {wanted}"
                    )),
                    Heard::Nothing { open, connected, served } => {
                        if connected == away {
                            away = !connected;
                            self.tell(if away {
                                "the server is away"
                            } else {
                                "the server is back"
                            });
                        }
                        alone = if served { 0 } else { alone + 1 };
                        if alone == MOMENTS_ALONE {
                            self.tell(&format!("{open} jobs wait for a worker with {wanted}"));
                        }
                    }
                }
                goes_on()
            })
            .map_err(carrier)?;
        if all {
            self.carried.lock().unwrap_or_else(PoisonError::into_inner).push(run.name());
        }
        Ok(())
    }

    fn forget(&self) -> Result<(), EvalError> {
        let runs =
            std::mem::take(&mut *self.carried.lock().unwrap_or_else(PoisonError::into_inner));
        // Ctrl-C here would leave what nobody wants any more.
        runs.iter().try_for_each(|run| self.server.forget(run, &|| true)).map_err(carrier)
    }

    fn allow_reduced(&self) -> bool {
        self.allow_reduced
    }
}
