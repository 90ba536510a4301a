//! Names and texts that tasks are filled with.
//!
//! Names say nothing about what a function does: that is what the comment is for.

use sigil_eval::score::SplitMix;

use super::composition::Split;

const VERBS: [&str; 12] = [
    "compute",
    "derive",
    "process",
    "evaluate",
    "resolve",
    "build",
    "digest",
    "reduce",
    "convert",
    "refine",
    "collapse",
    "transform",
];
const NOUNS: [&str; 12] = [
    "values", "numbers", "items", "data", "entries", "input", "batch", "series", "record",
    "report", "result", "parts",
];

/// Names of slices and iterators.
pub(super) const MANY: [&str; 8] =
    ["xs", "values", "numbers", "items", "data", "nums", "input", "list"];
/// Names of upper ends.
pub(super) const ENDS: [&str; 4] = ["n", "limit", "last", "top"];
/// Names of single values.
pub(super) const ONES: [&str; 5] = ["value", "x", "n", "number", "given"];
/// Names of texts.
pub(super) const TEXTS: [&str; 5] = ["text", "s", "line", "input", "words"];
/// Names of structs and of two of their fields.
pub(super) const STRUCTS: [(&str, &str, &str); 6] = [
    ("Item", "price", "count"),
    ("Point", "x", "y"),
    ("Order", "total", "id"),
    ("Score", "points", "level"),
    ("Entry", "key", "size"),
    ("Sensor", "reading", "port"),
];

const PIECES: [&str; 16] = [
    "rain", "Otter", "stone", "is", "a", "Train", "on", "nest", "area", "ROOT", "tea", "Sun",
    "noise", "list", "rose", "tor",
];
const SIGNS: [&str; 6] = ["", "", "!", ",", "7", "42"];

/// One of a list.
pub(super) fn one<T: Copy>(random: &mut SplitMix, list: &[T]) -> T {
    list[random.below(list.len() as u64) as usize]
}

/// A name for a function. Names of evaluation tasks are never those of others.
pub(super) fn function_name(random: &mut SplitMix, split: Split) -> String {
    let verb = random.below(VERBS.len() as u64) as usize;
    // The sum of both places, modulo 4, is 3 for evaluation tasks and less for others.
    let class = if split.is_evaluation() { 3 } else { random.below(3) as usize };
    let noun = random.below(3) as usize * 4 + (class + 4 - verb % 4) % 4;
    format!("{}_{}", VERBS[verb], NOUNS[noun])
}

/// A text of up to five words.
pub(super) fn text(random: &mut SplitMix) -> String {
    let count = random.below(6);
    let words = (0..count).map(|_| format!("{}{}", one(random, &PIECES), one(random, &SIGNS)));
    words.collect::<Vec<_>>().join(" ")
}
