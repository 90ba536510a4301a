//! `worker`: judges jobs of a queue with this machine's toolchain and sandbox.
//!
//! A job names the identity that may judge it; the server gives this worker none but its own, and what
//! it cannot serve is left to others. What a job asks for (lints, limits, edition, tests) comes with it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use sigil_eval::judge::Judge;
use sigil_eval::queue::{AskedOptions, QueueJob, QueueReply};
use sigil_queue::{Answered, Delivery, Desk, QueueError};

use crate::bench;
use crate::cli::JudgeArguments;
use crate::exit::Failure;
use crate::queue::connect;
use crate::stop::Stop;

/// `worker`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// Give up a job that was given out so often and never answered: it is reported as `infra`
    #[arg(long, value_name = "N", default_value_t = 5)]
    tries: u64,
    /// Seconds without a sign of life after which a job is given to another worker
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    ack_wait: u64,
    /// End when no job came for so many seconds
    #[arg(long, value_name = "SECS")]
    until_idle: Option<u64>,
    /// Say with which job it begins
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    judge: JudgeArguments,
}

/// How long a request for a job waits.
const WAIT: Duration = Duration::from_secs(1);

/// Judges for different wishes that are kept: each has a sandbox of its own.
const MOST_JUDGES: usize = 4;

/// What all threads of a worker share.
struct Shop<'a> {
    arguments: &'a JudgeArguments,
    tries: u64,
    verbose: bool,
    tag: [String; 2],
    sandbox: String,
    judges: Mutex<BTreeMap<AskedOptions, Arc<Judge>>>,
    judged: AtomicUsize,
    late: AtomicUsize,
}

/// Runs `worker`.
pub(crate) fn run(worker: &Worker) -> Result<ExitCode, Failure> {
    let mut arguments = worker.judge.clone();
    arguments.queue.serves = true;
    let Some(address) = arguments.queue.queue.clone() else {
        let hint = "name it with --queue ADDRESS, or SIGIL_EVAL_QUEUE";
        return Err(Failure::new(2, "there is no queue to serve", Some(hint.to_owned())));
    };
    let stop = Stop::listen()?;
    let asked = bench::asked(&arguments);
    let judge = bench::judge(&arguments, &asked)?;
    let identity = bench::identity(&arguments, &judge)?;
    let sandbox = judge.sandbox()?;
    // A full sandbox serves those who would take less, too.
    let (strict, lenient) = (identity.tag(false), identity.tag(true));
    let groups = match sandbox.contains("reduced tier") {
        true => vec![lenient.clone()],
        false => vec![strict.clone(), lenient.clone()],
    };
    let server = connect(&address, &arguments.queue)?;
    let says = identity.in_words();
    let desk = server.desk(&groups, &says, Duration::from_secs(worker.ack_wait))?;
    let quiet = arguments.quiet;
    if !quiet {
        eprintln!("worker: {says}; {sandbox}");
    }
    let shop = Shop {
        arguments: &arguments,
        tries: worker.tries.max(1),
        verbose: worker.verbose,
        tag: [strict, lenient],
        sandbox,
        judges: Mutex::new([(asked, Arc::new(judge))].into()),
        judged: AtomicUsize::new(0),
        late: AtomicUsize::new(0),
    };
    let idle = worker.until_idle.map(Duration::from_secs);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for turn in 0..bench::workers(&arguments) {
            let (shop, desk, stop, failed) = (&shop, &desk, &stop, &failed);
            scope.spawn(move || {
                if let Err(failure) = shop.serve(desk, turn, idle, stop, failed) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                }
            });
        }
    });
    if !quiet {
        let (judged, late) = (shop.judged.into_inner(), shop.late.into_inner());
        eprintln!("worker: {judged} jobs judged, {late} of them after another worker");
    }
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::SUCCESS),
    }
}

impl Shop<'_> {
    /// Takes and answers jobs until told to stop.
    fn serve(
        &self,
        desk: &Desk<'_>,
        mut turn: usize,
        idle: Option<Duration>,
        stop: &Stop,
        failed: &Mutex<Option<Failure>>,
    ) -> Result<(), Failure> {
        let goes_on = || !stop.asked();
        let mut last = Instant::now();
        while goes_on() && failed.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            turn += 1;
            for says in desk.strangers() {
                if !self.arguments.quiet {
                    eprintln!("worker: jobs are left to others: they want {says}");
                }
            }
            let delivery = match desk.take(turn, WAIT, &goes_on) {
                Ok(Some(delivery)) => delivery,
                Ok(None) if idle.is_some_and(|idle| last.elapsed() > idle) => break,
                Ok(None) => continue,
                Err(QueueError::Stopped) => break,
                Err(error) => return Err(error.into()),
            };
            if self.verbose {
                eprintln!(
                    "worker: begins with {}, given out {} times",
                    delivery.key, delivery.deliveries
                );
            }
            let reply = self.reply(&delivery)?.encode();
            match delivery.answer(&reply, &goes_on) {
                Ok(Answered::First) => {}
                Ok(Answered::Late) => {
                    self.late.fetch_add(1, Ordering::Relaxed);
                }
                Err(QueueError::Stopped) => break,
                Err(error) => return Err(error.into()),
            }
            self.judged.fetch_add(1, Ordering::Relaxed);
            last = Instant::now();
        }
        Ok(())
    }

    /// What is said of a job. Errors are this worker's own: the job goes back to the queue.
    fn reply(&self, delivery: &Delivery<'_>) -> Result<QueueReply, Failure> {
        let key = &delivery.key;
        let gave_up = |why: &str| Ok(QueueReply::gave_up(key, &self.sandbox, why));
        if delivery.deliveries > self.tries {
            let tries = delivery.deliveries - 1;
            return gave_up(&format!("{tries} workers began with it, and none came to an end"));
        }
        if !delivery.intact {
            return gave_up("its bytes are not those that its name tells");
        }
        let job = match QueueJob::decode(&delivery.job) {
            Ok(job) => job,
            Err(error) => return gave_up(&error.to_string()),
        };
        if !self.tag.contains(&job.identity) {
            return gave_up("it was put before workers that may not judge it");
        }
        let judge = self.judge(&job.options)?;
        let (result, measurement) = judge.judge(&job.sample, job.task.as_ref(), &job.edition)?;
        Ok(QueueReply::new(key, &self.sandbox, result, measurement))
    }

    /// The judge for what a job asks for.
    fn judge(&self, asked: &AskedOptions) -> Result<Arc<Judge>, Failure> {
        let mut judges = self.judges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judge) = judges.get(asked) {
            return Ok(Arc::clone(judge));
        }
        if judges.len() >= MOST_JUDGES {
            // Whoever still works with it keeps it until then.
            judges.pop_first();
        }
        let judge = Arc::new(bench::judge(self.arguments, asked)?);
        judges.insert(asked.clone(), Arc::clone(&judge));
        Ok(judge)
    }
}
