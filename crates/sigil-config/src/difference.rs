//! What differs between two settings, for a run that is resumed with others than it began with.
//!
//! Says nothing about which differences matter. Read next: `settings.rs`.

use std::collections::BTreeMap;
use std::fmt;

use crate::origin::join;
use crate::settings::Settings;

/// A setting that has two values. `None` stands for "not set".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting (`train.num_steps`).
    pub key: String,
    /// Its value on the left, as TOML.
    pub left: Option<String>,
    /// Its value on the right, as TOML.
    pub right: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = [&self.left, &self.right].map(|value| match value {
            Some(value) => format!("`{value}`"),
            None => "not set".to_owned(),
        });
        write!(formatter, "`{}`: {left}, then {right}", self.key)
    }
}

impl Settings {
    /// Returns the settings that differ, sorted by key. Secrets are not compared.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (mut left, mut right) = (self.flat(), other.flat());
        let keys: Vec<String> = left.keys().chain(right.keys()).cloned().collect();
        let keys: std::collections::BTreeSet<String> = keys.into_iter().collect();
        keys.into_iter()
            .map(|key| Difference { left: left.remove(&key), right: right.remove(&key), key })
            .filter(|difference| difference.left != difference.right)
            .collect()
    }

    /// Lists every value as TOML text, by key.
    fn flat(&self) -> BTreeMap<String, String> {
        fn visit(value: &toml::Value, path: &mut Vec<String>, flat: &mut BTreeMap<String, String>) {
            match value {
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        path.push(key.clone());
                        visit(value, path, flat);
                        path.pop();
                    }
                }
                value => {
                    flat.insert(join(path), value.to_string());
                }
            }
        }
        let root =
            toml::Value::try_from(self).expect("settings hold only values that TOML can express");
        let mut flat = BTreeMap::new();
        visit(&root, &mut Vec::new(), &mut flat);
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_values_are_listed_by_key() {
        let left = Settings::default();
        let mut right = left.clone();
        assert_eq!(left.differences(&right), []);
        right.train.learning_rate = 0.5;
        right.train.epochs = Some(2.0);
        right.dataset.dataset_weights.insert("a/b".to_owned(), 2.0);
        let listed: Vec<String> =
            left.differences(&right).iter().map(ToString::to_string).collect();
        assert_eq!(
            listed,
            [
                "`dataset.dataset_weights.\"a/b\"`: not set, then `2.0`",
                "`train.epochs`: not set, then `2.0`",
                "`train.learning_rate`: `0.0001`, then `0.5`",
            ]
        );
    }
}
