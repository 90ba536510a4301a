//! What rounds ask: tasks made for each round, or a pool that the user brings.
//!
//! Tasks of a pool are shuffled once by the run's seed and asked in turn, so that rounds go through the
//! pool before a task comes again. Those that hold an evaluation task are left out. Next: `round.rs`.

use std::path::Path;

use serde::Deserialize;
use sigil_data::Digest;
use sigil_eval::score::SplitMix;

use super::experiment::Line;
use super::files::{Replayed, read_lines};
use crate::ExpertError;
use crate::select::Require;
use crate::settings::ExpertSettings;
use crate::tasks::{
    MadeTask, Split, TaskSet, decontaminate, evaluation_sets, read_tasks, solved_rows, task_set,
};

/// Everything that can be asked.
pub(super) struct Pool {
    /// The development tasks.
    pub(super) development: TaskSet,
    /// The held-out tasks.
    pub(super) held_out: TaskSet,
    /// The user's own, if there are some.
    pub(super) own: Option<OwnPool>,
}

/// Tasks of the user's own.
#[derive(Clone, Debug)]
pub(super) struct OwnPool {
    tasks: TaskSet,
    replay: Vec<String>,
}

/// A row of earlier data; what else it has is not needed here.
#[derive(Deserialize)]
struct ReplayRow {
    text: String,
}

impl Pool {
    /// The tasks that are made here.
    pub(super) fn made([development, held_out]: [TaskSet; 2]) -> Self {
        Self { development, held_out, own: None }
    }

    /// Reads the files that the settings name, if they name some.
    pub(super) fn read(settings: &ExpertSettings) -> Result<Self, ExpertError> {
        let Some(files) = settings.tasks.files() else { return Ok(Self::made(evaluation_sets())) };
        let tested = settings.select.require == Require::Pass;
        let replay: Vec<ReplayRow> = match &settings.tasks.replay_rows {
            Some(path) => read_lines(Path::new(path))?,
            None => Vec::new(),
        };
        Ok(Self {
            development: read_tasks(files.development, Split::Development, true)?,
            held_out: read_tasks(files.held_out, Split::HeldOut, true)?,
            own: Some(OwnPool {
                tasks: read_tasks(files.pool, Split::Practice, tested)?,
                replay: replay.into_iter().map(|row| row.text).collect(),
            }),
        })
    }

    /// A digest of the user's own tasks and rows.
    pub(super) fn own_digest(&self) -> Option<String> {
        let own = self.own.as_ref()?;
        let tasks = own.tasks.iter().map(|task| format!("{}\0{}", task.solved(), task.test));
        let all: Vec<String> = tasks.chain(own.replay.iter().cloned()).collect();
        Some(Digest::of_fields(all.iter().map(|text| text.as_bytes())).to_string())
    }
}

impl Line<'_> {
    /// The tasks of a round, and how many were left out since they hold an evaluation task.
    pub(super) fn round_tasks(&self, round: usize) -> (TaskSet, usize) {
        match &self.own {
            Some(own) => self.own_tasks(own, round),
            None => self.made_tasks(round),
        }
    }

    fn own_tasks(&self, own: &OwnPool, round: usize) -> (TaskSet, usize) {
        let clean = decontaminate(own.tasks.clone(), &self.clean);
        let mut tasks = clean.tasks;
        shuffle(&mut tasks, self.experiment.seed_of("pool"));
        let count = self.experiment.settings.tasks.per_round.min(tasks.len());
        if count > 0 {
            let first = (round - 1) * count % tasks.len();
            tasks.rotate_left(first);
            tasks.truncate(count);
        }
        (tasks, clean.dropped.len())
    }

    fn made_tasks(&self, round: usize) -> (TaskSet, usize) {
        let settings = &self.experiment.settings.tasks;
        let seen = settings.per_round * settings.seen_percent / 100;
        let seed = self.experiment.seed_of(&format!("tasks {round}"));
        // A third more is drawn than is needed, for those that are left out.
        let draw = |split: Split, count: usize| {
            let clean = decontaminate(task_set(split, count + count / 3 + 8, seed), &self.clean);
            let dropped = clean.dropped.len();
            (clean.tasks.into_iter().take(count).collect::<TaskSet>(), dropped)
        };
        let (mut tasks, first) = draw(Split::Practice, settings.per_round - seen);
        let (more, second) = draw(Split::Seen, seen);
        tasks.extend(more);
        (tasks, first + second)
    }

    /// Rows of earlier data, drawn by a seed, without any that holds an evaluation task.
    pub(super) fn replayed(&self, count: usize, seed: u64) -> Vec<Replayed> {
        let of = |task: MadeTask| Replayed {
            text: task.solved(),
            name: format!("replay/{}", task.task_id),
            composition: task.composition,
        };
        let Some(own) = &self.own else {
            let mut left = count;
            let solved = solved_rows(seed, &self.clean, &mut |_| {
                let enough = left == 0;
                left = left.saturating_sub(1);
                enough
            });
            return solved.into_iter().map(of).collect();
        };
        let rows = own.replay.iter().enumerate().map(|(at, text)| MadeTask {
            task_id: format!("row-{}", at + 1),
            composition: format!("row-{}", at + 1),
            pairs: Vec::new(),
            split: Split::Seen,
            prompt: text.clone(),
            entry_point: String::new(),
            canonical_solution: String::new(),
            test: String::new(),
            edition: String::new(),
        });
        let mut rows = decontaminate(rows.collect(), &self.clean).tasks;
        shuffle(&mut rows, seed);
        rows.into_iter().take(count).map(of).collect()
    }
}

fn shuffle(items: &mut [MadeTask], seed: u64) {
    let mut random = SplitMix::new(seed);
    for place in (1..items.len()).rev() {
        items.swap(place, random.below(place as u64 + 1) as usize);
    }
}
