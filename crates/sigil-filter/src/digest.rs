//! The identity of a rule set: two verdicts with the same digest were judged by the same rules,
//! settings, parser and grammar.

use std::fmt::{self, Display, Formatter, Write as _};

/// A BLAKE3 hash of everything that can change a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(canonical: &str) -> Self {
        Self(*blake3::hash(canonical.as_bytes()).as_bytes())
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Display for Digest {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A setting's value as the digest reads it. The form never changes for a value that has one.
pub(crate) trait Canonical {
    fn write(&self, out: &mut String);
}

macro_rules! canonical_by_debug {
    ($($type:ty),*) => {$(
        impl Canonical for $type {
            fn write(&self, out: &mut String) {
                write!(out, "{self:?}").expect("a String takes any text");
            }
        }
    )*};
}
canonical_by_debug!(bool, f64, usize, Vec<String>);
