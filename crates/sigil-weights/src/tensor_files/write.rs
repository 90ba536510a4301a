//! Tensors to the bytes of a safetensors file, the same bytes for the same tensors.
//!
//! Tensors lie in descending element size and then by name, as the reference writer puts them, so
//! that each is aligned; metadata is sorted, which the reference writer does not promise. It
//! returns bytes: putting them into a file durably is the run crate's work. Format:
//! <https://github.com/huggingface/safetensors#format>.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::WeightsError;

/// One tensor to be written.
#[derive(Debug, Clone)]
pub struct TensorToWrite<'a> {
    /// Its name; unique in the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Row-major little-endian elements.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> TensorToWrite<'a> {
    /// A tensor of f32 elements.
    #[must_use]
    pub fn f32(name: impl Into<String>, shape: &[usize], values: &'a [f32]) -> Self {
        let bytes = if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(values))
        } else {
            Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
        };
        Self { name: name.into(), dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    /// A tensor of bf16 elements.
    #[must_use]
    pub fn bf16(name: impl Into<String>, shape: &[usize], values: &'a [half::bf16]) -> Self {
        let bytes = if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(values))
        } else {
            Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
        };
        Self { name: name.into(), dtype: Dtype::BF16, shape: shape.to_vec(), bytes }
    }

    fn check(&self) -> Result<(), WeightsError> {
        let bits = self.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let bits = bits.and_then(|elements| elements.checked_mul(self.dtype.bitsize()));
        if bits == self.bytes.len().checked_mul(8) && self.name != "__metadata__" {
            return Ok(());
        }
        let what =
            format!("{} bytes for {} of shape {:?}", self.bytes.len(), self.dtype, self.shape);
        Err(WeightsError::Unwritable { tensor: self.name.clone(), what })
    }
}

/// A tensor that will be written, without its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorOutline {
    /// Its name; unique in the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
}

impl TensorOutline {
    /// Bytes of its elements.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64 * self.dtype.bitsize() as u64 / 8
    }
}

/// Sorts the tensors of a file into the order of their elements and makes the bytes that come before
/// them, for files that are written piece by piece.
///
/// # Errors
/// Two tensors share a name.
pub fn safetensors_header(
    tensors: &mut [TensorOutline],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
        let what = "its name occurs twice".to_owned();
        return Err(WeightsError::Unwritable { tensor: twice.name.clone(), what });
    }
    tensors.sort_by(|a, b| (b.dtype.bitsize(), &a.name).cmp(&(a.dtype.bitsize(), &b.name)));
    let ordered: Vec<(&TensorOutline, usize)> =
        tensors.iter().map(|tensor| (tensor, tensor.bytes() as usize)).collect();
    Ok(header_bytes(&ordered, metadata))
}

fn header_bytes(
    ordered: &[(&TensorOutline, usize)],
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let header = serde_json::to_vec(&Header { ordered, metadata });
    let mut header = header.expect("strings and numbers serialize");
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes
}

/// Makes the bytes of a safetensors file.
///
/// # Errors
/// A tensor's bytes do not fit its type and shape, or two tensors share a name.
pub fn write_safetensors(
    tensors: &[TensorToWrite<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let mut outlines = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        tensor.check()?;
        let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
        outlines.push(TensorOutline { name, dtype, shape });
    }
    let mut file = safetensors_header(&mut outlines, metadata)?;
    let by_name: BTreeMap<&str, &[u8]> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.bytes.as_ref())).collect();
    file.reserve(by_name.values().map(|bytes| bytes.len()).sum());
    for outline in &outlines {
        file.extend_from_slice(by_name[outline.name.as_str()]);
    }
    Ok(file)
}

struct Header<'a> {
    ordered: &'a [(&'a TensorOutline, usize)],
    metadata: &'a BTreeMap<String, String>,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry("__metadata__", self.metadata)?;
        }
        let mut offset = 0;
        for (tensor, bytes) in self.ordered {
            let end = offset + bytes;
            let info = safetensors::tensor::TensorInfo {
                dtype: tensor.dtype,
                shape: tensor.shape.clone(),
                data_offsets: (offset, end),
            };
            map.serialize_entry(&tensor.name, &info)?;
            offset = end;
        }
        map.end()
    }
}
