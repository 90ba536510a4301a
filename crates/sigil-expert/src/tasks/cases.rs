//! Which inputs a task is tested with: those that tell it from every other composition.
//!
//! Inputs are drawn, and one is taken if it tells the function from a neighbour (another operation in
//! one place, one step less, the other order) that no input taken before tells. A function that its
//! own neighbour without a step equals everywhere has a step without effect, and is no task.

use sigil_eval::score::SplitMix;

use super::composition::Composition;
use super::numbers::{CHANGES, KEEPS};
use super::operation::{Change, Constants, Keep};
use super::sources::{COMBINES, End, Family};
use super::texts::{CHARACTER_CHANGES, CHARACTER_KEEPS, WORD_CHANGES, WORD_KEEPS};
use super::value::{Input, Output};

/// Inputs drawn for a task.
const DRAWN: usize = 80;
/// Most cases of a task; the edge and a few that look at everything come besides.
const MOST: usize = 8;
/// Fewest cases of a task.
const FEWEST: usize = 4;

/// A composition with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) composition: Composition,
    pub(super) keep: Constants,
    pub(super) change: Constants,
    pub(super) other: Constants,
    pub(super) end: i64,
}

/// Draws constants for the operations of a composition.
pub(super) fn bind(composition: Composition, random: &mut SplitMix) -> Bound {
    let Composition { family, keep, change, other, .. } = composition;
    let keep = keep.map_or([0, 0], |at| match family {
        Family::Characters => CHARACTER_KEEPS[at].draw.draw(random),
        Family::Words => WORD_KEEPS[at].draw.draw(random),
        _ => KEEPS[at].draw.draw(random),
    });
    let mut of_change = |at: usize| match family {
        Family::Characters => CHARACTER_CHANGES[at].draw.draw(random),
        Family::Words => WORD_CHANGES[at].draw.draw(random),
        _ => CHANGES[at].draw.draw(random),
    };
    let change = change.map_or([0, 0], &mut of_change);
    let other = match (family, other) {
        (Family::Branch, Some(at)) => of_change(at),
        _ => [0, 0],
    };
    Bound { composition, keep, change, other, end: random.below(10) as i64 }
}

/// Runs the steps over items.
fn steps<T: Clone>(
    bound: &Bound,
    items: Vec<T>,
    keeps: &[Keep<T>],
    changes: &[Change<T>],
) -> Option<Vec<T>> {
    let composition = &bound.composition;
    let keep = |items: Vec<T>| match composition.keep {
        Some(at) => items.into_iter().filter(|item| (keeps[at].run)(item, bound.keep)).collect(),
        None => items,
    };
    let change = |items: Vec<T>| match composition.change {
        Some(at) => items.iter().map(|item| (changes[at].run)(item, bound.change)).collect(),
        None => Some(items),
    };
    if composition.change_first { Some(keep(change(items)?)) } else { change(keep(items)) }
}

/// What the function gives for an input; `None` where a number would be too large.
pub(super) fn run(bound: &Bound, input: &Input) -> Option<Output> {
    let Composition { family, end, other, .. } = bound.composition;
    let over = |items: Vec<i64>| steps(bound, items, &KEEPS, &CHANGES);
    match input {
        Input::Numbers(numbers) => end.of_numbers(&over(numbers.clone())?),
        Input::Number(number) if family == Family::Branch => {
            let holds =
                bound.composition.keep.is_some_and(|at| (KEEPS[at].run)(number, bound.keep));
            let (at, constants) = if holds {
                (bound.composition.change?, bound.change)
            } else {
                (other?, bound.other)
            };
            (CHANGES[at].run)(number, constants).map(Output::Number)
        }
        Input::Number(top) => end.of_numbers(&over((1..=*top).collect())?),
        Input::Maybe(number) => {
            let left = over(number.iter().copied().collect())?.first().copied();
            Some(match end {
                End::Or => Output::Number(left.unwrap_or(bound.end)),
                _ => Output::Maybe(left),
            })
        }
        Input::Gaps(numbers) => end.of_numbers(&over(numbers.iter().flatten().copied().collect())?),
        Input::Two(left, right) => {
            let combine = COMBINES[other?].3;
            let items: Option<Vec<i64>> =
                left.iter().zip(right).map(|(a, b)| combine(*a, *b)).collect();
            end.of_numbers(&over(items?)?)
        }
        Input::Text(text) if family == Family::Words => {
            let items = text.split_whitespace().map(str::to_owned).collect();
            let words = steps(bound, items, &WORD_KEEPS, &WORD_CHANGES)?;
            Some(match end {
                End::Count => Output::Number(words.len() as i64),
                End::Joined => Output::Text(words.join("-")),
                _ => Output::Texts(words),
            })
        }
        Input::Text(text) => {
            let left = steps(bound, text.chars().collect(), &CHARACTER_KEEPS, &CHARACTER_CHANGES)?;
            Some(match end {
                End::Count => Output::Number(left.len() as i64),
                End::Reversed => Output::Text(left.into_iter().rev().collect()),
                _ => Output::Text(left.into_iter().collect()),
            })
        }
    }
}

/// The functions that a wrong answer may well be: `true` where a step is left away.
fn neighbours(bound: &Bound, random: &mut SplitMix) -> Vec<(bool, Bound)> {
    let own = bound.composition;
    let mut all = Vec::new();
    let mut add = |less: bool, composition: Composition| {
        let mut other = bind(composition, random);
        // What is the same keeps its constants.
        if composition.keep == own.keep {
            other.keep = bound.keep;
        }
        if composition.change == own.change {
            other.change = bound.change;
        }
        if composition.other == own.other {
            other.other = bound.other;
        }
        other.end = bound.end;
        all.push((less, other));
    };
    let (keeps, changes) = match own.family {
        Family::Characters => (CHARACTER_KEEPS.len(), CHARACTER_CHANGES.len()),
        Family::Words => (WORD_KEEPS.len(), WORD_CHANGES.len()),
        _ => (KEEPS.len(), CHANGES.len()),
    };
    if own.keep.is_some() {
        add(own.family != Family::Branch, Composition { keep: None, ..own });
        (0..keeps).for_each(|at| add(false, Composition { keep: Some(at), ..own }));
    }
    if own.change.is_some() {
        if own.family != Family::Branch {
            add(true, Composition { change: None, ..own });
        }
        (0..changes).for_each(|at| add(false, Composition { change: Some(at), ..own }));
    }
    if own.family == Family::Branch {
        (0..changes).for_each(|at| add(false, Composition { other: Some(at), ..own }));
    }
    if own.keep.is_some() && own.change.is_some() {
        add(false, Composition { change_first: !own.change_first, ..own });
    }
    for &end in own.family.ends() {
        add(false, Composition { end, ..own });
    }
    all.retain(|(_, other)| other != bound);
    all
}

/// The cases of a function; `None` if a step of it has no effect.
pub(super) fn cases(bound: &Bound, random: &mut SplitMix) -> Option<Vec<(Input, Output)>> {
    let family = bound.composition.family;
    let drawn: Vec<(Input, Output)> = (0..DRAWN)
        .filter_map(|index| {
            let input = family.input(random, index);
            let output = run(bound, &input)?;
            Some((input, output))
        })
        .collect();
    let mut left: Vec<(bool, Bound)> = neighbours(bound, random);
    let mut taken: Vec<(Input, Output)> = Vec::new();
    for (input, output) in &drawn {
        let told = |other: &Bound| run(other, input).as_ref() != Some(output);
        let tells = left.iter().any(|(_, other)| told(other));
        let edge = taken.is_empty();
        if (edge || tells) && taken.len() < MOST {
            left.retain(|(_, other)| !told(other));
            taken.push((input.clone(), output.clone()));
        }
    }
    for (input, output) in drawn {
        if taken.len() < FEWEST && taken.iter().all(|(known, _)| *known != input) {
            taken.push((input, output));
        }
    }
    // A neighbour with a step less that nothing tells apart: that step does nothing.
    let idle = left.iter().any(|(less, _)| *less);
    (!idle && taken.len() >= FEWEST).then_some(taken)
}
