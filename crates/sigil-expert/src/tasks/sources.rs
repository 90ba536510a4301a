//! Families of functions: where the items come from, how that is written and said, and what may end it.
//!
//! Next: `composition.rs`.

use sigil_eval::score::SplitMix;

use super::value::{Input, Output, gaps, optional, slice};
use super::words::{self, one};

/// Where the items of a function come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    /// A slice of numbers.
    Slice,
    /// The numbers from 1 to an end.
    Range,
    /// An iterator of numbers.
    Stream,
    /// One number that may be missing.
    Maybe,
    /// A slice of numbers that may be missing.
    Present,
    /// A field of each struct of a slice.
    Field,
    /// Two slices, combined pair by pair.
    Pairs,
    /// One number and two branches.
    Branch,
    /// The characters of a text.
    Characters,
    /// The words of a text.
    Words,
}

/// How a function ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    Sum,
    Product,
    Largest,
    Smallest,
    List,
    Count,
    /// The number, or a constant if there is none.
    Or,
    /// What is left, as it is.
    Same,
    Text,
    Reversed,
    Joined,
}

/// Combinations of two numbers: name, words, code over `a` and `b`, and the result.
pub(super) type Combine = (&'static str, &'static str, &'static str, fn(i64, i64) -> Option<i64>);

/// What two slices are combined by.
pub(super) const COMBINES: [Combine; 4] = [
    ("times", "the products of pairs from", "a * b", |a, b| a.checked_mul(b)),
    ("plus", "the sums of pairs from", "a + b", |a, b| a.checked_add(b)),
    ("minus", "the differences of pairs from", "a - b", |a, b| a.checked_sub(b)),
    ("larger", "the larger of each pair from", "*a.max(b)", |a, b| Some(a.max(b))),
];

impl Family {
    pub(super) const ALL: [Self; 10] = [
        Self::Slice,
        Self::Range,
        Self::Stream,
        Self::Maybe,
        Self::Present,
        Self::Field,
        Self::Pairs,
        Self::Branch,
        Self::Characters,
        Self::Words,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::Range => "range",
            Self::Stream => "stream",
            Self::Maybe => "maybe",
            Self::Present => "present",
            Self::Field => "field",
            Self::Pairs => "pairs",
            Self::Branch => "branch",
            Self::Characters => "characters",
            Self::Words => "words",
        }
    }

    pub(super) fn ends(self) -> &'static [End] {
        match self {
            Self::Slice
            | Self::Range
            | Self::Stream
            | Self::Present
            | Self::Field
            | Self::Pairs => {
                &[End::Sum, End::Product, End::Largest, End::Smallest, End::List, End::Count]
            }
            Self::Maybe => &[End::Or, End::Same],
            Self::Branch => &[End::Same],
            Self::Characters => &[End::Text, End::Reversed, End::Count],
            Self::Words => &[End::List, End::Joined, End::Count],
        }
    }

    /// An input; the first few are the edges: nothing, one thing.
    pub(super) fn input(self, random: &mut SplitMix, index: usize) -> Input {
        let number = |random: &mut SplitMix| random.below(26) as i64 - 9;
        let count = if index == 0 { 0 } else { 1 + random.below(6) };
        let numbers =
            |random: &mut SplitMix| (0..count).map(|_| number(random)).collect::<Vec<_>>();
        match self {
            Self::Slice | Self::Stream | Self::Field => Input::Numbers(numbers(random)),
            Self::Range => Input::Number(if index == 0 { 0 } else { random.below(15) as i64 }),
            Self::Branch => Input::Number(if index == 0 { 0 } else { number(random) }),
            Self::Maybe => Input::Maybe((index > 0).then(|| number(random))),
            Self::Present => Input::Gaps(
                (0..count).map(|_| (random.below(3) > 0).then(|| number(random))).collect(),
            ),
            Self::Pairs => Input::Two(numbers(random), numbers(random)),
            Self::Characters | Self::Words => {
                Input::Text(if index == 0 { String::new() } else { words::text(random) })
            }
        }
    }
}

/// A family with the names of one task.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Items before the function, such as a struct.
    pub(super) before: String,
    /// Parameters.
    pub(super) parameters: String,
    /// The expression that gives the items.
    pub(super) start: String,
    /// What the comment calls it.
    pub(super) said: String,
    /// The struct and its fields, where there is one.
    fields: Option<(&'static str, &'static str, &'static str)>,
}

impl Source {
    /// Draws the names.
    pub(super) fn draw(family: Family, combine: Option<&Combine>, random: &mut SplitMix) -> Self {
        let names: &[&str] = match family {
            Family::Range => &words::ENDS,
            Family::Maybe => &words::ONES,
            // The operations of branches are written over `x`.
            Family::Branch => &["x"],
            Family::Characters | Family::Words => &words::TEXTS,
            _ => &words::MANY,
        };
        let name = one(random, names);
        let (mut before, mut fields) = (String::new(), None);
        let (parameters, start, said) = match family {
            Family::Slice => (
                format!("{name}: &[i64]"),
                format!("{name}.iter().copied()"),
                format!("From `{name}`"),
            ),
            Family::Range => {
                (format!("{name}: i64"), format!("(1..={name})"), format!("From 1 to `{name}`"))
            }
            Family::Stream => (
                format!("{name}: impl Iterator<Item = i64>"),
                name.to_owned(),
                format!("From `{name}`"),
            ),
            Family::Maybe => {
                (format!("{name}: Option<i64>"), name.to_owned(), format!("With `{name}`"))
            }
            Family::Branch => (format!("{name}: i64"), String::new(), String::new()),
            Family::Present => (
                format!("{name}: &[Option<i64>]"),
                format!("{name}.iter().copied().flatten()"),
                format!("From what `{name}` has"),
            ),
            Family::Field => {
                let (kind, field, other) = one(random, &words::STRUCTS);
                before = format!(
                    "pub struct {kind} {{\n    pub {field}: i64,\n    pub {other}: i64,\n}}\n\n"
                );
                fields = Some((kind, field, other));
                (
                    format!("{name}: &[{kind}]"),
                    format!("{name}.iter().map(|item| item.{field})"),
                    format!("From each `{field}` of `{name}`"),
                )
            }
            Family::Pairs => {
                let (_, said, code, _) = combine.unwrap_or(&COMBINES[0]);
                (
                    "left: &[i64], right: &[i64]".to_owned(),
                    format!("left.iter().zip(right).map(|(a, b)| {code})"),
                    format!("From {said} `left` and `right`"),
                )
            }
            Family::Characters => (
                format!("{name}: &str"),
                format!("{name}.chars()"),
                format!("From the characters of `{name}`"),
            ),
            Family::Words => (
                format!("{name}: &str"),
                format!("{name}.split_whitespace()"),
                format!("From the words of `{name}`"),
            ),
        };
        Self { before, parameters, start, said, fields }
    }

    /// The arguments of a call.
    pub(super) fn arguments(&self, family: Family, input: &Input) -> String {
        match input {
            Input::Numbers(numbers) if family == Family::Stream => {
                format!("Vec::<i64>::from({}).into_iter()", slice(numbers))
            }
            Input::Numbers(numbers) => match self.fields {
                Some((kind, field, other)) => {
                    let items = numbers.iter().enumerate().map(|(index, number)| {
                        format!("{kind} {{ {field}: {number}, {other}: {} }}", index * 3 + 1)
                    });
                    format!("&[{}]", items.collect::<Vec<_>>().join(", "))
                }
                None => slice(numbers),
            },
            Input::Number(number) => number.to_string(),
            Input::Maybe(number) => optional(number),
            Input::Gaps(numbers) => gaps(numbers),
            Input::Two(left, right) => format!("{}, {}", slice(left), slice(right)),
            Input::Text(text) => format!("{text:?}"),
        }
    }
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Product => "product",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
            Self::List => "list",
            Self::Count => "count",
            Self::Or => "or",
            Self::Same => "same",
            Self::Text => "text",
            Self::Reversed => "reversed",
            Self::Joined => "joined",
        }
    }

    /// The code, the type, how it is said as an order, and how as the first word of a comment.
    pub(super) fn written(self, constant: i64) -> (String, &'static str, String, String) {
        let (code, output, order, thing) = match self {
            Self::Sum => (".sum()", "i64", "add them up", "Sum"),
            Self::Product => (".product()", "i64", "multiply them all", "Product"),
            Self::Largest => (".max()", "Option<i64>", "return the largest", "Largest"),
            Self::Smallest => (".min()", "Option<i64>", "return the smallest", "Smallest"),
            Self::List => (".collect()", "Vec<i64>", "return the list", "List"),
            Self::Count => (".count()", "usize", "count them", "Count"),
            Self::Or => {
                return (
                    format!(".unwrap_or({constant})"),
                    "i64",
                    format!("return it or {constant}"),
                    format!("Value or {constant}"),
                );
            }
            Self::Same => ("", "Option<i64>", "return what is left", "Rest"),
            Self::Text => (".collect()", "String", "return the text", "Text"),
            Self::Reversed => (".rev().collect()", "String", "return it reversed", "Reversed text"),
            Self::Joined => (
                ".collect::<Vec<_>>().join(\"-\")",
                "String",
                "join them with dashes",
                "Words joined with dashes",
            ),
        };
        (code.to_owned(), output, order.to_owned(), thing.to_owned())
    }

    /// What it makes of numbers; `None` where one is too large.
    pub(super) fn of_numbers(self, items: &[i64]) -> Option<Output> {
        let fold = |start: i64, add: fn(i64, i64) -> Option<i64>| {
            items.iter().try_fold(start, |all, &item| add(all, item)).map(Output::Number)
        };
        match self {
            Self::Sum => fold(0, i64::checked_add),
            Self::Product => fold(1, i64::checked_mul),
            Self::Largest => Some(Output::Maybe(items.iter().copied().max())),
            Self::Smallest => Some(Output::Maybe(items.iter().copied().min())),
            Self::Count => Some(Output::Number(items.len() as i64)),
            _ => Some(Output::Numbers(items.to_vec())),
        }
    }
}
