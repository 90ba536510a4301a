//! A GGUF file from anywhere: its head is read and checked, tensors are read when asked for.
//!
//! Every count, length and offset is an allegation until it was held against the file's length, so no
//! file makes this reserve more memory than it has bytes. Next: `value.rs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{TensorKind, Value};
use crate::AdapterError;

/// Dimensions of a tensor at most, as ggml has it.
const MOST_DIMENSIONS: u32 = 4;
/// Lists within lists at most.
const DEEPEST: usize = 4;
/// Where tensors begin if the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;

/// A tensor's place in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufTensor {
    /// Its name.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Element type.
    pub kind: TensorKind,
    /// From the beginning of the file, in bytes.
    offset: u64,
    /// Its length; none for types that are not known here.
    bytes: Option<u64>,
}

/// A file whose head was read.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    metadata: BTreeMap<String, Value>,
    tensors: Vec<GgufTensor>,
}

impl GgufFile {
    /// Reads the head of a file and checks that every tensor lies inside it.
    ///
    /// # Errors
    /// [`AdapterError::Gguf`] with what is wrong, or the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, AdapterError> {
        let file = File::open(path).map_err(AdapterError::read(path))?;
        let length = file.metadata().map_err(AdapterError::read(path))?.len();
        let mut head = Head { reader: BufReader::new(file), at: 0, length };
        let wrong = |what: String| AdapterError::Gguf { path: path.to_owned(), what };
        let (metadata, tensors) = head.parse().map_err(wrong)?;
        Ok(Self { path: path.to_owned(), metadata, tensors })
    }

    /// The metadata, by key.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// The tensors, in the order of the file.
    #[must_use]
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// The elements of a tensor as floats.
    ///
    /// # Errors
    /// There is no such tensor, its type is not read here, or the file cannot be read.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, AdapterError> {
        let wrong = |what: String| AdapterError::Gguf { path: self.path.clone(), what };
        let tensor = self
            .tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .ok_or_else(|| wrong(format!("it holds no tensor `{name}`")))?;
        let not_read = || wrong(format!("`{name}` is of a type that is not read"));
        let bytes = tensor.bytes.ok_or_else(not_read)?;
        let mut file = File::open(&self.path).map_err(AdapterError::read(&self.path))?;
        let mut elements = vec![0; bytes as usize];
        file.seek(SeekFrom::Start(tensor.offset))
            .and_then(|_| file.read_exact(&mut elements))
            .map_err(AdapterError::read(&self.path))?;
        tensor.kind.decode(&elements).ok_or_else(not_read)
    }
}

/// The front of a file while it is read; errors are the rest of a sentence.
struct Head {
    reader: BufReader<File>,
    at: u64,
    length: u64,
}

impl Head {
    fn parse(&mut self) -> Result<(BTreeMap<String, Value>, Vec<GgufTensor>), String> {
        if &self.bytes::<4>()? != b"GGUF" {
            return Err("it does not begin with `GGUF`".to_owned());
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("it has version {version}, and 2 and 3 are read"));
        }
        let tensor_count = self.count(24)?;
        let key_count = self.count(12)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..key_count {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = self.value(kind, 0).map_err(|what| format!("`{key}`: {what}"))?;
            metadata.insert(key, value);
        }
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::U32(alignment)) if alignment.is_power_of_two() => u64::from(*alignment),
            Some(_) => return Err("`general.alignment` is no power of two".to_owned()),
        };
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(self.tensor()?);
        }
        let begin = self
            .at
            .checked_next_multiple_of(alignment)
            .ok_or_else(|| "its tensors begin beyond its end".to_owned())?;
        for tensor in &mut tensors {
            let name = &tensor.name;
            let outside = || format!("tensor `{name}` lies beyond its {} bytes", self.length);
            tensor.offset = tensor.offset.checked_add(begin).ok_or_else(outside)?;
            let end = tensor.offset.checked_add(tensor.bytes.unwrap_or(0)).ok_or_else(outside)?;
            if end > self.length {
                return Err(outside());
            }
        }
        Ok((metadata, tensors))
    }

    fn tensor(&mut self) -> Result<GgufTensor, String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > MOST_DIMENSIONS {
            return Err(format!("tensor `{name}` has {dimensions} dimensions"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64()?);
        }
        let kind = TensorKind::of(self.u32()?);
        let offset = self.u64()?;
        let elements = shape
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size))
            .ok_or_else(|| format!("tensor `{name}` is too large"))?;
        let bytes = kind.bytes(elements, shape.first().copied().unwrap_or(1));
        if bytes.is_none() && !matches!(kind, TensorKind::Other(_)) {
            return Err(format!("tensor `{name}` has rows that are no whole blocks"));
        }
        shape.reverse();
        Ok(GgufTensor { name, shape, kind, offset, bytes })
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::U64(u64::from(self.bytes::<1>()?[0])),
            1 => Value::I64(i64::from(self.bytes::<1>()?[0] as i8)),
            2 => Value::U64(u64::from(u16::from_le_bytes(self.bytes()?))),
            3 => Value::I64(i64::from(i16::from_le_bytes(self.bytes()?))),
            4 => Value::U32(self.u32()?),
            5 => Value::I64(i64::from(i32::from_le_bytes(self.bytes()?))),
            6 => Value::F32(f32::from_le_bytes(self.bytes()?)),
            7 => Value::Bool(self.bytes::<1>()?[0] != 0),
            8 => Value::Text(self.text()?),
            9 => self.list(depth)?,
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.bytes()?)),
            12 => Value::F64(f64::from_le_bytes(self.bytes()?)),
            other => return Err(format!("type {other} is unknown")),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        if depth >= DEEPEST {
            return Err("lists within lists within lists".to_owned());
        }
        let kind = self.u32()?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            9 => 12,
            _ => 8,
        };
        let count = self.count(least)?;
        Ok(match kind {
            5 => {
                let read = (0..count).map(|_| Ok(i32::from_le_bytes(self.bytes()?)));
                Value::I32s(read.collect::<Result<_, String>>()?)
            }
            6 => {
                let read = (0..count).map(|_| Ok(f32::from_le_bytes(self.bytes()?)));
                Value::F32s(read.collect::<Result<_, String>>()?)
            }
            8 => Value::Texts((0..count).map(|_| self.text()).collect::<Result<_, _>>()?),
            _ => {
                let read = (0..count).map(|_| self.value(kind, depth + 1));
                Value::List(read.collect::<Result<_, _>>()?)
            }
        })
    }

    /// A number of things that take at least `least` bytes each.
    fn count(&mut self, least: u64) -> Result<u64, String> {
        let count = self.u64()?;
        let room = self.length.saturating_sub(self.at);
        if count.checked_mul(least).is_none_or(|bytes| bytes > room) {
            return Err(format!("it claims {count} entries where {room} bytes are left"));
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.count(1)?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        // Tokens of some vocabularies are no whole characters.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.reader
            .read_exact(bytes)
            .map_err(|_| format!("it ends after {} bytes, inside its head", self.length))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::layout::{Slot, filling, head};
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let metadata = [
            ("general.architecture", Value::Text("llama".to_owned())),
            ("llama.block_count", Value::U32(2)),
            ("llama.rope.freq_base", Value::F32(10_000.0)),
            ("tokenizer.ggml.tokens", Value::Texts(vec!["a".to_owned(), "Ġb".to_owned()])),
            ("tokenizer.ggml.token_type", Value::I32s(vec![1, 3])),
            ("tokenizer.ggml.scores", Value::F32s(vec![0.0, -1.0])),
            ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        let slots = [("one", TensorKind::F32, 24), ("two", TensorKind::F16, 12)].map(
            |(name, kind, bytes)| Slot { name: name.to_owned(), shape: vec![2, 3], kind, bytes },
        );
        let mut bytes = head(&metadata, &slots);
        for (slot, start) in slots.iter().zip([1.0_f32, 10.0]) {
            let values: Vec<f32> = (0..6).map(|i| start + i as f32).collect();
            bytes.extend(slot.kind.encode(&slot.name, &values).expect("it fits"));
            bytes.resize(bytes.len() + filling(slot.bytes), 0);
        }
        bytes
    }

    fn open(bytes: &[u8]) -> Result<GgufFile, AdapterError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let opened = GgufFile::open(file.path())?;
        for tensor in opened.tensors() {
            // Whatever the head says, reading ends with values or an error.
            let _values = opened.values(&tensor.name);
        }
        Ok(opened)
    }

    #[test]
    fn what_is_written_is_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), sample()).expect("written");
        let gguf = GgufFile::open(file.path()).expect("it is whole");
        assert_eq!(gguf.metadata()["llama.block_count"], Value::U32(2));
        let tokens = Value::Texts(vec!["a".to_owned(), "Ġb".to_owned()]);
        assert_eq!(gguf.metadata()["tokenizer.ggml.tokens"], tokens);
        assert_eq!(gguf.tensors()[0].shape, [2, 3]);
        assert_eq!(gguf.values("one").expect("read"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(gguf.values("two").expect("read"), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
        let error = gguf.values("three").expect_err("there is none");
        assert!(error.to_string().contains("no tensor `three`"), "{error}");
    }

    #[test]
    fn a_file_cut_short_is_told_from_a_whole_one() {
        let whole = sample();
        // The filling behind the last tensor may be missing.
        for length in 0..whole.len() - 20 {
            let error = open(&whole[..length]).expect_err("it is cut");
            assert!(matches!(error, AdapterError::Gguf { .. }), "{length}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(at in 0usize..400, value: u8, more: [u8; 8]) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] = value;
            let _read = open(&bytes);
            let end = (at + 8).min(bytes.len());
            bytes[at..end].copy_from_slice(&more[..end - at]);
            let _read = open(&bytes);
        }
    }
}
