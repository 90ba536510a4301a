//! Rules about adapters: which projections there can be, and what excludes what.

use std::collections::BTreeSet;

use super::Findings;
use crate::settings::TrainingMode;
use crate::suggest;

/// The projections of the supported families; the last two are phi3's fused ones.
pub(crate) const PROJECTIONS: [&str; 9] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "up_proj",
    "down_proj",
    "gate_proj",
    "qkv_proj",
    "gate_up_proj",
];

pub(super) fn check(findings: &mut Findings<'_>) {
    let settings = findings.settings;
    let targets = &settings.lora.target_modules;
    const KEY: &str = "lora.target_modules";
    let mut seen = BTreeSet::new();
    for target in targets {
        if !seen.insert(target) {
            let message = format!("`{KEY}` names `{target}` twice");
            findings.rule(&[KEY], message, "");
        }
        let name = target.rsplit('.').next().unwrap_or(target);
        if target == "all-linear" || PROJECTIONS.contains(&name) {
            continue;
        }
        let hint = match name {
            "lm_head" | "embed_tokens" => {
                "embeddings and the head stay frozen; `model.mode = \"full\"` trains them"
                    .to_owned()
            }
            _ => suggest::closest(name, PROJECTIONS)
                .map(|name| format!("did you mean `{name}`?"))
                .unwrap_or_else(|| format!("there are {}", crate::shape::list(&PROJECTIONS))),
        };
        let message = format!("`{KEY}` has `{target}`, which is no projection of a decoder layer");
        findings.rule(&[KEY], message, &hint);
    }
    if seen.len() > 1 && targets.iter().any(|target| target == "all-linear") {
        findings.rule(
            &[KEY],
            format!("`{KEY}` has `all-linear` beside other names"),
            "`all-linear` already means every projection",
        );
    }
    if settings.lora.layers_to_transform.as_ref().is_some_and(Vec::is_empty) {
        findings.rule(
            &["lora.layers_to_transform"],
            "`lora.layers_to_transform` is an empty list: no layer would get an adapter".to_owned(),
            "remove it to give every layer an adapter",
        );
    }
    if settings.model.mode == TrainingMode::Full && settings.model.load_from.is_some() {
        findings.rule(
            &["model.load_from", "model.mode"],
            "`model.load_from` is an adapter, and `model.mode = \"full\"` trains none".to_owned(),
            "merge the adapter into its base first and name the result in `model.name`",
        );
    }
}
