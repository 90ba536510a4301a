//! "Did you mean": the setting or value closest to what was written.
//!
//! Read next: `problem.rs`, which shows suggestions as hints.

use crate::legacy;
use crate::shape::{self, Kind, Shape};

/// Returns the candidate closest to a word, if one is close enough to be meant.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = word.chars().count().div_ceil(3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        // The alphabetically first of equally close ones: the result must not depend on order.
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the present name of the setting that an unknown key probably meant.
pub(crate) fn key(unknown: &str) -> Option<String> {
    let present = keys(shape::settings(), "");
    let all = || present.iter().map(String::as_str).chain(legacy::KEYS.iter().map(|(old, _)| *old));
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned).unwrap_or_default();
    let wanted = last(unknown);
    // The right word in the wrong section, then a wrong word in the right one, then anything near.
    if let Some(found) = all().find(|key| last(key) == wanted) {
        return Some(legacy::present_name(found).to_owned());
    }
    let section = unknown.split_once('.').map(|(section, _)| section);
    let within = all().filter(|key| key.split_once('.').map(|(section, _)| section) == section);
    let found = closest(unknown, within).or_else(|| closest(unknown, all())).or_else(|| {
        let near = all().map(last).collect::<Vec<String>>();
        let word = closest(&wanted, near.iter().map(String::as_str))?.to_owned();
        all().find(|key| last(key) == word)
    });
    if let Some(found) = found {
        return Some(legacy::present_name(found).to_owned());
    }
    let sections = present.iter().filter(|key| !key.contains('.'));
    closest(unknown, sections.map(String::as_str)).map(str::to_owned)
}

/// Lists every section and setting, fields of fields included.
fn keys(shape: &Shape, prefix: &str) -> Vec<String> {
    let Kind::Section(fields) = &shape.kind else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, field) in fields {
        let key = format!("{prefix}{name}");
        found.extend(keys(field, &format!("{key}.")));
        found.push(key);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_misplaced_keys_are_found() {
        for (unknown, meant) in [
            ("train.lrr", "train.learning_rate"),
            ("train.learning_rat", "train.learning_rate"),
            ("learning_rate", "train.learning_rate"),
            ("train.r", "lora.r"),
            ("trian", "train"),
            ("trian.num_step", "train.num_steps"),
            ("dataset.colums", "dataset.columns"),
            ("dataset.columns.promt", "dataset.columns.prompt"),
            ("misc.outputdir", "run.output_dir"),
        ] {
            assert_eq!(key(unknown).as_deref(), Some(meant), "{unknown}");
        }
    }

    #[test]
    fn what_resembles_nothing_gets_no_suggestion() {
        assert_eq!(key("xyzzy.plugh"), None);
        assert_eq!(closest("qqqqqq", ["adamw"]), None);
    }
}
