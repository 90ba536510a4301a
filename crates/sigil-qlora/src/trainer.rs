//! The loop: steps, evaluations, metrics, checkpoint sets, stopping and resuming.
//!
//! The loop decides *when*, by `plan.rs`; what a step is lies in `step.rs`, what a set holds in
//! `checkpoint.rs`.
//! Every number that a set records is a function of settings, data and seed, so a resumed run
//! equals one that was never stopped.

use std::{
    path::PathBuf,
    time::{Instant, SystemTime},
};

use sigil_config::OnNonFinite;
use sigil_data::{BatchStream, DocumentSet};
use sigil_kernels::Kernels;
use sigil_model::{Decoder, Parameters};
use sigil_run::{CheckpointSet, MetricsRow, MetricsWriter, ResumePoint, RunFolder};

use crate::{
    Reporter, TrainError, checkpoint,
    evaluate::{Evaluation, evaluate},
    memory::peak_resident_bytes,
    optimizer::Optimizer,
    plan::{Outcome, Stop, TrainPlan},
    ranks::Team,
    state::{BestLoss, FORMAT_VERSION, TrainerState},
    step::{NonFinite, StepError, StepReport, StepSettings, take_step},
};

/// File of the run folder that says what became of every row.
const LEDGER_FILE: &str = "data_ledger.json";

/// A run in memory.
pub struct Trainer<B: Kernels> {
    /// Model.
    pub decoder: Decoder<B>,
    /// What is trained.
    pub parameters: Parameters<B>,
    optimizer: Optimizer<B>,
    stream: BatchStream,
    evaluation: Option<DocumentSet>,
    run: RunFolder,
    metrics: Option<MetricsWriter>,
    plan: TrainPlan,
    state: TrainerState,
    /// Seconds of earlier sessions; `started` counts this one.
    seconds_before: f64,
    started: Instant,
    window_started: Instant,
    sets_written: u64,
    last_row: MetricsRow,
    last_set: Option<(u64, PathBuf)>,
    last_evaluation: Option<(u64, Evaluation)>,
    team: Team,
}

impl<B: Kernels> Trainer<B> {
    /// Puts a run together, from its first step or from its newest whole set.
    ///
    /// # Errors
    /// There is a run already and `resume` is false, there is none and it is true, or its saved
    /// state does not fit these settings.
    pub fn new(
        decoder: Decoder<B>,
        parameters: Parameters<B>,
        stream: BatchStream,
        evaluation: Option<DocumentSet>,
        mut run: RunFolder,
        plan: TrainPlan,
        resume: bool,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, TrainError> {
        let newest = run.newest_whole_set()?;
        for damaged in &newest.damaged {
            reporter.note(&damaged.to_string());
        }
        match (&newest.set, resume) {
            (Some(set), false) => {
                let path = run.path().to_owned();
                return Err(TrainError::RunExists { path, steps: set.step() });
            }
            (None, true) => {
                return Err(TrainError::NothingToResume { path: run.path().to_owned() });
            }
            _ => {}
        }
        let optimizer = Optimizer::new(plan.adamw, &parameters);
        let state = TrainerState {
            format_version: FORMAT_VERSION,
            step: 0,
            total_steps: plan.learning_rate.total_steps,
            seed: plan.seed,
            tokens_seen: 0,
            seconds: 0.0,
            cursor: stream.cursor(),
            window: Default::default(),
            best: None,
            evaluation_pending: true,
            evaluations_without_improvement: 0,
            skipped_steps: 0,
            baseline: None,
        };
        let now = Instant::now();
        let mut trainer = Self {
            decoder,
            parameters,
            optimizer,
            stream,
            evaluation,
            run,
            metrics: None,
            plan,
            state,
            seconds_before: 0.0,
            started: now,
            window_started: now,
            sets_written: 0,
            last_row: MetricsRow::new(0),
            last_set: None,
            last_evaluation: None,
            team: Team::default(),
        };
        let mut point = ResumePoint::Start;
        if let Some(set) = newest.set {
            trainer.restore(&set, reporter)?;
            point = ResumePoint::After(trainer.state.step);
            reporter.note(&format!(
                "resuming `{}` after step {} of {}",
                set.name(),
                trainer.state.step,
                trainer.state.total_steps
            ));
        }
        if trainer.plan.writes_metrics {
            let (metrics, notes) = match &trainer.plan.events_folder {
                Some(folder) => trainer.run.metrics_writer_in(folder, point, wall_time())?,
                None => trainer.run.metrics_writer(point, wall_time())?,
            };
            notes.iter().for_each(|note| reporter.note(&note.to_string()));
            trainer.metrics = Some(metrics);
        }
        trainer.write_ledger()?;
        Ok(trainer)
    }

    fn restore(
        &mut self,
        set: &CheckpointSet,
        reporter: &mut dyn Reporter,
    ) -> Result<(), TrainError> {
        let state = checkpoint::read_state(set)?;
        let other = |what, saved: u64, now: u64| TrainError::OtherRun {
            what,
            saved: saved.to_string(),
            now: now.to_string(),
        };
        if state.total_steps != self.state.total_steps {
            return Err(other("total steps", state.total_steps, self.state.total_steps));
        }
        if state.seed != self.state.seed {
            return Err(other("seed", state.seed, self.state.seed));
        }
        checkpoint::read_weights(set, &self.decoder, &mut self.parameters, &self.plan.trained)?;
        let steps = state.step - state.skipped_steps;
        if let Err(reason) =
            checkpoint::read_moments(set, &self.parameters, &mut self.optimizer, steps)
        {
            reporter.note(&format!(
                "the optimizer state of `{}` cannot be used ({reason}): going on with its weights \
                 and step, and fresh moments",
                set.name()
            ));
        }
        self.stream.seek(&state.cursor)?;
        self.seconds_before = state.seconds;
        self.last_set = Some((state.step, set.folder().to_owned()));
        self.state = state;
        Ok(())
    }

    /// Shares every step with other processes, which get this one's state.
    ///
    /// # Errors
    /// They have another model, or are gone.
    pub fn share(&mut self, team: Team, reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        self.team = team;
        let how = self.team.begin(&self.decoder, &self.parameters, &self.optimizer)?;
        how.iter().for_each(|how| reporter.note(how));
        Ok(())
    }

    /// Steps taken so far.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// The run folder.
    pub fn run_folder(&self) -> &RunFolder {
        &self.run
    }

    /// Trains until the last step, until `stop` is asked, or until early stopping.
    ///
    /// A set is written before returning, so that nothing is lost.
    ///
    /// # Errors
    /// A file that cannot be written, or a loss or gradient that is not finite.
    pub fn train(
        &mut self,
        stop: &Stop,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcome, TrainError> {
        let total = self.state.total_steps;
        self.started = Instant::now();
        reporter.begin(self.state.step, total);
        if self.state.evaluation_pending {
            // Before the first step, or put off by the interrupt that ended the last session.
            self.evaluate_now(stop, reporter)?;
            if self.state.step > 0 && !self.state.evaluation_pending {
                self.save(reporter)?;
            }
        }
        self.window_started = Instant::now();
        let mut stopped_early = self.is_out_of_patience();
        while self.state.step < total && !stop.asked() && !stopped_early {
            self.one_step(reporter)?;
            let step = self.state.step;
            let last = step == total;
            let due = |every: u64| step.is_multiple_of(every);
            if last || self.plan.evaluate_every.is_some_and(due) {
                self.evaluate_now(stop, reporter)?;
                stopped_early = self.is_out_of_patience();
            }
            // The best weights are in a set before the next step changes them.
            let is_best = self.state.best.is_some_and(|best| best.step == step);
            if last || stopped_early || is_best || due(self.plan.save_every) {
                self.save(reporter)?;
            }
        }
        if self.last_set.as_ref().is_none_or(|(step, _)| *step != self.state.step) {
            self.save(reporter)?;
        }
        let (_, set) = self.last_set.clone().expect("a set was just written or resumed from");
        let comparison = match (&self.state.baseline, &self.last_evaluation) {
            (Some(before), Some((step, after))) if *step > 0 => Some(before.compare(after)),
            _ => None,
        };
        let finished =
            (self.state.step == total && !self.state.evaluation_pending) || stopped_early;
        let set = match finished && self.plan.ends_with_best {
            true => self.best_set(reporter)?.unwrap_or(set),
            false => set,
        };
        Ok(Outcome { step: self.state.step, finished, stopped_early, set, comparison })
    }

    /// The set with the lowest evaluation loss, if one beat the untrained model.
    fn best_set(&self, reporter: &mut dyn Reporter) -> Result<Option<PathBuf>, TrainError> {
        let Some(best) = self.state.best.filter(|best| best.step > 0) else {
            reporter.note(
                "no evaluation was better than the one before the first step; the last set is \
                 handed over",
            );
            return Ok(None);
        };
        let set = self.run.view().set(best.step)?;
        reporter.note(&format!(
            "the set of step {} has the lowest evaluation loss, {:.4}",
            best.step,
            best.loss()
        ));
        Ok(Some(set.folder().to_owned()))
    }

    fn one_step(&mut self, reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        let batches = self.stream.next_step()?;
        let settings = StepSettings {
            index: self.state.step,
            seed: self.plan.seed,
            learning_rate: self.plan.learning_rate.at(self.state.step),
            max_grad_norm: self.plan.max_grad_norm,
            neftune_alpha: self.plan.neftune_alpha,
        };
        let result = take_step(
            &self.decoder,
            &mut self.parameters,
            &mut self.optimizer,
            &mut self.team,
            &batches,
            &self.plan.micro_batches,
            &settings,
        );
        match result {
            Ok(report) => self.count(&report, settings.learning_rate, reporter)?,
            Err(StepError::NonFinite(non_finite)) => self.skip_or_stop(non_finite, reporter)?,
            Err(StepError::Ranks(error)) => return Err(error.into()),
        }
        self.state.cursor = self.stream.cursor();
        Ok(())
    }

    fn count(
        &mut self,
        report: &StepReport,
        learning_rate: f64,
        reporter: &mut dyn Reporter,
    ) -> Result<(), TrainError> {
        let state = &mut self.state;
        state.step += 1;
        state.tokens_seen += report.tokens;
        state.window.add(report.loss, report.targets, report.tokens);
        let logged =
            state.step.is_multiple_of(self.plan.logging_steps) || state.step == state.total_steps;
        let elapsed = self.window_started.elapsed().as_secs_f64();
        let row = MetricsRow {
            step: state.step,
            loss: if logged { state.window.mean() } else { Some(report.loss) },
            learning_rate: Some(learning_rate),
            grad_norm: Some(report.grad_norm),
            tokens_per_second: Some(state.window.tokens() as f64 / elapsed.max(1e-9)),
            tokens_seen: Some(state.tokens_seen),
            seconds: Some(self.seconds_before + self.started.elapsed().as_secs_f64()),
            peak_memory_bytes: peak_memory::<B>(&self.decoder.device),
            ..MetricsRow::default()
        };
        if logged {
            state.window = Default::default();
            self.window_started = Instant::now();
            if let Some(metrics) = &mut self.metrics {
                metrics.append(&row, wall_time())?;
            }
        }
        reporter.step(&row, logged);
        self.last_row = MetricsRow { eval_loss: self.last_row.eval_loss, ..row };
        Ok(())
    }

    fn skip_or_stop(
        &mut self,
        NonFinite { what, rows }: NonFinite,
        reporter: &mut dyn Reporter,
    ) -> Result<(), TrainError> {
        let step = self.state.step + 1;
        if self.plan.on_non_finite == OnNonFinite::Stop {
            return Err(TrainError::NonFinite { step, what, rows });
        }
        self.state.skipped_steps += 1;
        let skipped = self.state.skipped_steps;
        if skipped > self.plan.max_skipped_steps {
            return Err(TrainError::TooManySkipped { step, skipped, rows });
        }
        reporter.note(&format!(
            "step {step} is left out: the {what} is not a finite number (rows: {})",
            rows.join(", ")
        ));
        self.state.step = step;
        Ok(())
    }

    fn evaluate_now(&mut self, stop: &Stop, reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        self.state.evaluation_pending = false;
        let Some(documents) = &self.evaluation else { return Ok(()) };
        let asked = || stop.asked();
        let evaluation = evaluate(
            &self.decoder,
            &self.parameters,
            &self.plan.micro_batches,
            &mut self.team,
            documents,
            &asked,
        )?;
        let Some(evaluation) = evaluation else {
            self.state.evaluation_pending = true;
            return Ok(());
        };
        let (step, loss) = (self.state.step, evaluation.loss());
        let since = self.state.baseline.as_ref().map(|baseline| baseline.compare(&evaluation));
        reporter.evaluated(step, &evaluation, since);
        let row = MetricsRow {
            step,
            eval_loss: Some(loss),
            eval_perplexity: Some(loss.exp()),
            ..MetricsRow::default()
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.append(&row, wall_time())?;
        }
        self.last_row.eval_loss = Some(loss);
        self.last_row.eval_perplexity = Some(loss.exp());
        let best = self.state.best.map_or(f64::INFINITY, |best| best.loss());
        if loss < best - self.plan.min_delta {
            self.state.best = Some(BestLoss::new(step, loss));
            self.state.evaluations_without_improvement = 0;
        } else {
            self.state.evaluations_without_improvement += 1;
        }
        if self.state.baseline.is_none() {
            self.state.baseline = Some(evaluation.clone());
        }
        self.last_evaluation = Some((step, evaluation));
        // The loss window's clock does not count the time of an evaluation.
        self.window_started = Instant::now();
        Ok(())
    }

    fn is_out_of_patience(&self) -> bool {
        let waited = self.state.evaluations_without_improvement;
        self.plan.patience.is_some_and(|patience| waited >= patience)
    }

    fn save(&mut self, reporter: &mut dyn Reporter) -> Result<(), TrainError> {
        let step = self.state.step;
        self.state.seconds = self.seconds_before + self.started.elapsed().as_secs_f64();
        if let Some(metrics) = &mut self.metrics {
            metrics.sync()?;
        }
        self.team.check_equal(&self.parameters)?;
        let files = checkpoint::files(
            &self.decoder,
            &self.parameters,
            &self.optimizer,
            &self.plan.trained,
            &self.state,
        )?;
        let card = self
            .plan
            .card
            .as_ref()
            .filter(|_| self.sets_written.is_multiple_of(self.plan.card_frequency))
            .map(|card| card.render(step, &self.last_row));
        let mut set = self.run.begin_set(step)?;
        for (name, bytes) in files.iter().chain(&self.plan.set_files) {
            set.put(name, bytes)?;
        }
        if let Some(card) = &card {
            set.put("README.md", card.as_bytes())?;
        }
        let committed = set.commit(self.plan.keep)?;
        committed.notes.iter().for_each(|note| reporter.note(&note.to_string()));
        if let Some(best) = self.state.best
            && best.step == step
        {
            self.run.mark_best(step, "eval_loss", best.loss())?;
        }
        self.sets_written += 1;
        reporter.saved(step, &committed.path);
        self.last_set = Some((step, committed.path));
        self.write_ledger()
    }

    /// Writes what became of the rows so far.
    fn write_ledger(&self) -> Result<(), TrainError> {
        let Some(before) = &self.plan.ledger else { return Ok(()) };
        let mut all = before.clone();
        all.merge(&self.stream.ledger());
        let text = serde_json::to_vec_pretty(&all).expect("an account is plain data");
        Ok(self.run.write_file(LEDGER_FILE, &text)?)
    }
}

/// Most memory so far: a device keeps what its tensors once took; on the CPU it is the process's.
fn peak_memory<B: Kernels>(device: &B::Device) -> Option<u64> {
    B::memory(device).map_or_else(peak_resident_bytes, |memory| Some(memory.reserved))
}

/// Seconds since 1970, for event files.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
