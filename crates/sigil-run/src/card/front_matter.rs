//! The YAML block at the top of a model card.
//!
//! Source: `huggingface.co/docs/hub/model-cards` and `modelcard.md` of `huggingface/hub-docs`. Only
//! Hub repositories are named here (the Hub rejects paths), and the `model-index` appears only with
//! results in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::card::escape::{yaml_float, yaml_string};
use crate::card::{CardMetric, ModelCard};

pub(super) fn render(card: &ModelCard) -> String {
    let mut text = String::new();
    let _infallible = write_block(&mut text, card);
    text
}

fn write_block(text: &mut String, card: &ModelCard) -> std::fmt::Result {
    writeln!(text, "---")?;
    if let Some(base) = card.base_model.as_ref().filter(|base| base.is_on_hub) {
        writeln!(text, "base_model: {}", yaml_string(&base.name))?;
    }
    let scalars = [
        ("library_name", card.library_name.as_str()),
        ("license", card.license.as_deref().unwrap_or_default()),
        ("pipeline_tag", card.pipeline_tag.as_str()),
    ];
    for (key, value) in scalars.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(text, "{key}: {}", yaml_string(value))?;
    }
    write_list(text, "tags", card.tags.iter())?;
    let datasets = card.datasets.iter().filter(|source| source.is_on_hub);
    write_list(text, "datasets", datasets.map(|source| &source.name))?;
    write_index(text, card)?;
    writeln!(text, "---")
}

fn write_list<'a>(
    text: &mut String,
    key: &str,
    values: impl Iterator<Item = &'a String>,
) -> std::fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_some() {
        writeln!(text, "{key}:")?;
    }
    for value in values {
        writeln!(text, "- {}", yaml_string(value))?;
    }
    Ok(())
}

fn write_index(text: &mut String, card: &ModelCard) -> std::fmt::Result {
    let mut by_dataset: BTreeMap<&str, Vec<&CardMetric>> = BTreeMap::new();
    for result in card.results.iter().filter(|result| result.value.is_finite()) {
        by_dataset.entry(&result.dataset).or_default().push(result);
    }
    if by_dataset.is_empty() {
        return Ok(());
    }
    writeln!(text, "model-index:\n- name: {}\n  results:", yaml_string(&card.title))?;
    for (dataset, results) in by_dataset {
        let (task, dataset) = (yaml_string(&card.pipeline_tag), yaml_string(dataset));
        writeln!(text, "  - task:\n      type: {task}")?;
        writeln!(text, "    dataset:\n      name: {dataset}\n      type: {dataset}\n    metrics:")?;
        for result in results {
            writeln!(text, "    - type: {}", yaml_string(&result.kind))?;
            writeln!(text, "      name: {}", yaml_string(&result.name))?;
            writeln!(text, "      value: {}", yaml_float(result.value))?;
        }
    }
    Ok(())
}
