//! Keys: a digest over everything that a result depends on, each part with its length before it.

/// Something that a result depends on changed: every key is another one.
const SCHEMA: u64 = 1;

/// A key being made.
pub struct Key {
    hasher: blake3::Hasher,
}

impl Key {
    /// A key of a kind of result.
    pub fn new(kind: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&SCHEMA.to_le_bytes());
        Self { hasher }.part(kind)
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, text: &str) -> Self {
        self.hasher.update(&(text.len() as u64).to_le_bytes());
        self.hasher.update(text.as_bytes());
        self
    }

    /// The key: 64 digits.
    pub fn finish(self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let key =
            |parts: &[&str]| parts.iter().fold(Key::new("k"), |key, part| key.part(part)).finish();
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a"]), key(&["a"]));
    }
}
