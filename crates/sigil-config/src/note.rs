//! What the loader did to a value besides taking it: something to say, nothing to stop for.
//!
//! Read next: `legacy.rs`, from which most notes come; `problem.rs`, for what does stop.

use std::fmt;

use crate::mask;
use crate::origin::Origin;

/// What kind of thing a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// The setting has another name here.
    Renamed,
    /// The value has another name here.
    Mapped,
    /// The setting has nothing to act on here.
    NoMeaning,
    /// A later layer decided between two settings that exclude each other.
    Overridden,
}

/// Something the user should know about a value that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What kind of thing it says.
    pub kind: NoteKind,
    /// The key as it was written.
    pub key: String,
    /// The sentence, without a period.
    pub message: String,
    /// Where it was written.
    pub origin: Origin,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = mask::message(&self.message);
        write!(formatter, "{message} ({})", self.origin)
    }
}
