//! Sets of tasks: what rounds draw from, what they are compared on, what the base is trained on.
//!
//! Next: `../rounds`.

use std::collections::{BTreeMap, BTreeSet};

use sigil_data::decontaminate::{BenchmarkIndex, Task as IndexedTask};
use sigil_eval::score::SplitMix;

use super::composition::{Composition, Split, compositions};
use super::write::{MadeTask, write_task};

/// Tasks of one side, each of another composition as far as there are so many.
pub type TaskSet = Vec<MadeTask>;

/// Draws `count` tasks of a side. The same seed gives the same tasks, and more of them begin with the
/// same ones. Families take turns, so that none is drowned by those with more compositions.
pub fn task_set(split: Split, count: usize, seed: u64) -> TaskSet {
    let mut tasks = Vec::with_capacity(count);
    for task in Drawn::new(split, seed) {
        if tasks.len() >= count {
            break;
        }
        tasks.push(task);
    }
    tasks
}

/// Tasks of a side without end, but for a side that has no composition.
struct Drawn {
    split: Split,
    random: SplitMix,
    families: Vec<Vec<Composition>>,
    /// Where the next composition of each family is taken.
    places: Vec<usize>,
    turn: usize,
    made: usize,
    seen: BTreeSet<String>,
}

impl Drawn {
    fn new(split: Split, seed: u64) -> Self {
        let mut random = SplitMix::new(seed ^ (0x7461_736b << 8) ^ split as u64);
        let mut families: BTreeMap<&str, Vec<Composition>> = BTreeMap::new();
        for one in compositions() {
            if one.split() == split {
                families.entry(one.family()).or_default().push(one);
            }
        }
        let mut families: Vec<Vec<Composition>> = families.into_values().collect();
        for family in &mut families {
            shuffle(family, &mut random);
        }
        let places = vec![0; families.len()];
        Self { split, random, families, places, turn: 0, made: 0, seen: BTreeSet::new() }
    }
}

impl Iterator for Drawn {
    type Item = MadeTask;

    fn next(&mut self) -> Option<MadeTask> {
        // Compositions without effect are passed by; an end is only where there are no others.
        for _ in 0..100_000 {
            let count = self.families.len();
            if count == 0 {
                return None;
            }
            let family = self.turn % count;
            self.turn += 1;
            let place = self.places[family];
            self.places[family] += 1;
            let list = &mut self.families[family];
            if place > 0 && place.is_multiple_of(list.len()) {
                shuffle(list, &mut self.random);
            }
            let one = list[place % list.len()];
            let id = format!("{}/{:05}", self.split.name(), self.made);
            let Some(task) = write_task(one, id, self.random.next_u64()) else { continue };
            if self.seen.insert(task.solved()) {
                self.made += 1;
                return Some(task);
            }
        }
        None
    }
}

/// A task of each composition that makes one, and how many make none: a step of theirs has no effect.
pub fn each_composition(seed: u64) -> (TaskSet, usize) {
    /// Constants are drawn so often before a composition counts as one without effect.
    const TRIES: usize = 8;
    let mut random = SplitMix::new(seed);
    let (mut tasks, mut idle) = (Vec::new(), 0);
    for one in compositions() {
        let id = format!("each/{:05}", tasks.len());
        let task = (0..TRIES).find_map(|_| write_task(one, id.clone(), random.next_u64()));
        match task {
            Some(task) => tasks.push(task),
            None => idle += 1,
        }
    }
    (tasks, idle)
}

fn shuffle<T>(items: &mut [T], random: &mut SplitMix) {
    for place in (1..items.len()).rev() {
        items.swap(place, random.below(place as u64 + 1) as usize);
    }
}

/// Solved tasks of the seen side, until `enough` says so of the next one. Rows that hold a task of
/// `evaluation` are left out; for training a base these are those of [`evaluation_sets`].
pub fn solved_rows(
    seed: u64,
    evaluation: &[MadeTask],
    enough: &mut dyn FnMut(&MadeTask) -> bool,
) -> TaskSet {
    let mut rows = Vec::new();
    let index = index(evaluation);
    for task in Drawn::new(Split::Seen, seed) {
        if index.find(&task.solved()).is_some() {
            continue;
        }
        if enough(&task) {
            break;
        }
        rows.push(task);
    }
    rows
}

/// Tasks of the development side that bases are made without.
pub const DEVELOPMENT_TASKS: usize = 48;
/// Tasks of the held-out side that bases are made without.
pub const HELD_OUT_TASKS: usize = 160;
/// The seed of both: they are the same whatever a run's seed is, so that a base can be made without
/// them.
const EVALUATION_SEED: u64 = 1;

/// The development tasks and the held-out tasks.
pub fn evaluation_sets() -> [TaskSet; 2] {
    [
        task_set(Split::Development, DEVELOPMENT_TASKS, EVALUATION_SEED),
        task_set(Split::HeldOut, HELD_OUT_TASKS, EVALUATION_SEED),
    ]
}

/// Tasks without those that hold a task of an evaluation, and how many of these there were.
#[derive(Clone, Debug)]
pub struct Decontaminated {
    /// What is left.
    pub tasks: TaskSet,
    /// Names of what was left out, with the evaluation's task that each one holds.
    pub dropped: BTreeMap<String, String>,
}

/// Leaves out tasks whose text holds a task of an evaluation (shares of 10-grams of words, and of
/// windows of 24 tokens with names numbered).
pub fn decontaminate(tasks: TaskSet, evaluation: &[MadeTask]) -> Decontaminated {
    let index = index(evaluation);
    let mut dropped = BTreeMap::new();
    let tasks = tasks
        .into_iter()
        .filter(|task| match index.find(&task.solved()) {
            Some(hit) => {
                dropped.insert(task.task_id.clone(), hit.task);
                false
            }
            None => true,
        })
        .collect();
    Decontaminated { tasks, dropped }
}

fn index(evaluation: &[MadeTask]) -> BenchmarkIndex {
    let indexed: Vec<IndexedTask> = evaluation
        .iter()
        .map(|task| IndexedTask {
            id: task.task_id.clone(),
            code: task.solved(),
            entry_point: Some(task.entry_point.clone()),
        })
        .collect();
    BenchmarkIndex::new(&indexed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_tasks_are_compositions_that_nothing_trained_on_has() {
        let [_, held_out] = evaluation_sets();
        let compositions: BTreeSet<&str> =
            held_out.iter().map(|task| task.composition.as_str()).collect();
        assert!(compositions.len() >= 120, "{}", compositions.len());
        let trained: Vec<MadeTask> = [Split::Seen, Split::Practice]
            .into_iter()
            .flat_map(|split| task_set(split, 3000, 2))
            .collect();
        for task in &trained {
            assert!(!compositions.contains(task.composition.as_str()), "{}", task.composition);
        }
        let names: BTreeSet<&str> = held_out.iter().map(|task| task.entry_point.as_str()).collect();
        assert!(trained.iter().all(|task| !names.contains(task.entry_point.as_str())));
        let count = trained.len();
        let clean = decontaminate(trained, &held_out);
        // Near neighbours are left out, and what is left is enough.
        assert!(clean.dropped.len() * 3 < count, "{} of {count}", clean.dropped.len());
        let left: BTreeSet<&str> =
            clean.tasks.iter().map(|task| task.composition.as_str()).collect();
        assert!(left.len() >= 1000, "{}", left.len());
        assert!(decontaminate(clean.tasks, &held_out).dropped.is_empty());
    }

    #[test]
    fn a_copy_of_a_held_out_task_is_found() {
        let held_out = task_set(Split::HeldOut, 20, 1);
        let mut copy = held_out[3].clone();
        copy.prompt = copy.prompt.replace(&copy.entry_point, "renamed");
        let clean = decontaminate(vec![copy], &held_out);
        assert_eq!(clean.dropped.len(), 1);
    }

    #[test]
    fn a_seed_gives_the_same_tasks_and_longer_sets_begin_alike() {
        let short = task_set(Split::Practice, 20, 7);
        let long = task_set(Split::Practice, 50, 7);
        assert_eq!(short[..], long[..20]);
        assert_ne!(short, task_set(Split::Practice, 20, 8));
        let templates: BTreeSet<String> =
            task_set(Split::Seen, 400, 1).into_iter().map(|task| task.composition).collect();
        assert!(templates.len() >= 40, "{}", templates.len());
    }
}
