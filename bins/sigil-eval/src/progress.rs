//! How far the work is, on stderr: a bar on a terminal, a few lines in a log.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Lines that a log gets of one piece of work.
const LINES: usize = 10;

/// Tells how far a piece of work is.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: bool,
    what: &'static str,
    total: usize,
    done: AtomicUsize,
}

impl Progress {
    /// Begins.
    pub(crate) fn new(quiet: bool, total: usize, what: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = !quiet && terminal;
        let bar = if shown { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        if shown {
            let template = "{msg} {pos}/{len} [{bar:30}] {per_sec}, {eta} left";
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.expect("the template is well formed"));
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, lines: !quiet && !terminal, what, total, done: AtomicUsize::new(0) }
    }

    /// So many more are done.
    pub(crate) fn advance(&self, count: usize) {
        self.bar.inc(count as u64);
        let before = self.done.fetch_add(count, Ordering::Relaxed);
        let (now, total) = (before + count, self.total.max(1));
        if self.lines && (before == 0 || before * LINES / total != now * LINES / total) {
            eprintln!("{}: {now} of {}", self.what, self.total);
        }
    }

    /// Ends.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
