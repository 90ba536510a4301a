//! Replacing the model card of a committed set, and sealing its manifest anew.
//!
//! The card is the only file that changes after a commit: what an evaluation finds belongs into it.
//! Two files change, so a third says what is going on: the new manifest is put beside the old one
//! first, and readers (`set.rs`) take the card of either. After a crash at any operation the set is
//! whole, with the old card or the new one. Weights are never touched.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::atomic::atomic_write_with;
use crate::error::RunError;
use crate::layout;
use crate::lock::SetsLock;
use crate::manifest::{Manifest, ManifestFile, hexadecimal};
use crate::set::CheckpointSet;
use crate::view::RunView;

/// How long the commit of a set is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

impl RunView {
    /// Replaces `README.md` of a committed set; the set stays whole at every moment.
    ///
    /// The run may be trained meanwhile: a commit and this wait for each other.
    ///
    /// # Errors
    /// [`RunError::NoSuchSet`] when the set was pruned or replaced since it was found,
    /// [`RunError::DamagedSet`] when its manifest cannot be read any more, [`RunError::Locked`] when
    /// another process keeps the sets for a minute, or what the system reports.
    pub fn replace_card(&self, set: &CheckpointSet, card: &[u8]) -> Result<(), RunError> {
        let checkpoints = self.checkpoints_path();
        let held = SetsLock::take(&checkpoints, PATIENCE)
            .map_err(|source| RunError::io("lock", &checkpoints, source))?;
        if held.is_none() {
            return Err(RunError::Locked { path: self.root.clone(), pid: None });
        }
        let folder = checkpoints.join(set.name());
        let current = self.set(set.step())?;
        if current.manifest().sequence != set.manifest().sequence || current.folder() != folder {
            return Err(RunError::NoSuchSet { set: set.name().to_owned(), path: checkpoints });
        }
        self.finish_the_last(&current)?;
        let mut manifest = self.set(set.step())?.manifest().clone();
        manifest.files.retain(|file| file.name != layout::CARD);
        manifest.files.push(ManifestFile {
            name: layout::CARD.to_owned(),
            bytes: card.len() as u64,
            sha256: hexadecimal(&Sha256::digest(card)),
        });
        manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
        let bytes = manifest.to_bytes();
        let storage = self.storage.as_ref();
        let next = folder.join(layout::NEXT_MANIFEST);
        // 1. Either card is right from here on.
        atomic_write_with(storage, &next, &bytes)?;
        // 2. The card.
        atomic_write_with(storage, &folder.join(layout::CARD), card)?;
        // 3. The manifest follows; 4. the old card is wrong from here on.
        atomic_write_with(storage, &folder.join(layout::MANIFEST), &bytes)?;
        storage
            .remove_file(&next)
            .and_then(|()| storage.sync_dir(&folder))
            .map_err(|source| RunError::io("remove", &next, source))
    }

    /// Ends a replacement that a crash cut short, and removes what it was writing.
    fn finish_the_last(&self, set: &CheckpointSet) -> Result<(), RunError> {
        let (storage, folder) = (self.storage.as_ref(), set.folder());
        let entries =
            storage.list(folder).map_err(|source| RunError::io("list", folder, source))?;
        for entry in &entries {
            if entry.name.to_string_lossy().starts_with(layout::TEMPORARY) {
                let path = folder.join(&entry.name);
                storage
                    .remove_file(&path)
                    .map_err(|source| RunError::io("remove", &path, source))?;
            }
        }
        if !entries.iter().any(|entry| entry.name == layout::NEXT_MANIFEST) {
            return Ok(());
        }
        let path = folder.join(layout::NEXT_MANIFEST);
        let bytes = storage.read(&path).map_err(|source| RunError::io("read", &path, source))?;
        let next = Manifest::parse(&bytes).ok();
        let seal = next.as_ref().and_then(|next| next.file(layout::CARD));
        let card = storage.read(&folder.join(layout::CARD)).unwrap_or_default();
        let is_new = seal.is_some_and(|seal| seal.sha256 == hexadecimal(&Sha256::digest(&card)));
        if is_new {
            atomic_write_with(storage, &folder.join(layout::MANIFEST), &bytes)?;
        }
        storage.remove_file(&path).map_err(|source| RunError::io("remove", &path, source))
    }
}
