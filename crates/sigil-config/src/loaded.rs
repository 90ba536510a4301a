//! A configuration that was loaded, and the book of where its values came from.
//!
//! Read next: `print.rs` (shows it), `targets.rs` (checks it against a model).

use std::collections::BTreeMap;

use figment::Figment;
use figment::value::Value;

use crate::note::Note;
use crate::origin::{Origin, Provenance, join};
use crate::problem::{Problem, ProblemKind};
use crate::settings::Settings;
use crate::shape::{self, Kind};
use crate::source::{Layer, Rank};

/// A configuration that was merged and checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Every effective value.
    pub settings: Settings,
    /// What was done to values besides taking them; worth showing.
    pub notes: Vec<Note>,
    /// Where each effective value came from.
    pub provenance: Provenance,
    pub(crate) book: Book,
}

impl Loaded {
    pub(crate) fn new(settings: Settings, notes: Vec<Note>, book: Book) -> Self {
        Self { settings, notes, provenance: book.provenance(), book }
    }
}

/// Remembers which layer gave each effective value, to point at it in messages.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    layers: Vec<Layer>,
    /// Layer of each effective value.
    by_key: BTreeMap<String, usize>,
    /// Values that were computed from others.
    derived: BTreeMap<String, &'static str>,
    faulty: Vec<String>,
}

impl Book {
    pub(crate) fn new(layers: Vec<Layer>, figment: &Figment, faulty: Vec<String>) -> Self {
        let mut by_key = BTreeMap::new();
        if let Kind::Section(sections) = &shape::settings().kind {
            for section in sections.keys() {
                if let Ok(value) = figment.find_value(section) {
                    note_layers(&value, &mut vec![section.clone()], figment, &mut by_key);
                }
            }
        }
        Self { layers, by_key, derived: BTreeMap::new(), faulty }
    }

    fn layer_of(&self, key: &str) -> &Layer {
        let index = self.by_key.get(key).copied().unwrap_or(0);
        self.layers.get(index).unwrap_or(&self.layers[0])
    }

    pub(crate) fn rank(&self, key: &str) -> Rank {
        self.layer_of(key).rank
    }

    /// Returns whether the user set a value, in whatever layer.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.rank(key) != Rank::Default
    }

    pub(crate) fn is_faulty(&self, key: &str) -> bool {
        self.faulty.iter().any(|faulty| faulty == key)
    }

    /// Remembers that a default was computed from another setting.
    pub(crate) fn derive(&mut self, key: &str, from: &'static str) {
        self.derived.insert(key.to_owned(), from);
    }

    /// Forgets a value that another one replaced.
    pub(crate) fn forget(&mut self, key: &str) {
        self.by_key.remove(key);
    }

    pub(crate) fn origin(&self, key: &str) -> Origin {
        if let Some(from) = self.derived.get(key) {
            return Origin::Derived { from };
        }
        let layer = self.layer_of(key);
        layer.source.origin(&self.place(layer, key))
    }

    /// The place of a value; of a value inside a table that was written as a whole, the table's.
    fn place(&self, layer: &Layer, key: &str) -> std::ops::Range<usize> {
        let section_and_key = key.match_indices('.').nth(1).map_or(key, |(at, _)| &key[..at]);
        let place = layer.places.get(key);
        place.or_else(|| layer.places.get(section_and_key)).cloned().unwrap_or(0..0)
    }

    /// Makes a problem of a rule between settings, pointing at the first of them that was set.
    pub(crate) fn rule(
        &self,
        keys: &[&'static str],
        message: String,
        hint: Option<String>,
    ) -> Option<Problem> {
        if keys.iter().any(|key| self.is_faulty(key)) {
            return None;
        }
        let kind = ProblemKind::Rule { keys: keys.to_vec(), message, hint };
        let blamed = keys.iter().find(|key| self.is_set(key)).or(keys.first());
        Some(self.at(blamed.copied().unwrap_or_default(), kind))
    }

    /// Makes a problem that points at the value of a setting.
    pub(crate) fn at(&self, key: &str, kind: ProblemKind) -> Problem {
        let layer = self.layer_of(key);
        let place = self.place(layer, key);
        Problem {
            kind,
            origin: layer.source.origin(&place),
            excerpt: layer.source.excerpt(&place),
            order: (usize::MAX, 0),
        }
    }

    fn provenance(&self) -> Provenance {
        let keys = self.by_key.keys().chain(self.derived.keys());
        keys.map(|key| (key.clone(), self.origin(key))).collect()
    }
}

/// Walks the merged values; each one carries the tag of the layer that it came from.
fn note_layers(
    value: &Value,
    path: &mut Vec<String>,
    figment: &Figment,
    by_key: &mut BTreeMap<String, usize>,
) {
    let layer = || {
        let metadata = figment.get_metadata(value.tag());
        metadata.and_then(|metadata| metadata.name.parse().ok()).unwrap_or(0)
    };
    match value {
        Value::Dict(_, entries) if path.len() < 2 || !entries.is_empty() => {
            for (key, value) in entries {
                path.push(key.clone());
                note_layers(value, path, figment, by_key);
                path.pop();
            }
            // The table as a whole, for messages about it: the latest layer that gave a part.
            if path.len() == 2 {
                let prefix = format!("{}.", join(path));
                let latest = by_key
                    .iter()
                    .filter(|(key, _)| key.starts_with(&prefix))
                    .map(|(_, layer)| *layer)
                    .max();
                by_key.insert(join(path), latest.unwrap_or(0));
            }
        }
        _ => {
            by_key.insert(join(path), layer());
        }
    }
}
