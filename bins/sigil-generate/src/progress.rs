//! Shows how far the samples are: a bar on a terminal, plain lines elsewhere, all on stderr.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use sigil_places::no_color;

/// How often a plain line is printed at most.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// How often the bar is drawn at most.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Shows samples and tokens.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    last: Instant,
    samples: u64,
    total: u64,
    tokens: u64,
}

impl Progress {
    /// A bar if stderr is a terminal.
    pub(crate) fn new(total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let colour = if no_color() { "" } else { ".cyan" };
            let template = format!(
                "{{bar:28{colour}}} {{pos}}/{{len}} samples  {{msg}}  {{elapsed}} ETA {{eta}}"
            );
            let style = ProgressStyle::with_template(&template)
                .expect("the template is constant and valid");
            ProgressBar::new(total).with_style(style)
        });
        let now = Instant::now();
        Self { bar, begun: now, last: now, samples: 0, total, tokens: 0 }
    }

    /// A token more.
    pub(crate) fn token(&mut self) {
        self.tokens += 1;
        let every = if self.bar.is_some() { BAR_EVERY } else { PLAIN_EVERY };
        // The clock is looked at only now and then: there are many tokens.
        if self.tokens.is_multiple_of(64) && self.last.elapsed() >= every {
            self.last = Instant::now();
            let speed = format!("{:.0} tok/s", self.tokens_per_second());
            match &self.bar {
                Some(bar) => bar.set_message(speed),
                None => eprintln!("{}/{} samples  {speed}", self.samples, self.total),
            }
        }
    }

    /// A sample more.
    pub(crate) fn sample(&mut self) {
        self.samples += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(self.samples);
        }
    }

    /// Prints to stdout without tearing the bar.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Samples and tokens so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.samples, self.tokens)
    }

    /// Since the beginning, prompts included.
    pub(crate) fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.begun.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
