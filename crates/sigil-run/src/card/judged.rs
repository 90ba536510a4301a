//! Putting what an evaluation found into a model card that is there already.
//!
//! Works on the text that `ModelCard::render` makes, and on its own output: what was put in before is
//! taken out first. Not a YAML parser: a card of another shape is left alone.

use std::fmt::Write as _;

use crate::card::escape::{yaml_float, yaml_string};
use crate::card::{CardMetric, write_table};

/// Around our part of the front matter; comments to YAML.
const BEGIN: &str = "# judged by sigil-eval\n";
const END: &str = "# end of what was judged by sigil-eval\n";
/// Before our part of the text, which goes to its end.
const MARK: &str = "\n<!-- judged by sigil-eval -->\n";
/// Where the results of a card begin in its front matter.
const INDEX: &str = "model-index:\n";

/// The card with these results in its `model-index`, and in a table with the facts about them, in
/// place of those put in before. `None` for a text that is no card of this crate.
#[must_use]
pub fn card_with_judged(
    card: &str,
    results: &[CardMetric],
    facts: &[(String, String)],
) -> Option<String> {
    let (front, body) = card.strip_prefix("---\n")?.split_once("\n---\n")?;
    let front = without_ours(&format!("{front}\n"))?;
    let body = body.split_once(MARK).map_or(body, |(body, _)| body);
    let mut block = String::from(BEGIN);
    match front.split_once(INDEX) {
        // Our items can follow only if the index is the last of the front matter.
        Some((_, rest)) if !rest.lines().all(|line| line.starts_with([' ', '-'])) => return None,
        Some(_) => {}
        None => {
            let name = body.lines().find_map(|line| line.strip_prefix("# "))?;
            let _infallible =
                write!(block, "{INDEX}- name: {}\n  results:\n", yaml_string(&unescaped(name)));
        }
    }
    let task = front.lines().find_map(|line| line.strip_prefix("pipeline_tag: "));
    let task = task.unwrap_or("\"text-generation\"");
    let finite: Vec<&CardMetric> = results.iter().filter(|r| r.value.is_finite()).collect();
    for result in &finite {
        let dataset = yaml_string(&result.dataset);
        let _infallible = write!(
            block,
            "  - task:\n      type: {task}\n    dataset:\n      name: {dataset}\n      type: \
             {dataset}\n    metrics:\n    - type: {}\n      name: {}\n      value: {}\n",
            yaml_string(&result.kind),
            yaml_string(&result.name),
            yaml_float(result.value)
        );
    }
    block.push_str(END);
    let block = if finite.is_empty() { "" } else { &block };
    let mut rows: Vec<(String, String)> = finite
        .iter()
        .map(|r| (format!("{} ({})", r.name, r.dataset), format!("{:.4}", r.value)))
        .collect();
    rows.extend(facts.iter().cloned());
    let mut text = format!("---\n{front}{block}---\n{body}{MARK}");
    let _infallible = write_table(&mut text, "Judged samples", &rows);
    Some(text)
}

/// The front matter without what was put in before.
fn without_ours(front: &str) -> Option<String> {
    let Some((before, rest)) = front.split_once(BEGIN) else { return Some(front.to_owned()) };
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{after}"))
}

/// The text that `inline` escaped.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::ModelCard;
    use expect_test::expect;

    fn metric(kind: &str, value: f64) -> CardMetric {
        CardMetric {
            dataset: "tasks: 3".to_owned(),
            kind: kind.to_owned(),
            name: format!("Share `{kind}`"),
            value,
        }
    }

    fn card(results: Vec<CardMetric>) -> String {
        ModelCard {
            title: "a_b <c> after 3".into(),
            pipeline_tag: "text-generation".into(),
            step: 3,
            results,
            ..ModelCard::default()
        }
        .render()
    }

    #[test]
    fn a_card_without_an_index_gets_one() {
        let facts = [("seed".to_owned(), "0".to_owned())];
        let text = card_with_judged(&card(vec![]), &[metric("pass@1", 0.25)], &facts);
        expect![[r##"
            ---
            pipeline_tag: "text-generation"
            # judged by sigil-eval
            model-index:
            - name: "a_b <c> after 3"
              results:
              - task:
                  type: "text-generation"
                dataset:
                  name: "tasks: 3"
                  type: "tasks: 3"
                metrics:
                - type: "pass@1"
                  name: "Share `pass@1`"
                  value: 0.25
            # end of what was judged by sigil-eval
            ---

            # a\_b &lt;c&gt; after 3

            ## Model

            | | |
            |---|---|
            | Optimizer step | 3 |

            <!-- judged by sigil-eval -->

            ## Judged samples

            | | |
            |---|---|
            | Share \`pass@1\` (tasks: 3) | 0.2500 |
            | seed | 0 |
        "##]]
        .assert_eq(&text.expect("it is a card"));
    }

    #[test]
    fn the_cards_own_results_stay_and_ours_are_replaced() {
        let card = card(vec![metric("loss", 2.0)]);
        let once = card_with_judged(&card, &[metric("a", 0.5)], &[]).expect("it is a card");
        assert!(once.contains("type: \"loss\"") && once.contains("type: \"a\""));
        assert_eq!(once.matches("model-index:").count(), 1);
        let again = card_with_judged(&once, &[metric("a", 0.5)], &[]).expect("it is a card");
        assert_eq!(again, once);
        let other = card_with_judged(&once, &[metric("b", 0.75)], &[]).expect("it is a card");
        assert_eq!(other, card_with_judged(&card, &[metric("b", 0.75)], &[]).expect("a card"));
        let not_finite = card_with_judged(&card, &[metric("a", f64::NAN)], &[]).expect("a card");
        assert!(!not_finite.contains("sigil-eval\nmodel") && !not_finite.contains("NaN"));
    }

    #[test]
    fn what_is_no_card_is_left_alone() {
        for text in
            ["", "# Title\n", "---\nname: x\n", "---\nmodel-index:\n- a\ntags: b\n---\n# T\n"]
        {
            assert_eq!(card_with_judged(text, &[metric("a", 0.5)], &[]), None, "{text}");
        }
    }
}
