//! Reading plans in the helper. The layout is in `wire.rs`, the writer in the library's `plan.rs`.

use core::ffi::CStr;

/// Reads a plan front to back; nothing is read twice and nothing past the end.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(plan: &'a [u8]) -> Self {
        Self { rest: plan }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        let bytes = self.bytes(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        let low = self.word()?;
        let high = self.word()?;
        Some(u64::from(low) | u64::from(high) << 32)
    }

    /// A length and as many bytes.
    pub(crate) fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.long()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    /// A block that is a string with its final zero.
    pub(crate) fn text(&mut self) -> Option<&'a CStr> {
        CStr::from_bytes_with_nul(self.block()?).ok()
    }

    /// Whether nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}
