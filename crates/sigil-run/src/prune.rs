//! Removing old checkpoint sets, so that a removal cut short never looks like a damaged set.
//!
//! Not a policy of its own: the newest set and the best set always stay, whatever `keep` says.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::layout;
use crate::manifest::ManifestError;
use crate::note::Note;
use crate::set::Damage;
use crate::storage::{Storage, remove_tree};
use crate::view::{Found, RunView};

/// Removes all but the `keep` newest whole sets (at least one), the best set and the set
/// `committed`. Damaged sets do not count as kept, and stay themselves until there are `keep` whole
/// ones: their files may still be worth something to a person.
///
/// Returns the names removed and what could not be done; a failure here costs only space.
pub(crate) fn prune(
    view: &RunView,
    committed: &str,
    keep: usize,
    damaged: &BTreeSet<String>,
) -> (Vec<String>, Vec<Note>) {
    let mut pruned = Vec::new();
    let mut notes = Vec::new();
    let best = match view.best() {
        Ok(best) => best.map(|best| best.set),
        Err(error) => {
            notes.push(Note::BestUnreadable { reason: error.to_string() });
            return (pruned, notes);
        }
    };
    let found = match view.find_sets() {
        Ok(found) => found,
        Err(error) => {
            let path = view.checkpoints_path();
            notes.push(Note::NotRemoved { path, reason: error.to_string() });
            return (pruned, notes);
        }
    };
    let (whole, broken): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|found| found.set.is_ok() && !damaged.contains(&found.name));
    let keep = keep.max(1);
    let broken = if whole.len() < keep { Vec::new() } else { broken };
    for Found { name, folder, set, .. } in whole.into_iter().skip(keep).chain(broken) {
        // A set written by a newer version is whole to that version.
        let is_newer = matches!(set, Err(Damage::Manifest(ManifestError::NewerFormat { .. })));
        if is_newer || name == committed || best.as_deref() == Some(name.as_str()) {
            continue;
        }
        match remove_set(view, &name, &folder) {
            Ok(()) => pruned.push(name),
            Err(error) => {
                notes.push(Note::NotRemoved { path: folder, reason: error.to_string() });
            }
        }
    }
    (pruned, notes)
}

/// Takes a set's name away durably, then its files.
fn remove_set(view: &RunView, name: &str, folder: &Path) -> io::Result<()> {
    let storage: &dyn Storage = view.storage.as_ref();
    let checkpoints = view.checkpoints_path();
    let outgoing = checkpoints.join(format!("{}pruned-{name}", layout::TEMPORARY));
    storage.rename(folder, &outgoing)?;
    // Otherwise a power cut could keep the removed files and lose the rename.
    storage.sync_dir(&checkpoints)?;
    remove_tree(storage, &outgoing, true)
}
