//! Shows a run: a bar on a terminal, plain lines elsewhere, or with `--tui` a whole screen (`live/`).
//! Everything goes to stderr.

use std::{
    io::{IsTerminal as _, stderr},
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use sigil_places::no_color;
use sigil_qlora::{
    Reporter,
    evaluate::{Comparison, Evaluation},
};
use sigil_run::MetricsRow;

use crate::{live::Live, talk::Talk};

/// How often a plain line is printed at least, where steps are slow.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows a run.
pub(crate) struct Progress {
    talk: Talk,
    live: Option<Live>,
    bar: Option<ProgressBar>,
    step: u64,
    total: u64,
    last_line: Option<Instant>,
    eval_loss: Option<f64>,
}

impl Progress {
    /// The screen if there is one, or else a bar if stderr is a terminal.
    pub(crate) fn new(talk: Talk, live: Option<Live>) -> Self {
        let bar = if live.is_some() { None } else { bar() };
        talk.show_on(live.clone());
        Self { talk, live, bar, step: 0, total: 0, last_line: None, eval_loss: None }
    }

    /// The screen as long as it is open. Once it is closed, lines and the bar take its place.
    fn live(&mut self) -> Option<&Live> {
        if self.live.as_ref().is_some_and(|live| !live.is_open()) {
            self.close_screen();
            self.bar = bar();
            self.set_bar();
        }
        self.live.as_ref()
    }

    /// Gives the terminal back, and prints what was said on the screen.
    fn close_screen(&mut self) {
        if let Some(live) = self.live.take() {
            self.talk.show_on(None);
            live.close().iter().for_each(|line| eprintln!("{line}"));
        }
    }

    fn set_bar(&self) {
        if let Some(bar) = &self.bar {
            bar.set_length(self.total);
            bar.set_position(self.step);
            bar.reset_eta();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => self.talk.say_above(bar, text),
            None => self.talk.say(text),
        }
    }
}

impl Reporter for Progress {
    fn note(&mut self, message: &str) {
        self.line(&format!("note: {message}"));
    }

    fn begin(&mut self, step: u64, total_steps: u64) {
        (self.step, self.total) = (step, total_steps);
        if let Some(live) = self.live() {
            live.begin(step, total_steps);
        }
        self.set_bar();
    }

    fn step(&mut self, row: &MetricsRow, logged: bool) {
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let text = format!(
            "loss {:.4}  lr {:.2e}  norm {:.2}  {:.0} tok/s{}",
            number(row.loss),
            number(row.learning_rate),
            number(row.grad_norm),
            number(row.tokens_per_second),
            self.eval_loss.map_or(String::new(), |loss| format!("  eval {loss:.4}")),
        );
        self.step = row.step;
        let recorded = format!("step {}/{}  {text}", row.step, self.total);
        if let Some(live) = self.live() {
            live.step(row);
            if logged {
                self.talk.record(&recorded);
            }
            return;
        }
        if let Some(bar) = &self.bar {
            if logged {
                self.talk.record(&recorded);
            }
            bar.set_position(row.step);
            bar.set_message(text);
            return;
        }
        let slow = self.last_line.is_none_or(|last| last.elapsed() >= PLAIN_EVERY);
        if logged || slow {
            self.last_line = Some(Instant::now());
            self.talk.say(&recorded);
        }
    }

    fn evaluated(&mut self, step: u64, evaluation: &Evaluation, since: Option<Comparison>) {
        let loss = evaluation.loss();
        self.eval_loss = Some(loss);
        if let Some(live) = self.live() {
            live.evaluated(step, loss);
        }
        let change = since.map_or(String::new(), |since| {
            let share = 100.0 * since.improvement / since.before;
            format!(
                ", {:.1} % {} than at the start ({:.1} standard errors)",
                share.abs(),
                if share < 0.0 { "higher" } else { "lower" },
                (since.improvement / since.standard_error).abs()
            )
        });
        self.line(&format!(
            "evaluation after step {step}: loss {loss:.4}, perplexity {:.2} over {} held-out \
             files{change}",
            loss.exp(),
            evaluation.files.len(),
        ));
    }

    fn saved(&mut self, step: u64, path: &Path) {
        if let Some(live) = self.live() {
            live.saved(step, path);
        }
        self.line(&format!("saved step {step}: {}", path.display()));
    }
}

fn bar() -> Option<ProgressBar> {
    stderr().is_terminal().then(|| {
        let colour = if no_color() { "" } else { ".cyan" };
        let template =
            format!("{{bar:28{colour}}} {{pos}}/{{len}} steps  {{msg}}  {{elapsed}} ETA {{eta}}");
        let style =
            ProgressStyle::with_template(&template).expect("the template is constant and valid");
        ProgressBar::new(0).with_style(style)
    })
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.close_screen();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
