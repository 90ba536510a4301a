//! What is judged: the bytes of one file or snippet, with what is known about where it comes from.

/// One row of a dataset: source bytes, and optionally a path and licence names.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// The alleged Rust source. Any bytes are accepted.
    pub source: &'a [u8],
    /// The file's path in its repository; relative or absolute, with `/` or `\`.
    pub path: Option<&'a str>,
    /// Licence names as the dataset gives them, SPDX identifiers or expressions.
    pub licences: &'a [&'a str],
}

impl<'a> Row<'a> {
    /// Makes a row of which only the source is known.
    pub const fn new(source: &'a [u8]) -> Self {
        Self { source, path: None, licences: &[] }
    }

    /// Adds the path; an empty one counts as unknown.
    #[must_use]
    pub const fn with_path(mut self, path: &'a str) -> Self {
        self.path = if path.is_empty() { None } else { Some(path) };
        self
    }

    /// Adds the licences; an empty list counts as unknown.
    #[must_use]
    pub const fn with_licences(mut self, licences: &'a [&'a str]) -> Self {
        self.licences = licences;
        self
    }
}

impl<'a> From<&'a str> for Row<'a> {
    fn from(source: &'a str) -> Self {
        Self::new(source.as_bytes())
    }
}
