//! One mapped safetensors file and its checked header.
//!
//! The header is an allegation until the parser has shown that every offset lies in the file, that
//! tensors neither overlap nor leave gaps, and that sizes match shapes. This is the only file with
//! `unsafe`. Read `files.rs` for how shards make a folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::{TensorView, WeightsError};

/// What the header says about one tensor; the range is in bytes from the start of the file.
#[derive(Debug)]
pub(super) struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// A mapped file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    bytes: Mmap,
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// The parsed parts of a header: tensors and the free-form metadata.
type Header = (BTreeMap<String, Entry>, BTreeMap<String, String>);

impl Shard {
    /// Maps a file and checks its header.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let read = |source| WeightsError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(read)?;
        #[expect(unsafe_code, reason = "mapping a file is unsafe because others may change it")]
        // SAFETY: the mapping is private and never written through. Another process that shortens
        // the file while it is mapped raises SIGBUS, as with every reader of mapped weights; one
        // that rewrites it changes numbers, never lengths or offsets, which are copied out of the
        // header once and checked against the mapping's length.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read)?;
        let (entries, metadata) = header(&bytes, path)?;
        Ok(Self { path: path.to_path_buf(), bytes, entries, metadata })
    }

    /// Finds a tensor.
    pub(super) fn get<'a>(&'a self, name: &str) -> Option<TensorView<'a>> {
        let (name, entry) = self.entries.get_key_value(name)?;
        Some(TensorView {
            name,
            file: &self.path,
            dtype: entry.dtype,
            shape: &entry.shape,
            bytes: &self.bytes[entry.range.clone()],
        })
    }

    /// Tells the system that the pages of a tensor will not be read again soon.
    ///
    /// Pages shared with a neighbour go too; they come back from the page cache when touched.
    pub(super) fn release(&self, name: &str) {
        let Some(entry) = self.entries.get(name).filter(|entry| !entry.range.is_empty()) else {
            return;
        };
        #[cfg(unix)]
        {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            #[expect(unsafe_code, reason = "DONTNEED is unsafe in general because it drops writes")]
            // SAFETY: the mapping is of a file and is never written, so dropping pages loses
            // nothing: the next read of them faults the same bytes in from the file.
            let advised = unsafe {
                self.bytes.unchecked_advise_range(advice, entry.range.start, entry.range.len())
            };
            // Advice is advice: a kernel that refuses it only costs memory.
            drop(advised);
        }
        #[cfg(not(unix))]
        let _ = entry;
    }
}

/// Parses the header of a whole file's bytes.
pub(super) fn header(bytes: &[u8], path: &Path) -> Result<Header, WeightsError> {
    let (header_len, parsed) = SafeTensors::read_metadata(bytes).map_err(|source| {
        let what = describe(&source, bytes.len());
        WeightsError::Damaged { path: path.to_path_buf(), what, source }
    })?;
    // The data begins behind the eight bytes of the header's length and the header.
    let data = 8 + header_len;
    let sorted: BTreeMap<String, _> = parsed.tensors().into_iter().collect();
    let entries = sorted.into_iter().map(|(name, info)| {
        let range = data + info.data_offsets.0..data + info.data_offsets.1;
        (name, Entry { dtype: info.dtype, shape: info.shape.clone(), range })
    });
    let entries = entries.collect();
    let metadata = parsed.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((entries, metadata))
}

fn describe(error: &SafeTensorError, file_bytes: usize) -> String {
    match error {
        SafeTensorError::HeaderTooSmall => {
            format!("it is {file_bytes} bytes long, too short for a header")
        }
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            format!(
                "its header claims to reach beyond its {file_bytes} bytes or the format's limit"
            )
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!("its {file_bytes} bytes are fewer or more than its tensors need")
        }
        SafeTensorError::InvalidHeader(_)
        | SafeTensorError::InvalidHeaderStart
        | SafeTensorError::InvalidHeaderDeserialization(_) => "its header is damaged".to_owned(),
        SafeTensorError::InvalidOffset(name) => {
            format!("the offsets of tensor `{name}` are not where its neighbour ends")
        }
        SafeTensorError::TensorInvalidInfo
        | SafeTensorError::ValidationOverflow
        | SafeTensorError::MisalignedSlice => "a tensor's size does not match its shape".to_owned(),
        other => other.to_string(),
    }
}
