//! How a flat batch of tokens falls into documents, and the rotary tables those positions index.
//!
//! Every batch is flat: `[tokens, features]`, documents one after another, no padding. A document
//! attends to itself only and its positions restart at zero, so packing changes no number.

use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};

use crate::Matrix;

/// Where the documents of a flat batch begin, and each token's position inside its document.
#[derive(Clone, Debug)]
pub struct SequenceLayout<B: Backend> {
    /// Cumulative lengths: first 0, last the number of tokens, strictly rising.
    pub document_starts: Vec<u32>,
    /// Position of every token inside its document, `[tokens]`.
    pub positions: Vec<u32>,
    /// `positions` on the device, `[tokens]`, i32.
    pub positions_tensor: Tensor<B, 1, Int>,
    /// First token of the document that each token belongs to, `[tokens]`, i32.
    pub start_tensor: Tensor<B, 1, Int>,
    /// One past the last token of the document that each token belongs to, `[tokens]`, i32.
    pub end_tensor: Tensor<B, 1, Int>,
}

impl<B: Backend> SequenceLayout<B> {
    /// Builds the layout of documents with the given cumulative lengths.
    ///
    /// # Panics
    /// When `document_starts` does not rise strictly from 0: batches come from sigil's own packer.
    pub fn new(document_starts: Vec<u32>, device: &B::Device) -> Self {
        assert_eq!(document_starts.first(), Some(&0), "the first document starts at token 0");
        let tokens = *document_starts.last().expect("not empty: checked above") as usize;
        let (mut positions, mut starts, mut ends) = (vec![], vec![], vec![]);
        positions.reserve(tokens);
        for pair in document_starts.windows(2) {
            assert!(pair[0] < pair[1], "documents are not empty");
            for token in pair[0]..pair[1] {
                positions.push(token - pair[0]);
                starts.push(pair[0] as i32);
                ends.push(pair[1] as i32);
            }
        }
        let device_positions = positions.iter().map(|&p| p as i32).collect();
        Self {
            document_starts,
            positions,
            positions_tensor: int_vector(device_positions, device),
            start_tensor: int_vector(starts, device),
            end_tensor: int_vector(ends, device),
        }
    }

    /// Builds the layout of rows that continue documents: `(position of the first row, rows)` each.
    pub fn continued(parts: &[(usize, usize)], device: &B::Device) -> Self {
        let (mut document_starts, mut positions) = (vec![0u32], vec![]);
        let (mut starts, mut ends) = (vec![], vec![]);
        for &(first, rows) in parts {
            let start = positions.len();
            positions.extend((first..first + rows).map(|position| position as u32));
            document_starts.push((start + rows) as u32);
            starts.extend(std::iter::repeat_n(start as i32, rows));
            ends.extend(std::iter::repeat_n((start + rows) as i32, rows));
        }
        let device_positions = positions.iter().map(|&p| p as i32).collect();
        Self {
            document_starts,
            positions,
            positions_tensor: int_vector(device_positions, device),
            start_tensor: int_vector(starts, device),
            end_tensor: int_vector(ends, device),
        }
    }

    /// Number of tokens in the batch.
    pub fn tokens(&self) -> usize {
        self.positions.len()
    }

    /// The documents as `(first token, one past the last)`.
    pub fn documents(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.document_starts.windows(2).map(|pair| (pair[0] as usize, pair[1] as usize))
    }
}

/// Puts host integers on a device as i32.
pub fn int_vector<B: Backend>(values: Vec<i32>, device: &B::Device) -> Tensor<B, 1, Int> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), (device, DType::I32))
}

/// Cosines and sines of the rotary embedding, `[positions, rotary_dim / 2]`, f32.
#[derive(Clone, Debug)]
pub struct RotaryTable<B: Backend> {
    /// Cosines, scaled by the attention factor of the RoPE kind.
    pub cos: Matrix<B>,
    /// Sines, scaled likewise.
    pub sin: Matrix<B>,
    /// Number of leading features of a head that are rotated; the rest pass through.
    pub rotary_dim: usize,
}

impl<B: Backend> RotaryTable<B> {
    /// Builds the table for `positions` positions from inverse frequencies (`[rotary_dim / 2]`).
    ///
    /// Angles are f32 products, as transformers computes them, so that long positions agree.
    pub fn new(
        inverse_frequencies: &[f32],
        attention_scaling: f64,
        positions: usize,
        device: &B::Device,
    ) -> Self {
        let half = inverse_frequencies.len();
        let angle = |i: usize| (i / half) as f32 * inverse_frequencies[i % half];
        let scaling = attention_scaling as f32;
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> = (0..positions * half).map(|i| f(angle(i)) * scaling).collect();
            Tensor::from_data(TensorData::new(values, [positions, half]), (device, DType::F32))
        };
        Self { cos: table(f32::cos), sin: table(f32::sin), rotary_dim: 2 * half }
    }

    /// Number of positions in the table.
    pub fn positions(&self) -> usize {
        self.cos.dims()[0]
    }
}
