//! The bytes of a token cache file.
//!
//! Is: the layout and its checked reading; every byte read is an allegation until the hash over the
//! rest of the file agrees, and even then no length is trusted. Is not: names and folders of files
//! (`cache.rs`). Next: `set.rs`.
//!
//! Layout, little endian: magic (8 bytes), BLAKE3 of all that follows (32), length of the JSON
//! header (u64), header, zeros up to a multiple of 8, one entry of eight u32 per document (length,
//! prompt tokens, piece, row, weight bits, source name, file name, line: names are indices into the
//! header's list), then the tokens as u32.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::DocumentSet;
use super::set::Entry;
use crate::Digest;
use crate::ledger::Ledger;
use crate::rows::Origin;

const MAGIC: &[u8; 8] = b"sigiltk1";
const FIXED: usize = 8 + 32 + 8;
const NUMBERS_PER_ENTRY: usize = 8;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    key: Digest,
    documents: u64,
    tokens: u64,
    names: Vec<String>,
    ledger: Ledger,
}

/// Writes documents, and the account of how they were made, into bytes.
pub(super) fn encode(key: Digest, documents: &DocumentSet, ledger: &Ledger) -> Vec<u8> {
    let mut names: Vec<Arc<str>> = documents
        .entries
        .iter()
        .flat_map(|entry| [Arc::clone(&entry.origin.source), Arc::clone(&entry.origin.file)])
        .collect();
    names.sort_unstable();
    names.dedup();
    let place = |name: &Arc<str>| {
        names.binary_search(name).expect("every name was put into the list above") as u32
    };
    let header = Header {
        key,
        documents: documents.entries.len() as u64,
        tokens: documents.tokens.len() as u64,
        names: names.iter().map(|name| name.to_string()).collect(),
        ledger: ledger.clone(),
    };
    let header = serde_json::to_vec(&header).expect("a header of numbers and strings is JSON");
    let mut bytes = Vec::with_capacity(
        FIXED + header.len() + 8 + documents.entries.len() * 32 + documents.tokens.len() * 4,
    );
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 32]);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    for entry in &documents.entries {
        let numbers: [u32; NUMBERS_PER_ENTRY] = [
            entry.length,
            entry.prompt_tokens,
            entry.piece,
            entry.row,
            entry.weight.to_bits(),
            place(&entry.origin.source),
            place(&entry.origin.file),
            u32::try_from(entry.origin.row).unwrap_or(u32::MAX),
        ];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }
    documents.tokens.iter().for_each(|token| bytes.extend_from_slice(&token.to_le_bytes()));
    let hash = Digest::of(&bytes[40..]);
    bytes[8..40].copy_from_slice(hash.as_bytes());
    bytes
}

/// Reads documents back; the error says what is wrong with the file.
pub(super) fn decode(key: Digest, bytes: &[u8]) -> Result<(DocumentSet, Ledger), String> {
    let fixed = bytes.get(..FIXED).ok_or("the file is shorter than its header")?;
    if &fixed[..8] != MAGIC {
        return Err("the file does not start as a token cache".to_owned());
    }
    if Digest::of(&bytes[40..]).as_bytes() != &fixed[8..40] {
        return Err("the content does not match its hash".to_owned());
    }
    decode_body(key, &bytes[40..])
}

/// Reads what follows the hash.
fn decode_body(key: Digest, body: &[u8]) -> Result<(DocumentSet, Ledger), String> {
    let (length, rest) = body.split_first_chunk::<8>().ok_or("the header length is cut")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "header too long")?;
    let header_bytes = rest.get(..length).ok_or("the header is cut")?;
    let header: Header =
        serde_json::from_slice(header_bytes).map_err(|error| format!("bad header: {error}"))?;
    if header.key != key {
        return Err("the file belongs to other data or settings".to_owned());
    }
    // The body starts at byte 40 of the file, a multiple of 8, so padding is the same from here.
    let numbers_start = (8 + length).next_multiple_of(8);
    let numbers = body.get(numbers_start..).ok_or("the entries are missing")?;
    let documents = usize::try_from(header.documents).map_err(|_| "too many documents")?;
    let entry_bytes = documents.checked_mul(NUMBERS_PER_ENTRY * 4).ok_or("too many documents")?;
    let (entry_bytes, token_bytes) =
        numbers.split_at_checked(entry_bytes).ok_or("the entries are cut")?;
    if Some(token_bytes.len() as u64) != header.tokens.checked_mul(4) {
        return Err("the number of tokens is not that of the header".to_owned());
    }
    let tokens: Vec<u32> = bytemuck::allocation::pod_collect_to_vec(token_bytes);
    let names: Vec<Arc<str>> = header.names.into_iter().map(Arc::from).collect();
    let name = |index: u32| names.get(index as usize).cloned().ok_or("a name is missing");
    let mut entries = Vec::with_capacity(documents);
    let mut start = 0_usize;
    for fields in entry_bytes.chunks_exact(NUMBERS_PER_ENTRY * 4) {
        let [length, prompt_tokens, piece, row, weight, source, file, line] = numbers_of(fields);
        let origin = Origin { source: name(source)?, file: name(file)?, row: u64::from(line) };
        let weight = f32::from_bits(weight);
        entries.push(Entry { start, length, prompt_tokens, piece, row, weight, origin });
        start = start.checked_add(length as usize).ok_or("document lengths overflow")?;
    }
    if start != tokens.len() {
        return Err("the documents do not add up to the tokens".to_owned());
    }
    Ok((DocumentSet::from_parts(tokens, entries), header.ledger))
}

fn numbers_of(fields: &[u8]) -> [u32; NUMBERS_PER_ENTRY] {
    let mut numbers = [0; NUMBERS_PER_ENTRY];
    for (number, bytes) in numbers.iter_mut().zip(fields.chunks_exact(4)) {
        *number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::documents::Document;

    fn documents() -> DocumentSet {
        (0..5_u32)
            .map(|row| Document {
                tokens: (0..row + 2).collect(),
                prompt_tokens: row as usize / 2,
                origin: Origin::new("registry", format!("crate-{row}/src/lib.rs"), 0),
                piece: row % 2,
                row,
                weight: 0.5 + row as f32,
            })
            .collect()
    }

    #[test]
    fn documents_and_ledger_come_back() -> Result<(), String> {
        let (key, mut ledger) = (Digest::of(b"key"), Ledger::new());
        ledger.note("three rows were split");
        let bytes = encode(key, &documents(), &ledger);
        assert_eq!(decode(key, &bytes)?, (documents(), ledger));
        assert!(decode(Digest::of(b"other"), &bytes).is_err());
        Ok(())
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let key = Digest::of(b"key");
        let bytes = encode(key, &documents(), &Ledger::new());
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert!(decode(key, &damaged).is_err(), "byte {position} may change unnoticed");
            assert!(decode(key, &bytes[..position]).is_err(), "a cut at {position} is unnoticed");
        }
    }

    proptest! {
        #[test]
        fn bodies_with_a_forged_hash_never_panic(
            position in 0_usize..2000, value in any::<u8>(), cut in 0_usize..2000,
        ) {
            let key = Digest::of(b"key");
            let mut body = encode(key, &documents(), &Ledger::new())[40..].to_vec();
            let position = position % body.len();
            body[position] = value;
            body.truncate(body.len() - cut % body.len());
            if let Ok((set, _)) = decode_body(key, &body) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(Digest::of(b"key"), &bytes).is_err());
            prop_assert!(decode_body(Digest::of(b"key"), &bytes).is_err());
        }
    }
}
