//! Rules about sources: lengths, names, weights, files that have to be there.

use std::collections::BTreeSet;
use std::path::Path;

use super::Findings;
use crate::problem::ProblemKind;
use crate::settings::{InterleaveMode, Length, ShuffleMode};
use crate::suggest;

/// Prefixes of sources that are files.
const FILE_PREFIXES: [&str; 3] = ["local:", "parquet:", "registry:"];

pub(super) fn check(findings: &mut Findings<'_>) {
    let dataset = &findings.settings.dataset;
    if !findings.book.is_set("model.name") && !may_be_meant(findings) {
        let kind = ProblemKind::Missing {
            key: "model.name",
            hint: "set it to a Hub id, a local folder, or `sigil-base` for the small model that \
                   comes with sigil",
        };
        findings.problems.push(findings.book.at("model.name", kind));
    }
    if dataset.min_length > dataset.max_length {
        let message = format!(
            "`dataset.min_length` ({}) is more than `dataset.max_length` ({}): no row would be left",
            dataset.min_length, dataset.max_length
        );
        findings.rule(&["dataset.min_length", "dataset.max_length"], message, "");
    }
    if dataset.shuffle == ShuffleMode::Full && !dataset.use_cache {
        let hint = "set `dataset.shuffle = \"buffer\"`, or `dataset.use_cache = true`";
        let message =
            "a full shuffle (`dataset.shuffle`) needs every row, and `dataset.use_cache = false` \
             streams them"
                .to_owned();
        findings.rule(&["dataset.shuffle", "dataset.use_cache"], message, hint);
    }
    let sequence = &findings.settings.sequence;
    if sequence.overlap >= sequence.max_length {
        let message = format!(
            "`sequence.overlap` ({}) is not less than `sequence.max_length` ({})",
            sequence.overlap, sequence.max_length
        );
        findings.rule(&["sequence.overlap", "sequence.max_length"], message, "");
    }
    if matches!(findings.settings.train.length(), Length::Epochs(_)) && !dataset.use_cache {
        let hint = "set `train.num_steps`, or `dataset.use_cache = true`";
        let message = "`train.epochs` needs the length of the data, which a stream \
             (`dataset.use_cache = false`) does not know"
            .to_owned();
        findings.rule(&["train.epochs", "dataset.use_cache"], message, hint);
    }
    sources(findings);
    weights(findings);
}

/// Returns whether a problem told before may be all that keeps `model.name` from being set.
fn may_be_meant(findings: &Findings<'_>) -> bool {
    let key = "model.name";
    findings.book.is_faulty(key)
        || findings.problems.iter().any(|problem| match &problem.kind {
            ProblemKind::Syntax { .. } | ProblemKind::UnknownPreset { .. } => true,
            ProblemKind::UnknownKey { suggestion, .. } => {
                matches!(suggestion.as_deref(), Some("model" | "model.name"))
            }
            _ => false,
        })
}

fn sources(findings: &mut Findings<'_>) {
    let dataset = &findings.settings.dataset;
    let evaluation = &findings.settings.evaluation;
    for (key, names) in [("dataset.names", &dataset.names), ("evaluation.names", &evaluation.names)]
    {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                findings.rule(&[key], format!("`{key}` names `{name}` twice"), "");
            }
            if FILE_PREFIXES.contains(&name.as_str()) {
                let hint = "write the path behind the colon";
                findings.rule(&[key], format!("`{key}` has `{name}` without a path"), hint);
            }
        }
    }
    for name in evaluation.names.iter() {
        if dataset.names.contains(name) {
            findings.rule(
                &["evaluation.names", "dataset.names"],
                format!("`{name}` would be trained on and evaluated on"),
                "hold out a part of it with `evaluation.fraction` instead",
            );
        }
    }
}

fn weights(findings: &mut Findings<'_>) {
    let dataset = &findings.settings.dataset;
    for name in dataset.revisions.keys() {
        if !dataset.names.contains(name) {
            findings.rule(
                &["dataset.revisions", "dataset.names"],
                format!("`dataset.revisions` names `{name}`, which is not in `dataset.names`"),
                "write the names as in `dataset.names`",
            );
        }
    }
    for name in dataset.dataset_weights.keys() {
        if !dataset.names.contains(name) {
            let names = dataset.names.iter().map(String::as_str);
            let hint = suggest::closest(name, names)
                .map(|name| format!("did you mean `{name}`?"))
                .unwrap_or_else(|| "write the names as in `dataset.names`".to_owned());
            findings.rule(
                &["dataset.dataset_weights", "dataset.names"],
                format!(
                    "`dataset.dataset_weights` names `{name}`, which is not in `dataset.names`"
                ),
                &hint,
            );
        }
    }
    let weighted = dataset.interleave_mode == InterleaveMode::Weighted;
    if !dataset.dataset_weights.is_empty() && !weighted {
        findings.rule(
            &["dataset.dataset_weights", "dataset.interleave_mode"],
            "`dataset.dataset_weights` is used only with `dataset.interleave_mode = \"weighted\"`"
                .to_owned(),
            "set `dataset.interleave_mode = \"weighted\"`, or remove the weights",
        );
    }
    let weight = |name: &String| dataset.dataset_weights.get(name).copied().unwrap_or(1.0);
    if weighted && dataset.names.iter().all(|name| weight(name) == 0.0) {
        findings.rule(
            &["dataset.dataset_weights"],
            "every weight in `dataset.dataset_weights` is 0: nothing would be drawn".to_owned(),
            "",
        );
    }
}

/// Checks that files exist, as the predecessor did when it loaded its configuration.
pub(super) fn check_paths(findings: &mut Findings<'_>) {
    let settings = findings.settings;
    for (key, names) in [
        ("dataset.names", &settings.dataset.names),
        ("evaluation.names", &settings.evaluation.names),
    ] {
        for name in names {
            let path = FILE_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
            // A glob names files only when it is expanded.
            let Some(path) = path.filter(|path| !path.contains(['*', '?', '['])) else {
                continue;
            };
            if !path.is_empty() && !Path::new(path).exists() {
                let message = format!("`{key}` has `{name}`, but there is no `{path}`");
                let hint = "paths are taken from the current folder";
                findings.rule(&[key], message, hint);
            }
        }
    }
    if let Some(adapter) = &settings.model.load_from {
        let is_path = adapter.starts_with(['.', '/', '~']) || adapter.matches('/').count() > 1;
        if is_path && !Path::new(adapter).exists() {
            findings.rule(
                &["model.load_from"],
                format!("`model.load_from` is `{adapter}`, but there is no such folder"),
                "give the folder of a checkpoint set, or the Hub id of an adapter",
            );
        }
    }
}
