//! TensorBoard event files: the few protobuf messages a scalar curve needs, encoded by hand.
//!
//! Source: TensorFlow `core/util/event.proto` and `core/framework/summary.proto`. Not a protobuf
//! library: `Event { 1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary,
//! 7: SessionLog }`, `Summary { 1: repeated Value { 1: string tag, 2: float simple_value } }`,
//! `SessionLog { 1: status }`.

use std::path::Path;

use crate::error::RunError;
use crate::metrics::append::AppendFile;
use crate::metrics::record_format::frame;
use crate::storage::Storage;

const FILE_VERSION: &str = "brain.Event:2";
const SESSION_START: u64 = 1;

/// Appends scalars to one event file.
#[derive(Debug)]
pub struct EventFileWriter {
    file: AppendFile,
}

impl EventFileWriter {
    /// Begins a new event file in `folder`, named so that it sorts after those that are there.
    ///
    /// With earlier files, TensorBoard is told to forget their values from `first_step` on, so that
    /// the steps a resumed run goes through again are shown once.
    ///
    /// # Errors
    /// What the system reports.
    pub fn create(
        storage: &dyn Storage,
        folder: &Path,
        first_step: u64,
        wall_time_secs: f64,
    ) -> Result<Self, RunError> {
        let entries =
            storage.list(folder).map_err(|source| RunError::io("list", folder, source))?;
        let earlier: Vec<(u64, u64)> =
            entries.iter().filter_map(|entry| parse_name(entry.name.to_str()?)).collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float-to-integer cast saturates, and any number will do for a name"
        )]
        let now = wall_time_secs as u64;
        // TensorBoard reads the files in the order of their names; the clock may have gone back.
        let (secs, count) = match earlier.iter().max() {
            Some(&(secs, count)) => (now.max(secs), count.saturating_add(1)),
            None => (now, 0),
        };
        let mut file = AppendFile::open(storage, &folder.join(file_name(secs, count)))?;
        file.append(&frame(&version_event(wall_time_secs)))?;
        if !earlier.is_empty() {
            file.append(&frame(&session_start_event(wall_time_secs, first_step)))?;
        }
        Ok(Self { file })
    }

    /// Appends the values of one step as one record.
    ///
    /// # Errors
    /// What the system reports; the file is as before then.
    pub fn append(
        &mut self,
        step: u64,
        wall_time_secs: f64,
        values: &[(String, f64)],
    ) -> Result<(), RunError> {
        self.file.append(&frame(&scalars_event(wall_time_secs, step, values)))
    }

    /// Returns once everything appended is on the device.
    ///
    /// # Errors
    /// What the system reports.
    pub fn sync(&mut self) -> Result<(), RunError> {
        self.file.sync()
    }
}

fn file_name(secs: u64, count: u64) -> String {
    format!("events.out.tfevents.{secs:010}.sigil.{count:05}")
}

/// The second and the count in a name of ours.
fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (secs, count) = name.strip_prefix("events.out.tfevents.")?.split_once(".sigil.")?;
    Some((secs.parse().ok()?, count.parse().ok()?))
}

fn version_event(wall_time_secs: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time_secs);
    event.bytes(3, FILE_VERSION.as_bytes());
    event.0
}

fn session_start_event(wall_time_secs: f64, first_step: u64) -> Vec<u8> {
    let mut session = Message::default();
    session.integer(1, SESSION_START);
    let mut event = Message::default();
    event.double(1, wall_time_secs);
    event.integer(2, first_step);
    event.bytes(7, &session.0);
    event.0
}

fn scalars_event(wall_time_secs: f64, step: u64, values: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in values {
        let mut entry = Message::default();
        entry.bytes(1, tag.as_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the format has f32 only")]
        entry.float(2, *value as f32);
        summary.bytes(1, &entry.0);
    }
    let mut event = Message::default();
    event.double(1, wall_time_secs);
    event.integer(2, step);
    event.bytes(5, &summary.0);
    event.0
}

/// A protobuf message being encoded.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u8, value: u64) {
        // proto3 leaves a field out when it has its default value.
        if value != 0 {
            self.0.push(field << 3);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u8, value: f64) {
        self.0.push(field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn float(&mut self, field: u8, value: f32) {
        self.0.push(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
