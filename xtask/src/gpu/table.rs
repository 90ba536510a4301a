//! The results of a stage for a person.

use super::{command::Stage, supervisor::CaseResult};

/// One line a case.
pub(crate) fn table(stage: Stage, results: &[CaseResult]) -> String {
    let failed = results.iter().filter(|result| !result.ok).count();
    let mut text = format!("== {} ({} cases, {failed} failed)\n", stage.name(), results.len());
    let width = results.iter().map(|result| result.case.chars().count()).max().unwrap_or(0);
    for CaseResult { case, ok, text: found, .. } in results {
        let mark = if *ok { "ok    " } else { "FAILED" };
        text += &format!("{mark} {case:<width$}  {found}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_marked() {
        let result = |case: &str, ok| CaseResult {
            index: 0,
            case: case.to_owned(),
            ok,
            text: "1 ms".to_owned(),
            figures: Default::default(),
        };
        let text = table(Stage::Ops, &[result("copy", true), result("norm x", false)]);
        assert_eq!(text, "== ops (2 cases, 1 failed)\nok     copy    1 ms\nFAILED norm x  1 ms\n");
    }
}
