//! Rules about the held-out rows: whatever needs them needs them to exist.

use super::Findings;

pub(super) fn check(findings: &mut Findings<'_>) {
    let settings = findings.settings;
    let evaluation = &settings.evaluation;
    // Local rows may carry a mark of their own (`split = "val"`), known only when they are read.
    let may_be_marked = settings
        .dataset
        .names
        .iter()
        .any(|name| name.starts_with("local:") || name.starts_with("parquet:"));
    if !evaluation.has_split() && !may_be_marked {
        let needs: [(&'static str, bool); 3] = [
            ("evaluation.every_steps", evaluation.every_steps.is_some()),
            ("evaluation.early_stopping_patience", evaluation.early_stopping_patience.is_some()),
            ("train.load_best_model_at_end", settings.train.load_best_model_at_end),
        ];
        for (key, _) in needs.into_iter().filter(|(_, needed)| *needed) {
            findings.rule(
                &[key, "evaluation.fraction", "evaluation.groups", "evaluation.names"],
                format!("`{key}` needs rows to evaluate on, and none are held out"),
                "set `evaluation.fraction` (0.02, say), `evaluation.groups` or `evaluation.names`",
            );
        }
    }
    if evaluation.early_stopping_patience.is_some() && evaluation.every_steps.is_none() {
        findings.rule(
            &["evaluation.early_stopping_patience", "evaluation.every_steps"],
            "`evaluation.early_stopping_patience` needs evaluations during the run".to_owned(),
            "set `evaluation.every_steps`",
        );
    }
    if let (Some(every), Some(steps)) = (evaluation.every_steps, settings.train.num_steps)
        && every > steps
    {
        findings.rule(
            &["evaluation.every_steps", "train.num_steps"],
            format!("`evaluation.every_steps` ({every}) is more than `train.num_steps` ({steps})"),
            "evaluate more often, or leave it out to evaluate before the first and after the last step",
        );
    }
}
