//! What functions are given and what they give back, and how each is written in a test.

/// What a function is called with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// Whole numbers in a row.
    Numbers(Vec<i64>),
    /// One whole number.
    Number(i64),
    /// A number that may be missing.
    Maybe(Option<i64>),
    /// Numbers some of which are missing.
    Gaps(Vec<Option<i64>>),
    /// Two rows of numbers.
    Two(Vec<i64>, Vec<i64>),
    /// A text.
    Text(String),
}

/// What a function gives back.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// `i64` or `usize`.
    Number(i64),
    /// `Option<i64>`.
    Maybe(Option<i64>),
    /// `Vec<i64>`.
    Numbers(Vec<i64>),
    /// `String`.
    Text(String),
    /// A vector of texts.
    Texts(Vec<String>),
}

fn joined<T>(items: &[T], write: impl Fn(&T) -> String) -> String {
    items.iter().map(write).collect::<Vec<_>>().join(", ")
}

fn maybe(value: &Option<i64>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

/// A slice of numbers.
pub(super) fn slice(numbers: &[i64]) -> String {
    format!("&[{}]", joined(numbers, i64::to_string))
}

/// A slice of numbers that may be missing.
pub(super) fn gaps(numbers: &[Option<i64>]) -> String {
    format!("&[{}]", joined(numbers, maybe))
}

/// A number that may be missing.
pub(super) fn optional(number: &Option<i64>) -> String {
    maybe(number)
}

impl Output {
    /// The expression that a test compares with.
    pub(super) fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Maybe(number) => maybe(number),
            Self::Numbers(numbers) if numbers.is_empty() => "Vec::<i64>::new()".to_owned(),
            Self::Numbers(numbers) => format!("vec![{}]", joined(numbers, i64::to_string)),
            Self::Text(text) => format!("{text:?}"),
            Self::Texts(texts) if texts.is_empty() => "Vec::<String>::new()".to_owned(),
            Self::Texts(texts) => format!("vec![{}]", joined(texts, |text| format!("{text:?}"))),
        }
    }
}
