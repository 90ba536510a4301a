//! The figures, as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::side::Round;

/// Medians of one side at one batch size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Prompt tokens a second.
    pub(crate) prompt_tokens_per_second: f64,
    /// Tokens a second after the first of each sequence.
    pub(crate) decode_tokens_per_second: f64,
    /// Most memory the process has held so far.
    pub(crate) peak_resident_bytes: u64,
}

impl Figures {
    /// The medians over the rounds; there is at least one.
    pub(crate) fn new(rounds: &[Round]) -> Self {
        let median = |of: &dyn Fn(&Round) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        Self {
            prompt_tokens_per_second: median(&|r| r.prompt_tokens as f64 / r.prompt_secs),
            decode_tokens_per_second: median(&|r| r.decoded_tokens as f64 / r.decode_secs),
            peak_resident_bytes: rounds.iter().map(|r| r.peak_resident_bytes).max().unwrap_or(0),
        }
    }
}

/// One batch size.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) batch: usize,
    pub(crate) ours: Figures,
    pub(crate) peer: Option<Figures>,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) model: String,
    pub(crate) precision: &'static str,
    pub(crate) threads: usize,
    pub(crate) prompt_tokens: usize,
    pub(crate) new_tokens: usize,
    pub(crate) rounds: usize,
    /// Quiet before each round.
    pub(crate) pause_millis: u32,
    /// One-minute load average before and after, where Linux tells it.
    pub(crate) load_average: [Option<f64>; 2],
    pub(crate) ours: String,
    /// The peer's versions, or why it was not timed.
    pub(crate) peer: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let load = |load: Option<f64>| load.map_or("?".to_owned(), |load| format!("{load:.1}"));
        let mut text = format!(
            "{} ({}), prompts of {} tokens, {} new tokens, greedy, f32, {} threads, median of {} \
             rounds; load average {} before, {} after\nours: {}; peer: {}\n\n\
             batch   prompt tok/s                decode tok/s               peak MiB\n\
             {:8}    ours     peer   ratio       ours     peer   ratio    ours    peer\n",
            self.model,
            self.precision,
            self.prompt_tokens,
            self.new_tokens,
            self.threads,
            self.rounds,
            load(self.load_average[0]),
            load(self.load_average[1]),
            self.ours,
            self.peer,
            "",
        );
        for Row { batch, ours, peer } in &self.rows {
            let mebibytes = |figures: &Figures| figures.peak_resident_bytes >> 20;
            let of_peer =
                |of: &dyn Fn(&Figures) -> String| peer.as_ref().map_or("-".to_owned(), of);
            writeln!(
                text,
                "{batch:5} {:10.0} {:>8} {:>7} {:10.0} {:>8} {:>7} {:7} {:>7}",
                ours.prompt_tokens_per_second,
                of_peer(&|p| format!("{:.0}", p.prompt_tokens_per_second)),
                of_peer(&|p| format!(
                    "{:.1}",
                    ours.prompt_tokens_per_second / p.prompt_tokens_per_second
                )),
                ours.decode_tokens_per_second,
                of_peer(&|p| format!("{:.0}", p.decode_tokens_per_second)),
                of_peer(&|p| format!(
                    "{:.1}",
                    ours.decode_tokens_per_second / p.decode_tokens_per_second
                )),
                mebibytes(ours),
                of_peer(&|p| mebibytes(p).to_string()),
            )
            .expect("strings take everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians() {
        let round = |secs: f64, peak: u64| Round {
            prompt_tokens: 100,
            prompt_secs: secs,
            decoded_tokens: 50,
            decode_secs: 2.0 * secs,
            peak_resident_bytes: peak,
        };
        let figures = Figures::new(&[round(1.0, 5), round(4.0, 9), round(2.0, 7)]);
        assert_eq!(figures.prompt_tokens_per_second, 50.0);
        assert_eq!(figures.decode_tokens_per_second, 12.5);
        assert_eq!(figures.peak_resident_bytes, 9);
    }
}
