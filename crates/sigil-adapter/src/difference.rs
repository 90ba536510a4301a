//! Two adapters, module by module: how large each update is, and how alike their directions are.
//!
//! Ranks and scales may differ, since whole updates are compared; the settings of their runs are
//! compared where both are runs. Next: `norms.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use sigil_config::{Layers, Settings};
use sigil_weights::Adapter;
use sigil_weights::peft::resolve_targets;

use crate::AdapterError;
use crate::inspect::layer_of;
use crate::norms::Update;
use crate::subject::Subject;

/// How two adapters differ.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterDifference {
    /// Settings of the adapters that differ: key, left, right.
    pub adapter_settings: Vec<(String, String, String)>,
    /// Settings of the runs that differ: key, left, right; none where one is no run.
    pub run_settings: Vec<(String, String, String)>,
    /// Modules that only one of them has.
    pub only_left: Vec<String>,
    /// Likewise.
    pub only_right: Vec<String>,
    /// Modules of weights of different shapes: they belong to different bases.
    pub other_shapes: Vec<String>,
    /// All modules that both have, together.
    pub whole: Closeness,
    /// By decoder layer.
    pub layers: BTreeMap<usize, Closeness>,
    /// By module.
    pub modules: BTreeMap<String, Closeness>,
}

/// Two updates of the same weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Closeness {
    /// Frobenius norm of the left one.
    pub left_norm: f64,
    /// Of the right one.
    pub right_norm: f64,
    /// Of their difference.
    pub difference_norm: f64,
    /// Cosine of the angle between them; 0 where one of them is nothing.
    pub cosine: f64,
}

impl Closeness {
    fn of(left: f64, right: f64, inner: f64) -> Self {
        let (left_norm, right_norm) = (left.max(0.0).sqrt(), right.max(0.0).sqrt());
        let product = left_norm * right_norm;
        Self {
            left_norm,
            right_norm,
            difference_norm: (left + right - 2.0 * inner).max(0.0).sqrt(),
            cosine: if product > 0.0 { (inner / product).clamp(-1.0, 1.0) } else { 0.0 },
        }
    }
}

/// Compares the adapters of two subjects.
///
/// # Errors
/// One of them holds no adapter, or it cannot be read.
pub fn compare(left: &Subject, right: &Subject) -> Result<AdapterDifference, AdapterError> {
    let (one, two) = (adapter_of(left)?, adapter_of(right)?);
    let mut difference = between(&one, &two)?;
    if let (Some(one), Some(two)) = (settings_of(left), settings_of(right)) {
        let or_unset = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
        let all = one.differences(&two).into_iter();
        difference.run_settings =
            all.map(|d| (d.key, or_unset(d.left), or_unset(d.right))).collect();
    }
    Ok(difference)
}

fn adapter_of(subject: &Subject) -> Result<Adapter, AdapterError> {
    match subject.weights_folder() {
        Some(folder) if subject.is_adapter() => Ok(Adapter::read(folder)?),
        folder => Err(AdapterError::NotAnAdapter {
            path: folder.unwrap_or(std::path::Path::new("")).to_owned(),
            found: subject.kind(),
        }),
    }
}

/// The settings that a run began with; none where they cannot be read.
fn settings_of(subject: &Subject) -> Option<Settings> {
    let Subject::Run { view, .. } = subject else { return None };
    let text = String::from_utf8(view.read_file("config.toml").ok()??).ok()?;
    Some(Layers::new().file("config.toml", text).load().ok()?.settings)
}

/// Compares two adapters.
///
/// # Errors
/// A configuration does not fit its tensors.
pub fn between(left: &Adapter, right: &Adapter) -> Result<AdapterDifference, AdapterError> {
    let (scales_left, scales_right) = (scales(left)?, scales(right)?);
    let names: BTreeSet<&String> = left.modules.keys().chain(right.modules.keys()).collect();
    let mut difference = AdapterDifference {
        adapter_settings: settings(left, right),
        run_settings: Vec::new(),
        only_left: Vec::new(),
        only_right: Vec::new(),
        other_shapes: Vec::new(),
        whole: Closeness::default(),
        layers: BTreeMap::new(),
        modules: BTreeMap::new(),
    };
    let mut sums: BTreeMap<Option<usize>, [f64; 3]> = BTreeMap::new();
    for name in names {
        let (one, two) = match (left.modules.get(name), right.modules.get(name)) {
            (Some(one), Some(two)) => (one, two),
            (Some(_), None) => {
                difference.only_left.push(name.clone());
                continue;
            }
            _ => {
                difference.only_right.push(name.clone());
                continue;
            }
        };
        if (one.in_features, one.out_features) != (two.in_features, two.out_features) {
            difference.other_shapes.push(name.clone());
            continue;
        }
        let one = Update { pair: one, scaling: scales_left[name] };
        let two = Update { pair: two, scaling: scales_right[name] };
        let parts = [one.inner(&one), two.inner(&two), one.inner(&two)];
        let mut places = vec![None];
        places.extend(layer_of(name).map(Some));
        for place in places {
            let sum = sums.entry(place).or_default();
            for (sum, part) in sum.iter_mut().zip(parts) {
                *sum += part;
            }
        }
        difference.modules.insert(name.clone(), Closeness::of(parts[0], parts[1], parts[2]));
    }
    for (place, [one, two, both]) in sums {
        let closeness = Closeness::of(one, two, both);
        match place {
            None => difference.whole = closeness,
            Some(layer) => drop(difference.layers.insert(layer, closeness)),
        }
    }
    Ok(difference)
}

fn scales(adapter: &Adapter) -> Result<BTreeMap<String, f64>, AdapterError> {
    let names: Vec<&String> = adapter.modules.keys().collect();
    let targets = resolve_targets(&adapter.config, &names)?.modules;
    let scaling = targets.into_iter().map(|target| target.map_or(0.0, |target| target.scaling));
    Ok(names.into_iter().cloned().zip(scaling).collect())
}

fn settings(left: &Adapter, right: &Adapter) -> Vec<(String, String, String)> {
    let lines = |adapter: &Adapter| -> BTreeMap<String, String> {
        let text = adapter.config.to_json();
        let map: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).expect("what was just written is read");
        map.into_iter().map(|(key, value)| (key, value.to_string())).collect()
    };
    let (one, two) = (lines(left), lines(right));
    let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let value = |map: &BTreeMap<String, String>, key: &String| {
        map.get(key).cloned().unwrap_or_else(|| "not set".to_owned())
    };
    keys.into_iter()
        .map(|key| (key.clone(), value(&one, key), value(&two, key)))
        .filter(|(_, one, two)| one != two)
        .collect()
}

impl Display for AdapterDifference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (heading, settings) in
            [("adapter settings", &self.adapter_settings), ("run settings", &self.run_settings)]
        {
            if !settings.is_empty() {
                writeln!(f, "{heading} that differ")?;
                for (key, left, right) in settings {
                    writeln!(f, "  {key}: {left} | {right}")?;
                }
            }
        }
        for (heading, names) in [
            ("only left", &self.only_left),
            ("only right", &self.only_right),
            ("of weights of other shapes, not compared", &self.other_shapes),
        ] {
            if !names.is_empty() {
                writeln!(f, "{heading}: {} modules, `{}` first", names.len(), names[0])?;
            }
        }
        writeln!(f, "updates (Frobenius norms)     left        right   difference   cosine")?;
        let mut row = |name: &str, c: &Closeness| {
            writeln!(
                f,
                "  {name:<20} {:>12.6} {:>12.6} {:>12.6} {:>8.4}",
                c.left_norm, c.right_norm, c.difference_norm, c.cosine
            )
        };
        row("all", &self.whole)?;
        for (layer, closeness) in &self.layers {
            row(&format!("layer {layer}"), closeness)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_weights::AdapterConfig;
    use sigil_weights::peft::LoraPair;

    fn adapter(rank: usize, alpha: f64, b: f32) -> Adapter {
        let pair = LoraPair {
            rank,
            in_features: 2,
            out_features: 2,
            a: vec![1.0; 2 * rank],
            b: vec![b; 2 * rank],
        };
        let config = AdapterConfig { rank, alpha, ..AdapterConfig::default() };
        Adapter { config, modules: [("model.layers.3.mlp.up_proj".to_owned(), pair)].into() }
    }

    #[test]
    fn whole_updates_are_compared_whatever_the_ranks() {
        // Rank 2 with scale 1 and rank 1 with scale 2 make the same update.
        let same = between(&adapter(2, 2.0, 0.5), &adapter(1, 2.0, 0.5)).expect("both are sound");
        assert!(same.whole.difference_norm < 1e-7, "{:?}", same.whole);
        assert!((same.whole.cosine - 1.0).abs() < 1e-12);
        assert!(same.adapter_settings.iter().any(|(key, ..)| key == "r"));
        let other = between(&adapter(1, 1.0, 1.0), &adapter(1, 1.0, -1.0)).expect("both are sound");
        assert_eq!((other.whole.cosine, other.whole.difference_norm), (-1.0, 4.0));
        assert_eq!(other.layers.keys().collect::<Vec<_>>(), [&3]);
        let nothing = between(&adapter(1, 1.0, 0.0), &adapter(1, 1.0, 1.0)).expect("sound");
        assert_eq!(nothing.whole.cosine, 0.0);
    }
}
