//! Runs of encoded bytes in text: base64 and hexadecimal.

/// Shortest run that counts, in bytes; hashes and keys of 32 bytes in hexadecimal have 64.
const LEAST_RUN: usize = 96;

/// Gives the bytes of all encoded runs and the longest one.
pub(crate) fn encoded_runs(text: &str) -> (usize, usize) {
    let (mut all, mut longest) = (0, 0);
    if text.len() < LEAST_RUN {
        return (all, longest);
    }
    let mut run = Run::default();
    for byte in text.bytes() {
        if matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' | b'-' | b'_')
        {
            run.add(byte);
        } else if matches!(byte, b'\\' | b'\n' | b'\r' | b' ') && run.length > 0 {
            // Long encodings are broken over lines; the break neither counts nor ends the run
            // unless it turns out to be prose, which has a break every few letters.
            run.breaks += 1;
        } else {
            run.close(&mut all, &mut longest);
        }
    }
    run.close(&mut all, &mut longest);
    (all, longest)
}

#[derive(Default)]
struct Run {
    length: usize,
    digits: usize,
    upper: usize,
    breaks: usize,
}

impl Run {
    fn add(&mut self, byte: u8) {
        self.length += 1;
        self.digits += usize::from(byte.is_ascii_digit());
        self.upper += usize::from(byte.is_ascii_uppercase());
    }

    fn close(&mut self, all: &mut usize, longest: &mut usize) {
        // Encoded text mixes digits or capitals into every part; names and prose do not.
        let mixed =
            self.digits * 20 >= self.length && self.digits + self.upper < self.length * 19 / 20 + 1;
        let digits_only = self.digits == self.length;
        let prose = self.breaks * 24 > self.length;
        if self.length >= LEAST_RUN && (mixed || digits_only) && !prose {
            *all += self.length;
            *longest = (*longest).max(self.length);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_names_and_hashes_are_not_encoded() {
        assert_eq!(encoded_runs("The quick brown fox jumps over the lazy dog, 10 times. ").0, 0);
        assert_eq!(encoded_runs(&"a_long_name_with_words_".repeat(8)).0, 0);
        assert_eq!(encoded_runs(&"0123456789abcdef".repeat(4)).0, 0);
        assert_eq!(encoded_runs(&"-".repeat(200)).0, 0);
    }

    #[test]
    fn long_runs_are() {
        assert_eq!(encoded_runs(&"0123456789abcdef".repeat(8)), (128, 128));
        assert_eq!(encoded_runs(&"aGVsbG8gd29ybGQ4".repeat(8)).1, 128);
    }
}
