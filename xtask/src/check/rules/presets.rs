//! Every preset names the committed JSON Schema in its first line, so that editors complete it.
//!
//! Files of other programs (`expert-…`, `sweep-…`) have settings of their own, which their crates' tests check.

use super::links::join;
use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "presets";
const MARK: &str = "#:schema ";

/// Reports presets without a schema line, or with one that leads nowhere.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let presets =
        tree.texts().filter(|(path, _)| path.starts_with("configs/") && path.ends_with(".toml"));
    let of_others = ["configs/expert-", "configs/sweep-"];
    let presets =
        presets.filter(|(path, _)| !of_others.iter().any(|start| path.starts_with(start)));
    presets
        .filter_map(|(path, text)| {
            let first = text.lines().next().unwrap_or_default();
            let Some(schema) = first.strip_prefix(MARK) else {
                let message = format!("the first line must be `{MARK}` and the schema's path");
                return Some(Finding::line(RULE, path, 1, message));
            };
            let found = join(path, schema.trim()).is_some_and(|target| tree.exists(&target));
            let message = format!("there is no schema at `{schema}`");
            (!found).then(|| Finding::line(RULE, path, 1, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_line_must_lead_somewhere() {
        let tree = Tree::from_texts([
            ("configs/good.toml", "#:schema ./sigil.schema.json\n[model]\n"),
            ("configs/gone.toml", "#:schema ../docs/gone.json\n"),
            ("configs/none.toml", "[model]\n"),
            ("configs/sigil.schema.json", "{}"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["configs/gone.toml", "configs/none.toml"]);
    }
}
