//! Two learning curves compared: ours and the peer's, over the same tokens from the same weights.

use std::io::Write;
use std::path::Path;

use miette::{Context, IntoDiagnostic};
use serde_json::json;

use super::{
    command::{Side, Stage},
    learning::tail_mean,
    supervisor::{CaseResult, part_name},
};

/// Largest difference of the means over the last hundred steps, relative to the peer's.
const TOLERANCE: f64 = 0.01;

/// The comparison as one more case, where both curves are there; it is appended to our results.
///
/// # Errors
/// The results cannot be written.
pub(crate) fn compare(results: &[CaseResult], out: &Path) -> miette::Result<Option<CaseResult>> {
    let curves: Vec<Vec<f64>> = results.iter().filter_map(losses).collect();
    let [ours, peer] = curves.as_slice() else { return Ok(None) };
    let (own, other) = (tail_mean(ours), tail_mean(peer));
    let apart = (own - other).abs() / other;
    let result = CaseResult {
        index: results.len(),
        case: "the two curves".to_owned(),
        ok: apart <= TOLERANCE && ours.len() == peer.len(),
        text: format!(
            "first {:.4} and {:.4}, last hundred {own:.4} and {other:.4}: {:.2} % apart, at most 1 %",
            ours.first().unwrap_or(&f64::NAN),
            peer.first().unwrap_or(&f64::NAN),
            100.0 * apart,
        ),
        figures: match json!({ "ours": own, "peer": other, "apart": apart }) {
            serde_json::Value::Object(figures) => figures,
            _ => Default::default(),
        },
    };
    let path = out.join(format!("{}.jsonl", part_name(Stage::Learn, Side::Own)));
    let line = serde_json::to_string(&result).expect("strings and numbers serialize");
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{line}"))
        .into_diagnostic()
        .wrap_err_with(|| format!("writing {}", path.display()))?;
    Ok(Some(result))
}

fn losses(result: &CaseResult) -> Option<Vec<f64>> {
    let losses = result.figures.get("losses")?.as_array()?;
    Some(losses.iter().map(|loss| loss.as_f64().unwrap_or(f64::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(losses: &[f64]) -> CaseResult {
        let figures = json!({ "losses": losses });
        CaseResult {
            index: 0,
            case: "steps".to_owned(),
            ok: true,
            text: String::new(),
            figures: figures.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn curves_that_part_are_a_failure() -> miette::Result<()> {
        let folder = tempfile::tempdir().into_diagnostic()?;
        std::fs::write(folder.path().join("learn.jsonl"), "").into_diagnostic()?;
        let compared =
            |ours: &[f64], peer: &[f64]| compare(&[result(ours), result(peer)], folder.path());
        let close = compared(&[8.0, 4.0, 3.0], &[8.0, 4.0, 3.01])?;
        assert!(close.is_some_and(|result| result.ok));
        for (ours, peer) in [
            (&[8.0, 4.0, 3.0][..], &[8.0, 4.0, 3.2][..]),
            (&[8.0, 4.0, f64::NAN], &[8.0, 4.0, 3.0]),
            (&[8.0, 4.0], &[8.0, 4.0, 4.0]),
        ] {
            assert!(compared(ours, peer)?.is_some_and(|result| !result.ok));
        }
        assert!(compare(&[result(&[8.0])], folder.path())?.is_none());
        let lines = std::fs::read_to_string(folder.path().join("learn.jsonl")).into_diagnostic()?;
        assert_eq!(lines.lines().count(), 4);
        Ok(())
    }
}
