//! What comes before the tensors of a GGUF file: magic, metadata, and where each tensor lies.

use super::value::{Value, write_text};
use super::{ALIGNMENT, TensorKind};

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: String,
    /// Dimensions, outermost first.
    pub(super) shape: Vec<usize>,
    pub(super) kind: TensorKind,
    pub(super) bytes: u64,
}

/// Everything up to the first tensor, filled up to a multiple of the alignment.
pub(super) fn head(metadata: &[(String, Value)], slots: &[Slot]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"GGUF");
    out.extend(3_u32.to_le_bytes());
    out.extend((slots.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        write_text(&mut out, key);
        out.extend(value.type_id().to_le_bytes());
        value.write(&mut out);
    }
    let mut offset = 0_u64;
    for slot in slots {
        write_text(&mut out, &slot.name);
        out.extend((slot.shape.len() as u32).to_le_bytes());
        // The format counts from the innermost dimension.
        for size in slot.shape.iter().rev() {
            out.extend((*size as u64).to_le_bytes());
        }
        out.extend(slot.kind.id().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset = (offset + slot.bytes).next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    out
}

/// Bytes that fill a tensor up to where the next one begins.
pub(super) fn filling(bytes: u64) -> usize {
    (bytes.next_multiple_of(ALIGNMENT) - bytes) as usize
}
