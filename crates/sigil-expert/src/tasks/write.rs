//! One composition becomes a task: names and constants are drawn, and text is written.
//!
//! The prompt ends in the brace that opens the body, so that prompt and solution are cut where the
//! tokenizer cuts as well, and a prompt's tokens are the same with a solution behind it and without.

use serde::{Deserialize, Serialize};
use sigil_eval::score::SplitMix;
use sigil_eval::task::Task;

use super::cases::{Bound, bind, cases};
use super::composition::{Composition, Split};
use super::numbers::{CHANGES, KEEPS};
use super::operation::{Change, Constants, Keep, Words};
use super::sources::{COMBINES, End, Family, Source};
use super::texts::{CHARACTER_CHANGES, CHARACTER_KEEPS, WORD_CHANGES, WORD_KEEPS};
use super::words::{function_name, one};

/// A task with its solution and its tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeTask {
    /// Its name, unique in its set.
    pub task_id: String,
    /// The composition's name; tasks of one composition differ in names, constants and words.
    pub composition: String,
    /// The pairs of operations in it.
    pub pairs: Vec<String>,
    /// Its side.
    pub split: Split,
    /// What the model is given.
    pub prompt: String,
    /// The function asked for.
    pub entry_point: String,
    /// What follows the prompt.
    pub canonical_solution: String,
    /// The hidden tests.
    pub test: String,
    /// The Rust edition.
    pub edition: String,
}

impl MadeTask {
    /// Prompt and solution as one text, as the base is trained on it.
    pub fn solved(&self) -> String {
        format!("{}{}", self.prompt, self.canonical_solution)
    }

    /// As the judge reads it.
    pub fn to_task(&self) -> Task {
        Task {
            id: self.task_id.clone(),
            prompt: self.prompt.clone(),
            entry_point: self.entry_point.clone(),
            canonical_solution: self.canonical_solution.clone(),
            test: self.test.clone(),
            edition: self.edition.clone(),
            stop_tokens: Vec::new(),
            externs: Default::default(),
            project: None,
        }
    }
}

/// A step as text.
struct Step {
    code: String,
    words: Words,
    filled: (String, String),
}

fn keep_step<T>(keep: &Keep<T>, constants: Constants, random: &mut SplitMix) -> Step {
    let words = one(random, keep.words);
    let fill = |text| keep.draw.fill(text, constants);
    Step { code: fill(keep.code), words, filled: (fill(words.0), fill(words.1)) }
}

fn change_step<T>(change: &Change<T>, constants: Constants, random: &mut SplitMix) -> Step {
    let words = one(random, change.words);
    let fill = |text| change.draw.fill(text, constants);
    Step { code: fill(change.code), words, filled: (fill(words.0), fill(words.1)) }
}

/// Writes a task; `None` if a step of the composition has no effect on its source.
pub fn write_task(composition: Composition, task_id: String, seed: u64) -> Option<MadeTask> {
    let mut random = SplitMix::new(seed);
    let random = &mut random;
    let bound = bind(composition, random);
    let cases = cases(&bound, random)?;
    let Composition { family, keep, change, other, change_first, end } = composition;
    let split = composition.split();
    let name = function_name(random, split);
    let combine = (family == Family::Pairs).then(|| &COMBINES[other.unwrap_or(0)]);
    let source = Source::draw(family, combine, random);
    let keep = keep.map(|at| match family {
        Family::Characters => keep_step(&CHARACTER_KEEPS[at], bound.keep, random),
        Family::Words => keep_step(&WORD_KEEPS[at], bound.keep, random),
        _ => keep_step(&KEEPS[at], bound.keep, random),
    });
    let change = change.map(|at| match family {
        Family::Characters => change_step(&CHARACTER_CHANGES[at], bound.change, random),
        Family::Words => change_step(&WORD_CHANGES[at], bound.change, random),
        _ => change_step(&CHANGES[at], bound.change, random),
    });
    let (comment, output, body) = match (family, &keep, &change, other) {
        (Family::Branch, Some(keep), Some(change), Some(at)) => {
            let otherwise = change_step(&CHANGES[at], bound.other, random);
            branch(keep, change, &otherwise)
        }
        _ => chain(&bound, &source, keep.as_ref(), change.as_ref(), change_first, end, random),
    };
    let prompt = format!(
        "{}/// {comment}\npub fn {name}({}) -> {output} {{",
        source.before, source.parameters
    );
    let tests: String = cases
        .iter()
        .map(|(input, output)| {
            let arguments = source.arguments(family, input);
            format!("        assert_eq!({name}({arguments}), {});\n", output.literal())
        })
        .collect();
    Some(MadeTask {
        task_id,
        composition: composition.name(),
        pairs: composition.pairs(),
        split,
        prompt,
        entry_point: name,
        canonical_solution: format!("\n    {body}\n}}\n"),
        test: format!(
            "#[cfg(test)]\nmod tests {{\n    use super::*;\n\n    #[test]\n    fn cases() {{\n{tests}    }}\n}}\n"
        ),
        edition: "2021".to_owned(),
    })
}

/// Two branches: comment, type, body.
fn branch(keep: &Step, change: &Step, otherwise: &Step) -> (String, String, String) {
    let order = &keep.filled.0;
    let whom = match order.strip_prefix("drop ") {
        Some(dropped) => format!("all but {dropped}"),
        None => order.strip_prefix("keep ").unwrap_or(order).to_owned(),
    };
    let comment =
        format!("With `x`: for {whom} {}, otherwise {}.", change.filled.0, otherwise.filled.0);
    let body = format!("if {} {{ {} }} else {{ {} }}", keep.code, change.code, otherwise.code);
    (comment, "i64".to_owned(), body)
}

/// A chain of calls: comment, type, body.
fn chain(
    bound: &Bound,
    source: &Source,
    keep: Option<&Step>,
    change: Option<&Step>,
    change_first: bool,
    end: End,
    random: &mut SplitMix,
) -> (String, String, String) {
    let family = bound.composition.family;
    let (code, output, order, thing) = end.written(bound.end);
    // Words are borrowed, so that their closures take them as they are.
    let pattern = if family == Family::Words { "x" } else { "&x" };
    let kept = keep.map(|step| (step, format!(".filter(|{pattern}| {})", step.code)));
    let changed = change.map(|step| (step, format!(".map(|x| {})", step.code)));
    let steps: Vec<(&Step, String)> = if change_first { [changed, kept] } else { [kept, changed] }
        .into_iter()
        .flatten()
        .collect();
    let calls: String = steps.iter().map(|(_, call)| call.as_str()).collect();
    let output = match (family, end) {
        (Family::Words, End::List) if change.is_some() => "Vec<String>",
        (Family::Words, End::List) => "Vec<&str>",
        _ => output,
    };
    let comment = if random.below(3) > 0 || steps.is_empty() {
        let orders: Vec<&str> = steps.iter().map(|(step, _)| step.filled.0.as_str()).collect();
        let list = orders.iter().chain([&order.as_str()]).copied().collect::<Vec<_>>();
        format!("{}: {}.", source.said, list.join(", "))
    } else {
        let done: Vec<&str> = steps.iter().map(|(step, _)| step.filled.1.as_str()).collect();
        let mut said = source.said.clone();
        said.replace_range(..1, &said[..1].to_lowercase());
        format!("{thing} {said} after {}.", done.join(" and then "))
    };
    debug_assert!(steps.iter().all(|(step, _)| !step.words.0.is_empty()));
    (comment, output.to_owned(), format!("{}{calls}{code}", source.start))
}
