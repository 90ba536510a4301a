//! What can be wrong with weight files.
//!
//! Each variant names the file, and the tensor where one is concerned.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensorError};
use thiserror::Error;

use crate::nf4::CodecError;

/// Weight files that cannot be used, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The folder holds no weights under any of the known names.
    #[error("`{}` holds neither model.safetensors nor model.safetensors.index.json", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// Weights in a format that is not read, if there are any.
        other: Option<PathBuf>,
    },
    /// A file could not be opened, mapped or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The header is damaged, or the file is shorter or longer than the header says.
    #[error("`{}` is not a whole safetensors file: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
        /// What the parser said.
        #[source]
        source: SafeTensorError,
    },
    /// The index is not a usable `weight_map`.
    #[error("`{}` is not a usable index: {what}", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The index names a shard that is not there.
    #[error("shard `{shard}` named by `{}` is missing", index.display())]
    MissingShard {
        /// The index file.
        index: PathBuf,
        /// The shard's file name.
        shard: String,
    },
    /// The index says a tensor is in a shard that does not hold it.
    #[error("`{}` does not hold tensor `{tensor}`, though the index says so", shard.display())]
    NotInShard {
        /// The shard.
        shard: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// No file holds the tensor.
    #[error("tensor `{tensor}` is not in `{}`", folder.display())]
    Missing {
        /// The folder or file that was opened.
        folder: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The tensor's element type cannot be used for what was asked.
    #[error("tensor `{tensor}` in `{}` is {found}, expected {expected}", path.display())]
    WrongDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
        /// What was needed.
        expected: &'static str,
    },
    /// The tensor's shape is not the one needed.
    #[error("tensor `{tensor}` in `{}` has shape {found:?}, expected {expected}", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// What was needed.
        expected: String,
    },
    /// A quantized weight lacks a part, or its parts contradict each other.
    #[error("quantized weight `{tensor}` in `{}` cannot be used: {what}", path.display())]
    Quantized {
        /// The file.
        path: PathBuf,
        /// The weight.
        tensor: String,
        /// What is wrong.
        what: String,
    },
    /// The codec refused a tensor.
    #[error("tensor `{tensor}` in `{}` cannot be quantized", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What the codec said.
        #[source]
        source: CodecError,
    },
    /// A tensor to be written has bytes that do not fit its shape, or a name that occurs twice.
    #[error("tensor `{tensor}` cannot be written: {what}")]
    Unwritable {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        what: String,
    },
}

impl WeightsError {
    /// Says what a user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoWeights { other: Some(_), .. } => Some(
                "convert the weights to safetensors: pickle files can run code and are not read",
            ),
            Self::NoWeights { other: None, .. } => {
                Some("point at the folder that holds config.json and the safetensors files")
            }
            Self::Damaged { .. } | Self::MissingShard { .. } | Self::NotInShard { .. } => {
                Some("the download may have been cut short: fetch the file again")
            }
            Self::Codec { source, .. } => source.hint(),
            _ => None,
        }
    }
}
