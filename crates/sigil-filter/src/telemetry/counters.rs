//! Counting verdicts, per dataset and in total.

use std::collections::BTreeMap;

use super::Histogram;
use crate::{Stage, StageTimes, Verdict};

/// The numbers of one dataset, or of all.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Counters {
    /// Rows judged.
    pub seen: u64,
    /// Rows kept.
    pub kept: u64,
    /// Kept rows with something cut out or replaced.
    pub edited: u64,
    /// Rows whose verdict needed a parse.
    pub parsed: u64,
    /// Bytes judged.
    pub seen_bytes: u64,
    /// Bytes of kept rows, before edits.
    pub kept_bytes: u64,
    /// Bytes of rows that were parsed.
    pub parsed_bytes: u64,
    /// Dropped rows by the reason that decided.
    pub first_reasons: BTreeMap<String, u64>,
    /// Dropped rows by every reason that was found; complete for audited rows only.
    pub all_reasons: BTreeMap<String, u64>,
    /// Rows judged in each mode.
    pub modes: BTreeMap<String, u64>,
    /// Rows that were decided at each stage.
    pub stages: BTreeMap<String, u64>,
    /// Seconds spent in each stage, if sessions were timed.
    pub stage_seconds: BTreeMap<String, f64>,
    /// Histograms of the main facts, by the fact's name.
    pub facts: BTreeMap<String, Histogram>,
}

impl Counters {
    /// Rows dropped.
    pub fn dropped(&self) -> u64 {
        self.seen - self.kept.min(self.seen)
    }

    /// The share of rows kept; zero of nothing.
    pub fn kept_share(&self) -> f64 {
        if self.seen == 0 { 0.0 } else { self.kept as f64 / self.seen as f64 }
    }

    fn record(&mut self, verdict: &Verdict, times: StageTimes) {
        let bytes = verdict.facts.text.bytes as u64;
        self.seen += 1;
        self.seen_bytes += bytes;
        if verdict.keep {
            self.kept += 1;
            self.kept_bytes += bytes;
            self.edited += u64::from(!verdict.edits.is_empty());
        }
        if verdict.stage == Stage::Tree {
            self.parsed += 1;
            self.parsed_bytes += bytes;
        }
        if let Some(reason) = verdict.reason() {
            count(&mut self.first_reasons, reason);
        }
        for reason in &verdict.reasons {
            count(&mut self.all_reasons, reason.id);
        }
        count(&mut self.modes, verdict.mode.name());
        count(&mut self.stages, verdict.stage.name());
        for stage in Stage::ALL {
            let seconds = times.of(stage).as_secs_f64();
            if seconds > 0.0 {
                *self.stage_seconds.entry(stage.name().to_owned()).or_default() += seconds;
            }
        }
        self.histograms(verdict);
    }

    fn histograms(&mut self, verdict: &Verdict) {
        let mut add = |name: &str, value: usize| match self.facts.get_mut(name) {
            Some(histogram) => histogram.add(value),
            None => self.facts.entry(name.to_owned()).or_default().add(value),
        };
        add("chars", verdict.facts.text.chars);
        if let Some(lines) = &verdict.facts.text.lines {
            add("lines", lines.count);
            add("longest_line_chars", lines.longest_chars);
        }
        if let Some(tree) = verdict.facts.tree.as_deref().filter(|tree| !tree.parse_stopped) {
            for (name, value) in [
                ("depth", tree.depth),
                ("error_bytes", tree.error_bytes),
                ("functions", tree.functions),
                ("nesting", tree.nesting),
                ("public_items", tree.public_items),
                ("documented_public_items", tree.documented_public_items),
                ("test_bytes", tree.test_bytes()),
                ("unsafe_blocks", tree.unsafe_blocks),
                ("unwraps", tree.unwraps),
            ] {
                add(name, value);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        self.kept += other.kept;
        self.edited += other.edited;
        self.parsed += other.parsed;
        self.seen_bytes += other.seen_bytes;
        self.kept_bytes += other.kept_bytes;
        self.parsed_bytes += other.parsed_bytes;
        for (into, from) in [
            (&mut self.first_reasons, &other.first_reasons),
            (&mut self.all_reasons, &other.all_reasons),
            (&mut self.modes, &other.modes),
            (&mut self.stages, &other.stages),
        ] {
            for (name, count) in from {
                *into.entry(name.clone()).or_default() += count;
            }
        }
        for (name, seconds) in &other.stage_seconds {
            *self.stage_seconds.entry(name.clone()).or_default() += seconds;
        }
        for (name, histogram) in &other.facts {
            self.facts.entry(name.clone()).or_default().merge(histogram);
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

/// Counters per dataset.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Telemetry {
    /// Counters by dataset.
    pub datasets: BTreeMap<String, Counters>,
    /// Digests of the rule sets that judged.
    pub rule_sets: std::collections::BTreeSet<String>,
}

impl Telemetry {
    /// Counts a verdict for a dataset; `times` come from a timed session, or are all zero.
    pub fn record(&mut self, dataset: &str, verdict: &Verdict, times: StageTimes) {
        let digest = verdict.rule_set.to_string();
        if !self.rule_sets.contains(&digest) {
            self.rule_sets.insert(digest);
        }
        match self.datasets.get_mut(dataset) {
            Some(counters) => counters.record(verdict, times),
            None => {
                self.datasets.entry(dataset.to_owned()).or_default().record(verdict, times);
            }
        }
    }

    /// Adds what another thread or machine counted.
    pub fn merge(&mut self, other: &Self) {
        for (name, counters) in &other.datasets {
            self.datasets.entry(name.clone()).or_default().merge(counters);
        }
        self.rule_sets.extend(other.rule_sets.iter().cloned());
    }

    /// The sum over all datasets.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.datasets.values().for_each(|counters| total.merge(counters));
        total
    }
}
