//! Shows how many bytes are done: a bar on a terminal, plain lines elsewhere, all on stderr.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sigil_adapter::files::size;
use sigil_places::no_color;

/// How often a plain line is printed at most.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Bytes of a whole.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    done: u64,
    total: u64,
    last: Instant,
}

impl Progress {
    /// A bar if stderr is a terminal.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let colour = if no_color() { "" } else { ".cyan" };
            let template = format!(
                "{what} {{bar:28{colour}}} {{binary_bytes}}/{{binary_total_bytes}}  \
                 {{binary_bytes_per_sec}}  ETA {{eta}}"
            );
            let style = ProgressStyle::with_template(&template)
                .expect("the template is constant and valid");
            ProgressBar::new(total).with_style(style)
        });
        Self { bar, what, done: 0, total, last: Instant::now() }
    }

    /// So many bytes more.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.last.elapsed() >= PLAIN_EVERY => {
                self.last = Instant::now();
                eprintln!("{} {} of {}", self.what, size(self.done), size(self.total));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
