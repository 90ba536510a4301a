//! What a run of expert iteration is told, as its TOML file has it.
//!
//! `[training]` holds settings of `sigil-train`, in its own words; they are checked by its own rules.
//! Everything else is checked here. Next: `rounds/experiment.rs`, which makes stages of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ExpertError;
use crate::score::ScoreWeights;
use crate::select::SelectSettings;

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertSettings {
    /// What is asked.
    pub tasks: TaskSettings,
    /// How samples are made.
    pub generate: GenerateSettings,
    /// How samples are judged.
    pub judge: JudgeSettings,
    /// What a verdict is worth.
    pub score: ScoreWeights,
    /// What is trained on.
    pub select: SelectSettings,
    /// How many rounds, and when they end.
    pub rounds: RoundSettings,
    /// Settings of `sigil-train` for the training of each round.
    pub training: toml::Table,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskSettings {
    /// Tasks of each round. They differ from round to round.
    pub per_round: usize,
    /// Of a hundred of these, those whose composition the base has seen.
    pub seen_percent: usize,
    /// Tasks to compare rounds on; at most 48 of those made here.
    pub development: usize,
    /// Tasks to judge before and after; at most 160 of those made here.
    pub held_out: usize,
    /// Tasks of your own for rounds, a file in HumanEval's layout; needs the next two. Not set: tasks
    /// are made.
    pub pool: Option<PathBuf>,
    /// Tasks of your own to compare rounds on.
    pub development_pool: Option<PathBuf>,
    /// Tasks of your own to judge before and after.
    pub held_out_pool: Option<PathBuf>,
    /// Beside a pool, the rows that `select.replay` draws from: JSON Lines of `text`.
    pub replay_rows: Option<PathBuf>,
}

/// The files of tasks of one's own.
pub(crate) struct TaskFiles<'a> {
    pub(crate) pool: &'a Path,
    pub(crate) development: &'a Path,
    pub(crate) held_out: &'a Path,
}

impl TaskSettings {
    /// The three files, where they are set.
    pub(crate) fn files(&self) -> Option<TaskFiles<'_>> {
        Some(TaskFiles {
            pool: self.pool.as_deref()?,
            development: self.development_pool.as_deref()?,
            held_out: self.held_out_pool.as_deref()?,
        })
    }
}

impl Default for TaskSettings {
    fn default() -> Self {
        Self {
            per_round: 250,
            seen_percent: 20,
            development: 48,
            held_out: 160,
            pool: None,
            development_pool: None,
            held_out_pool: None,
            replay_rows: None,
        }
    }
}

/// How samples are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenerateSettings {
    /// The base: a folder, a Hub id, or `sigil-base`.
    pub model: String,
    /// Samples of each task of a round.
    pub samples: u32,
    /// Samples of each development task.
    pub development_samples: u32,
    /// Samples of each held-out task.
    pub held_out_samples: u32,
    /// The temperature of all of them.
    pub temperature: f64,
    /// Only the likeliest tokens that reach this probability together.
    pub top_p: f64,
    /// Longest sample in tokens.
    pub max_new_tokens: usize,
    /// Sequences at the same time.
    pub batch: u32,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self {
            model: sigil_config::BUILT_IN_BASE.to_owned(),
            samples: 4,
            development_samples: 4,
            held_out_samples: 8,
            temperature: 0.8,
            top_p: 0.95,
            max_new_tokens: 96,
            batch: 64,
        }
    }
}

/// How samples are judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeSettings {
    /// Samples judged at once; not set: the number of processors.
    pub workers: Option<usize>,
    /// Folder of the crates that samples may use; not set: none.
    pub dependencies: Option<String>,
}

/// How many rounds, and when they end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoundSettings {
    /// At most this many.
    pub count: usize,
    /// End when this many rounds in a row were no better on the development tasks; 0 for never.
    pub patience: usize,
    /// By how much the rate has to rise to count as better.
    pub min_gain: f64,
    /// Where each round's training starts.
    pub start: RoundStart,
    /// The fewest rows that a round trains on.
    pub min_rows: usize,
}

impl Default for RoundSettings {
    fn default() -> Self {
        Self { count: 3, patience: 0, min_gain: 0.0, start: RoundStart::Last, min_rows: 16 }
    }
}

/// Where a round's training starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundStart {
    /// From the base each time, on the rows of all rounds so far.
    Base,
    /// From the adapter of the round before.
    Last,
}

impl Default for ExpertSettings {
    fn default() -> Self {
        Self {
            tasks: TaskSettings::default(),
            generate: GenerateSettings::default(),
            judge: JudgeSettings::default(),
            score: ScoreWeights::default(),
            select: SelectSettings::default(),
            rounds: RoundSettings::default(),
            training: toml::Table::new(),
        }
    }
}

impl ExpertSettings {
    /// Reads settings; `path` is for messages.
    ///
    /// # Errors
    /// Text that is no TOML, an unknown key, a value out of its range.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ExpertError> {
        let bad = |problem: String| ExpertError::Settings { path: path.to_owned(), problem };
        let settings: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..place].iter().filter(|&&byte| byte == b'\n').count() + 1;
            let message = error.message().trim().replace('\n', ", ");
            bad(format!("line {line}: {message}"))
        })?;
        settings.check().map_err(bad)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let Self { tasks, generate, rounds, .. } = self;
        let within = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(format!("`{name} = {value}` is not from {low} to {high}"))
            }
        };
        within("tasks.per_round", tasks.per_round, 1, 100_000)?;
        within("tasks.seen_percent", tasks.seen_percent, 0, 100)?;
        let own = tasks.files().is_some();
        let most = |made: usize| if own { 100_000 } else { made };
        within("tasks.development", tasks.development, 1, most(crate::tasks::DEVELOPMENT_TASKS))?;
        within("tasks.held_out", tasks.held_out, 1, most(crate::tasks::HELD_OUT_TASKS))?;
        let pools =
            [&tasks.pool, &tasks.development_pool, &tasks.held_out_pool, &tasks.replay_rows];
        if !own && pools.iter().any(|pool| pool.is_some()) {
            return Err("`tasks.pool`, `tasks.development_pool` and `tasks.held_out_pool` belong \
                        together: set all three or none"
                .to_owned());
        }
        if own && tasks.replay_rows.is_none() && self.select.replay > 0.0 {
            return Err(
                "`select.replay` needs `tasks.replay_rows` beside `tasks.pool`; set it to 0 \
                        for none"
                    .to_owned(),
            );
        }
        within("generate.samples", generate.samples as usize, 1, 4096)?;
        within("generate.development_samples", generate.development_samples as usize, 1, 4096)?;
        within("generate.held_out_samples", generate.held_out_samples as usize, 1, 4096)?;
        within("generate.max_new_tokens", generate.max_new_tokens, 1, 1 << 20)?;
        within("generate.batch", generate.batch as usize, 1, 4096)?;
        within("rounds.count", rounds.count, 1, 1000)?;
        if !(generate.temperature >= 0.0 && generate.temperature.is_finite()) {
            return Err("`generate.temperature` is no number of at least 0".to_owned());
        }
        if !(generate.top_p > 0.0 && generate.top_p <= 1.0) {
            return Err("`generate.top_p` is not above 0 and up to 1".to_owned());
        }
        for (name, why) in [("dataset", "names"), ("run", "output_dir"), ("model", "load_from")] {
            let set = self.training.get(name).and_then(|table| table.get(why)).is_some();
            if set {
                return Err(format!("`training.{name}.{why}` is set by each round"));
            }
        }
        if !(rounds.min_gain >= 0.0 && rounds.min_gain <= 1.0) {
            return Err("`rounds.min_gain` is not from 0 to 1".to_owned());
        }
        self.score.check()?;
        self.select.check()?;
        self.check_training()
    }

    /// The settings of training by the rules of `sigil-train`, with what each round sets put in.
    fn check_training(&self) -> Result<(), String> {
        let training = crate::rounds::Training {
            settings: &self.training,
            model: &self.generate.model,
            rows: vec![Path::new("rows.jsonl")],
            run: Path::new("run"),
            start: None,
            seed: 1,
        };
        training.to_toml().map(drop)
    }

    /// As text, for digests and for the run's folder.
    ///
    /// # Panics
    /// Never: every field has a form in TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings hold only values that TOML can express")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        ExpertSettings::parse(text, Path::new("e.toml")).expect_err("it is wrong").to_string()
    }

    #[test]
    fn shipped_settings_are_read_and_write_themselves() {
        for (name, text, rounds) in [
            ("quickstart", include_str!("../../../configs/expert-quickstart.toml"), 3),
            ("predecessor", include_str!("../../../configs/expert-predecessor.toml"), 1),
        ] {
            let path = Path::new(name);
            let settings = ExpertSettings::parse(text, path).expect("it is well formed");
            assert_eq!(settings.rounds.count, rounds, "{name}");
            let again = ExpertSettings::parse(&settings.to_toml(), path).expect("it wrote it");
            assert_eq!(again, settings, "{name}");
            if name == "predecessor" {
                assert_eq!(settings.score, ScoreWeights::predecessor());
                let strict = crate::select::StrictSettings::default();
                assert_eq!(settings.select.strict, Some(strict));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(problem("[tasks]\nper_rond = 3\n").contains("per_rond"));
        assert!(problem("[tasks]\nheld_out = 1000\n").contains("from 1 to 160"));
        assert!(problem("[generate]\ntop_p = 0.0\n").contains("top_p"));
        assert!(problem("[training.run]\noutput_dir = \"x\"\n").contains("set by each round"));
        assert!(problem("[score]\ntests = -1.0\n").contains("score"));
        assert!(problem("[select]\nthreshold = 2.0\n").contains("select.threshold"));
        assert!(problem("[select]\nrequire = \"pas\"\n").contains("pas"));
        assert!(problem("[rounds]\nmin_gain = -1.0\n").contains("rounds.min_gain"));
        assert!(problem("[tasks]\npool = \"a\"\n").contains("belong together"));
        let three = "[tasks]\npool = \"a\"\ndevelopment_pool = \"b\"\nheld_out_pool = \"c\"\n";
        assert!(problem(three).contains("select.replay"));
        let own =
            ExpertSettings::parse(&format!("{three}[select]\nreplay = 0.0\n"), Path::new("e"));
        assert!(own.is_ok(), "{own:?}");
        // What `sigil-train` would refuse is refused before anything starts.
        assert!(problem("[training.train]\nlerning_rate = 1e-3\n").contains("lerning_rate"));
        assert!(problem("[training.lora]\nr = 0\n").contains("lora.r"));
        assert!(problem("[generate]\nsamples = \"four\"\n").contains("line 2"));
    }
}
