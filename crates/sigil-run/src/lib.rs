//! Run folders: everything a training run leaves on disk, and how it gets there without ever being
//! half there.
//!
//! A *run* is a folder with one writer. Inside it:
//!
//! ```text
//! run.json                      format version, who made it, seed, config digest
//! run.lock                      advisory lock of the one process that may write
//! config.toml  README.md        written whole, by rename
//! latest                        name of the newest checkpoint set
//! best                          set, metric and value of the best set so far
//! metrics.jsonl                 one row per logged step
//! tensorboard/events.out.tfevents…
//! checkpoints/step-00000123/    a checkpoint set: files and manifest.json
//! checkpoints/.tmp-…            a set being written, or being removed
//! ```
//!
//! Start at [`RunFolder`] (the writer) or [`RunView`] (a reader that takes no lock).
//! [`storage::FaultStorage`] breaks any single file operation; the tests of this crate and of the
//! training loop use it.
//!
//! Architecture invariant: this crate knows no tensor, no model and no config schema. It is the only
//! crate of the workspace that renames and fsyncs, and it never prints: what a person should hear
//! is returned as a [`Note`], a [`DamagedSet`] or a [`RunError`].

mod atomic;
mod best;
mod card;
mod error;
mod folder;
mod layout;
mod lock;
mod manifest;
mod metrics;
mod note;
mod pending;
mod prune;
mod record;
mod reseal;
mod set;
mod set_writer;
pub mod storage;
mod view;

pub use atomic::{atomic_write, atomic_write_with, free_space, remove_unfinished_writes};
pub use best::Best;
pub use card::{CardMetric, CardSource, ModelCard, card_with_judged};
pub use error::RunError;
pub use folder::RunFolder;
pub use lock::RunLock;
pub use manifest::{Manifest, ManifestError, ManifestFile};
pub use metrics::{
    EventFileWriter, MetricsFile, MetricsLineError, MetricsRow, MetricsWriter, ResumePoint,
};
pub use note::Note;
pub use pending::{PendingFile, PendingFolder, WholeFile};
pub use record::{RunIdentity, RunRecord};
pub use set::{CheckpointSet, Damage, DamagedSet, NewestSet};
pub use set_writer::{Committed, SetFile, SetWriter};
pub use view::RunView;
