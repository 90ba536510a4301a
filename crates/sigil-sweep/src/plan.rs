//! Which runs a sweep has, known before the first one starts.
//!
//! A grid is every combination, the last key changing fastest. Draws come from a generator of their own,
//! so that the same file and seed give the same runs on every machine. Next: `sweep.rs`.

use sigil_config::{Layers, Loaded};
use toml::{Table, Value};

use crate::SweepError;
use crate::settings::{Method, SweepSettings};

/// A run of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name, `trial-001` and so on.
    pub name: String,
    /// What it sets, by key.
    pub values: Vec<(String, Value)>,
}

impl Trial {
    /// What it sets, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let values = self.values.iter().map(|(key, value)| format!("{key} {}", plain(value)));
        values.collect::<Vec<_>>().join(", ")
    }
}

/// All runs of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The runs, in their order.
    pub trials: Vec<Trial>,
    /// Steps and number of runs of every round; one round without a number of steps, save for halving.
    pub rounds: Vec<(Option<usize>, usize)>,
}

impl Plan {
    /// Makes the plan and has every run's settings accepted; `base` is the text of `sweep.config`.
    ///
    /// # Errors
    /// A value that is no list or range, too many runs, or settings that would be refused.
    pub fn new(settings: &SweepSettings, base: Option<&str>) -> Result<Self, SweepError> {
        let wrong = |problem: String| SweepError::Settings { path: "the sweep".into(), problem };
        let axes: Vec<(String, Axis)> = settings
            .keys
            .iter()
            .map(|(key, value)| Ok((key.clone(), Axis::read(key, value)?)))
            .collect::<Result<_, String>>()
            .map_err(wrong)?;
        let rows = match settings.sweep.method {
            Method::Grid => grid(&axes).map_err(wrong)?,
            Method::Random | Method::Halving => {
                draws(&axes, settings.sweep.trials, settings.sweep.seed)
            }
        };
        let width = rows.len().to_string().len().max(3);
        let trials: Vec<Trial> = rows
            .into_iter()
            .enumerate()
            .map(|(at, values)| Trial {
                name: format!("trial-{:0width$}", at + 1),
                values: axes.iter().map(|(key, _)| key.clone()).zip(values).collect(),
            })
            .collect();
        let rounds = rounds(settings, trials.len());
        for trial in &trials {
            load(settings, base, trial, rounds[0].0)?;
        }
        Ok(Self { trials, rounds })
    }
}

/// The settings of one run, accepted by the rules of `sigil-config`.
///
/// # Errors
/// [`SweepError::Trial`] with everything that is wrong.
pub fn load(
    settings: &SweepSettings,
    base: Option<&str>,
    trial: &Trial,
    steps: Option<usize>,
) -> Result<Loaded, SweepError> {
    let layers = match (&settings.sweep.config, base) {
        (Some(path), Some(text)) => Layers::new().file(path, text),
        _ => Layers::new().preset(preset(settings)),
    };
    layers.set(assignments(settings, trial, steps)).load().map_err(|errors| SweepError::Trial {
        trial: trial.name.clone(),
        values: trial.describe(),
        problem: errors.to_string(),
    })
}

/// The preset that runs begin with where there is no file.
#[must_use]
pub fn preset(settings: &SweepSettings) -> &str {
    settings.sweep.preset.as_deref().unwrap_or("quickstart")
}

/// What a run sets besides its preset or file, as `--set` takes it.
#[must_use]
pub fn assignments(settings: &SweepSettings, trial: &Trial, steps: Option<usize>) -> Vec<String> {
    let one = |(key, value): (&String, &Value)| format!("{key}={}", plain(value));
    let mut all: Vec<String> = settings.set.iter().map(one).collect();
    all.extend(trial.values.iter().map(|(key, value)| one((key, value))));
    if let Some(steps) = steps {
        all.push(format!("train.num_steps={steps}"));
        // A short round would otherwise end before its only set or evaluation is due.
        for key in ["train.save_every", "evaluation.every_steps"] {
            if !settings.set.contains_key(key) && !settings.keys.contains_key(key) {
                all.push(format!("{key}={steps}"));
            }
        }
    }
    all
}

/// A value without the quotes of a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of one key.
#[derive(Clone, Debug, PartialEq)]
enum Axis {
    List(Vec<Value>),
    /// Both ends included.
    Integers(i64, i64),
    /// With equal weight on equal quotients if the last is true, else on equal differences.
    Floats(f64, f64, bool),
}

impl Axis {
    fn read(key: &str, value: &Value) -> Result<Self, String> {
        let table = match value {
            Value::Array(values) if values.is_empty() => {
                return Err(format!("`{key}` has no values"));
            }
            Value::Array(values) => return Ok(Self::List(values.clone())),
            Value::Table(table) => table,
            _ => {
                return Err(format!(
                    "`{key}` must be a list of values, or {{ low = …, high = … }}"
                ));
            }
        };
        if let Some(other) = table.keys().find(|k| !["low", "high", "log"].contains(&k.as_str())) {
            return Err(format!("`{key}` has `{other}`, and a range has low, high and log"));
        }
        Self::range(key, table)
    }

    fn range(key: &str, table: &Table) -> Result<Self, String> {
        let end = |name: &str| table.get(name).ok_or(format!("the range of `{key}` has no {name}"));
        let (low, high) = (end("low")?, end("high")?);
        let log = match table.get("log") {
            None => false,
            Some(value) => value.as_bool().ok_or(format!("`log` of `{key}` is true or false"))?,
        };
        if let (Some(low), Some(high), false) = (low.as_integer(), high.as_integer(), log) {
            return if low <= high {
                Ok(Self::Integers(low, high))
            } else {
                Err(format!("the range of `{key}` ends below its beginning"))
            };
        }
        let number =
            |value: &Value| value.as_float().or(value.as_integer().map(|value| value as f64));
        match (number(low), number(high)) {
            (Some(low), Some(high)) if low <= high && (!log || low > 0.0) && high.is_finite() => {
                Ok(Self::Floats(low, high, log))
            }
            (Some(_), Some(_)) if log => Err(format!("the range of `{key}` must begin above 0")),
            (Some(_), Some(_)) => Err(format!("the range of `{key}` ends below its beginning")),
            _ => Err(format!("the range of `{key}` is not of numbers")),
        }
    }

    fn draw(&self, random: &mut Random) -> Value {
        match self {
            Self::List(values) => values[random.below(values.len() as u64) as usize].clone(),
            Self::Integers(low, high) => {
                let count = high.abs_diff(*low).saturating_add(1);
                Value::Integer(low.saturating_add_unsigned(random.below(count)))
            }
            Self::Floats(low, high, log) => {
                let at = random.unit();
                let value = if *log {
                    (low.ln() + (high.ln() - low.ln()) * at).exp()
                } else {
                    low + (high - low) * at
                };
                // Three digits are all that a hyperparameter needs, and what a person can read.
                let short = format!("{:.2e}", value.clamp(*low, *high));
                Value::Float(short.parse::<f64>().unwrap_or(value).clamp(*low, *high))
            }
        }
    }
}

/// Most runs of a grid.
const MOST: usize = 100_000;

fn grid(axes: &[(String, Axis)]) -> Result<Vec<Vec<Value>>, String> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for (key, axis) in axes {
        let values = match axis {
            Axis::List(values) => values.clone(),
            Axis::Integers(low, high) if high.abs_diff(*low) < MOST as u64 => {
                (*low..=*high).map(Value::Integer).collect()
            }
            _ => return Err(format!("`{key}` is a range, and a grid needs a list of values")),
        };
        if rows.len().saturating_mul(values.len()) > MOST {
            return Err(format!("the grid has more than {MOST} runs"));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                values.iter().map(move |value| {
                    let mut row = row.clone();
                    row.push(value.clone());
                    row
                })
            })
            .collect();
    }
    Ok(rows)
}

/// Draws runs; the same one is not drawn twice, as long as there are others.
fn draws(axes: &[(String, Axis)], count: usize, seed: u64) -> Vec<Vec<Value>> {
    let mut random = Random(seed);
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    // A small space may have fewer runs than were asked for.
    for _ in 0..count.saturating_mul(50) {
        if rows.len() == count {
            break;
        }
        let row: Vec<Value> = axes.iter().map(|(_, axis)| axis.draw(&mut random)).collect();
        if seen.insert(row.iter().map(Value::to_string).collect::<Vec<_>>()) {
            rows.push(row);
        }
    }
    rows
}

fn rounds(settings: &SweepSettings, trials: usize) -> Vec<(Option<usize>, usize)> {
    if settings.sweep.method != Method::Halving {
        return vec![(None, trials)];
    }
    let (mut steps, mut left) = (settings.sweep.first_steps, trials);
    let mut rounds = vec![(Some(steps), left)];
    while left > 1 {
        left = left.div_ceil(settings.sweep.factor);
        steps = steps.saturating_mul(settings.sweep.factor);
        rounds.push((Some(steps), left));
    }
    rounds
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(count)) >> 64) as u64
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn plan(text: &str) -> Result<Plan, SweepError> {
        Plan::new(&SweepSettings::parse(text, Path::new("s.toml"))?, None)
    }

    #[test]
    fn a_grid_is_every_combination() {
        let plan = plan(
            "[keys]\n\"lora.r\" = [8, 16]\n\"train.learning_rate\" = [1e-4, 2e-4]\n\
             \"lora.dropout\" = [0.0]\n",
        )
        .expect("it is sound");
        let told: Vec<String> = plan.trials.iter().map(Trial::describe).collect();
        assert_eq!(told.len(), 4);
        assert_eq!(told[1], "lora.dropout 0.0, lora.r 8, train.learning_rate 0.0002");
        assert_eq!(plan.trials[3].name, "trial-004");
        assert_eq!(plan.rounds, [(None, 4)]);
    }

    #[test]
    fn draws_are_the_same_for_a_seed_and_within_their_ranges() {
        let text = |seed: u64| {
            format!(
                "[sweep]\nmethod = \"random\"\ntrials = 20\nseed = {seed}\n[keys]\n\"lora.r\" = {{ \
                 low = 4, high = 64 }}\n\"train.learning_rate\" = {{ low = 1e-5, high = 1e-2, log \
                 = true }}\n"
            )
        };
        let (one, again, other) =
            (plan(&text(1)).expect("sound"), plan(&text(1)).expect("sound"), plan(&text(2)));
        assert_eq!(one, again);
        assert_ne!(one, other.expect("sound"));
        assert_eq!(one.trials.len(), 20);
        for trial in &one.trials {
            let rank = trial.values[0].1.as_integer().expect("a whole number");
            let rate = trial.values[1].1.as_float().expect("a number");
            assert!((4..=64).contains(&rank) && (1e-5..=1e-2).contains(&rate), "{trial:?}");
        }
    }

    #[test]
    fn few_choices_are_drawn_once_each() {
        let plan = plan("[sweep]\nmethod = \"random\"\ntrials = 9\n[keys]\n\"lora.r\" = [4, 8]\n");
        assert_eq!(plan.expect("sound").trials.len(), 2);
    }

    #[test]
    fn halving_keeps_a_share_of_the_runs_for_more_steps() {
        let plan = plan(
            "[sweep]\nmethod = \"halving\"\ntrials = 9\nfirst_steps = 10\nfactor = 3\n[keys]\n\
             \"train.learning_rate\" = { low = 1e-5, high = 1e-2, log = true }\n[set]\n\
             \"train.warmup_steps\" = 2\n",
        );
        let rounds = plan.expect("sound").rounds;
        assert_eq!(rounds, [(Some(10), 9), (Some(30), 3), (Some(90), 1)]);
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_starts() {
        let check = |text: &str, wanted: &str| {
            let error = plan(text).expect_err("it is wrong").to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        };
        check("", "`[keys]` is empty");
        check("[keys]\n\"lora.r\" = []\n", "no values");
        check("[keys]\n\"lora.r\" = 3\n", "must be a list");
        check("[keys]\n\"lora.r\" = { low = 3, high = 2 }\n", "ends below");
        check("[keys]\n\"lora.r\" = { low = 3, hi = 4 }\n", "`hi`");
        check(
            "[keys]\n\"train.learning_rate\" = { low = 0.1, high = 0.2 }\n",
            "a grid needs a list",
        );
        check("[keys]\n\"lora.rr\" = [1]\n", "lora.r");
        check("[keys]\n\"lora.r\" = [8, 0]\n", "trial-002");
        check("[keys]\n\"run.output_dir\" = [\"a\"]\n", "by the sweep itself");
        check("[swep]\n[keys]\n\"lora.r\" = [8]\n", "swep");
        check(
            "[sweep]\nmethod = \"halving\"\n[keys]\n\"train.num_steps\" = [8]\n",
            "rounds of halving",
        );
        let range = "{ low = 0.0, high = 1.0, log = true }";
        check(
            &format!("[sweep]\nmethod = \"random\"\n[keys]\n\"lora.dropout\" = {range}\n"),
            "begin above 0",
        );
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "[\\PC\n\\[\\]={}\".]{0,80}") {
            let _read = plan(&text);
        }

        #[test]
        fn rounds_end_with_one_run(trials in 1usize..500, factor in 2usize..6) {
            let mut settings = SweepSettings::default();
            settings.sweep.method = Method::Halving;
            settings.sweep.factor = factor;
            let rounds = rounds(&settings, trials);
            prop_assert_eq!(rounds.last().map(|(_, left)| *left), Some(1));
            prop_assert!(rounds.windows(2).all(|pair| pair[0].1 > pair[1].1));
        }
    }
}
