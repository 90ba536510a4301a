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
/// Around our part of the text. Cards of earlier versions have no end of it: there it goes as far as the
/// lines that we write.
const MARK: &str = "\n<!-- judged by sigil-eval -->\n";
const MARK_END: &str = "\n<!-- end of what was judged by sigil-eval -->\n";
/// The heading of our part.
const HEADING: &str = "Judged samples";
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
    let (body, after) = around_ours(body);
    let mut block = String::from(BEGIN);
    if !front.contains(INDEX) {
        let name = body.lines().find_map(|line| line.strip_prefix("# "))?;
        let _infallible =
            write!(block, "{INDEX}- name: {}\n  results:\n", yaml_string(&unescaped(name)));
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
    // Our items follow the index's own, whatever else the front matter goes on with.
    let at = front.find(INDEX).map_or(front.len(), |at| {
        let items = front[at + INDEX.len()..].split_inclusive('\n');
        let items = items.take_while(|line| line.starts_with([' ', '-', '#']));
        at + INDEX.len() + items.map(str::len).sum::<usize>()
    });
    let (before, rest) = front.split_at(at);
    let mut text = format!("---\n{before}{block}{rest}---\n{body}{MARK}");
    let _infallible = write_table(&mut text, HEADING, &rows);
    text.push_str(MARK_END);
    text.push_str(after);
    Some(text)
}

/// The text before and after what was put in before.
fn around_ours(body: &str) -> (&str, &str) {
    let Some((before, rest)) = body.split_once(MARK) else { return (body, "") };
    if let Some((_, after)) = rest.split_once(MARK_END) {
        return (before, after);
    }
    // A card of an earlier version: an empty line, our heading, an empty line, our table.
    let lines = rest.split_inclusive('\n');
    let ours = lines.enumerate().take_while(|(_, line)| {
        line.trim().is_empty() || *line == format!("## {HEADING}\n") || line.starts_with('|')
    });
    (before, &rest[ours.map(|(_, line)| line.len()).sum::<usize>()..])
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

            <!-- end of what was judged by sigil-eval -->
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
    fn what_a_user_wrote_anywhere_stays() {
        let once = card_with_judged(&card(vec![metric("loss", 2.0)]), &[metric("a", 0.5)], &[]);
        let edited = once
            .expect("it is a card")
            .replace("\n---\n\n#", "\nextra_gated_prompt: mine\n---\n\n#")
            .replace("## Model", "My own words.\n\n## Model")
            + "\n## How I use it\n\nWith care.\n";
        let again = card_with_judged(&edited, &[metric("b", 0.75)], &[]).expect("it is a card");
        for own in ["extra_gated_prompt: mine", "My own words.", "## How I use it\n\nWith care.\n"]
        {
            assert!(again.contains(own), "{own} is lost: {again}");
        }
        assert!(!again.contains("type: \"a\"") && again.contains("type: \"b\""), "{again}");
        assert_eq!(again.matches("## Judged samples").count(), 1);
        let index = again.find("model-index:").expect("there is one");
        let key = again.find("extra_gated_prompt").expect("it stays");
        let item = again.find("type: \"b\"").expect("it is there");
        assert!(index < item && item < key, "items belong to their index: {again}");
        assert_eq!(card_with_judged(&again, &[metric("b", 0.75)], &[]), Some(again.clone()));
    }

    #[test]
    fn a_card_of_an_earlier_version_is_understood() {
        let new = card_with_judged(&card(vec![]), &[metric("a", 0.5)], &[]).expect("a card");
        let old = new.replace(MARK_END, "") + "\n## Mine\n";
        let again = card_with_judged(&old, &[metric("a", 0.25)], &[]).expect("a card");
        assert!(again.ends_with("\n## Mine\n") || again.ends_with("## Mine\n"), "{again}");
        assert_eq!(again.matches("## Judged samples").count(), 1);
    }

    #[test]
    fn what_is_no_card_is_left_alone() {
        for text in ["", "# Title\n", "---\nname: x\n"] {
            assert_eq!(card_with_judged(text, &[metric("a", 0.5)], &[]), None, "{text}");
        }
    }
}
