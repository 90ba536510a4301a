//! A checkpoint folder's tensors, wherever they lie.
//!
//! Opening maps every shard and checks every header and the index, so that a damaged or incomplete
//! download is found before any work is done. Lookups after that cannot fail except by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use half::bf16;

use super::shard::Shard;
use super::{TensorView, WeightsError, index};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a checkpoint folder or of one safetensors file, memory-mapped.
#[derive(Debug)]
pub struct WeightFiles {
    root: PathBuf,
    shards: Vec<Shard>,
    /// Tensor name to position in `shards`.
    places: BTreeMap<String, usize>,
}

impl WeightFiles {
    /// Opens a folder (an index and its shards, or `model.safetensors`) or one safetensors file.
    ///
    /// # Errors
    /// No weights there, a shard missing, a header damaged, a file cut short, or an index that
    /// names tensors its shards do not hold.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        if !path.is_dir() {
            return Self::single(path, path);
        }
        let index = path.join(INDEX);
        if index.is_file() {
            return Self::sharded(path, &index);
        }
        let single = path.join(SINGLE);
        if single.is_file() {
            return Self::single(path, &single);
        }
        let others = ["pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"];
        let other = others.into_iter().map(|name| path.join(name)).find(|file| file.is_file());
        Err(WeightsError::NoWeights { folder: path.to_path_buf(), other })
    }

    fn single(root: &Path, file: &Path) -> Result<Self, WeightsError> {
        let shard = Shard::open(file)?;
        let places = shard.entries.keys().map(|name| (name.clone(), 0)).collect();
        Ok(Self { root: root.to_path_buf(), shards: vec![shard], places })
    }

    fn sharded(folder: &Path, index_file: &Path) -> Result<Self, WeightsError> {
        let text = std::fs::read(index_file)
            .map_err(|source| WeightsError::Read { path: index_file.to_path_buf(), source })?;
        let weight_map = index::parse(&text, index_file)?;
        let names: BTreeSet<&String> = weight_map.values().collect();
        let mut shards = Vec::with_capacity(names.len());
        let mut positions = BTreeMap::new();
        for name in names {
            let path = folder.join(name);
            if !path.is_file() {
                let index = index_file.to_path_buf();
                return Err(WeightsError::MissingShard { index, shard: name.clone() });
            }
            positions.insert(name.clone(), shards.len());
            shards.push(Shard::open(&path)?);
        }
        let mut places = BTreeMap::new();
        for (tensor, name) in weight_map {
            let place = positions[&name];
            if !shards[place].entries.contains_key(&tensor) {
                let shard = shards[place].path.clone();
                return Err(WeightsError::NotInShard { shard, tensor });
            }
            places.insert(tensor, place);
        }
        Ok(Self { root: folder.to_path_buf(), shards, places })
    }

    /// The folder or file that was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The safetensors files, in order of name.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// All tensor names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Whether there is such a tensor.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The free-form metadata of all headers; of two values for a key, the later file's.
    #[must_use]
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.shards.iter().flat_map(|shard| shard.metadata.clone()).collect()
    }

    /// Finds a tensor.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn get(&self, name: &str) -> Result<TensorView<'_>, WeightsError> {
        let found = self.places.get(name).and_then(|place| self.shards[*place].get(name));
        found.ok_or_else(|| WeightsError::Missing {
            folder: self.root.clone(),
            tensor: name.to_owned(),
        })
    }

    /// Copies a tensor out as f32.
    ///
    /// # Errors
    /// There is none of that name, or its elements are none of f32, f16, bf16.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        self.get(name)?.to_f32()
    }

    /// Copies a tensor out as bf16.
    ///
    /// # Errors
    /// There is none of that name, or its elements are none of f32, f16, bf16.
    pub fn read_bf16(&self, name: &str) -> Result<Vec<bf16>, WeightsError> {
        self.get(name)?.to_bf16()
    }

    /// Gives the mapped pages of a consumed tensor back to the system.
    ///
    /// The tensor can still be read; its pages are then fetched again. A name that does not exist
    /// is no error: there is nothing to give back.
    pub fn release(&self, name: &str) {
        if let Some(place) = self.places.get(name) {
            self.shards[*place].release(name);
        }
    }
}
