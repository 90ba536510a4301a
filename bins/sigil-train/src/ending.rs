//! The end of a run: what was reached, on stderr for people and on stdout as data.

use std::process::ExitCode;

use sigil_config::Settings;
use sigil_places::command_line;
use sigil_qlora::{Outcome, Stop};

use crate::{cli::Arguments, talk::Talk};

/// Tells how the run ended and what comes next, and gives the exit code.
pub(crate) fn tell(
    arguments: &Arguments,
    settings: &Settings,
    outcome: &Outcome,
    stop: &Stop,
    talk: &Talk,
) -> ExitCode {
    let run = settings.run.output_dir.display();
    let resume = || {
        let command = command_line("sigil-train");
        if arguments.resume { command } else { format!("{command} --resume") }
    };
    if let Some(comparison) = outcome.comparison {
        let share = 100.0 * comparison.improvement / comparison.before;
        talk.say(&format!(
            "evaluation loss {:.4} before, {:.4} after: {:.2} % {}, {:.1} paired standard errors \
             over {} files",
            comparison.before,
            comparison.after,
            share.abs(),
            if share < 0.0 { "HIGHER" } else { "lower" },
            (comparison.improvement / comparison.standard_error).abs(),
            comparison.files,
        ));
    }
    if arguments.json {
        let comparison = outcome.comparison.map(|comparison| {
            serde_json::json!({
                "eval_loss_before": comparison.before,
                "eval_loss_after": comparison.after,
                "improvement": comparison.improvement,
                "paired_standard_error": comparison.standard_error,
                "files": comparison.files,
            })
        });
        let report = serde_json::json!({
            "step": outcome.step,
            "finished": outcome.finished,
            "stopped_early": outcome.stopped_early,
            "checkpoint_set": outcome.set,
            "evaluation": comparison,
        });
        println!("{report}");
    } else {
        println!("{}", outcome.set.display());
    }
    if !outcome.finished && stop.asked() {
        talk.say(&format!("interrupted after step {}; to continue:\n  {}", outcome.step, resume()));
        return ExitCode::from(130);
    }
    talk.say(&format!(
        "next:\n  the adapter, for PEFT and others   {}\n  the run as a page                  \
         {run}/report.html\n  curves                             tensorboard --logdir \
         {run}/tensorboard\n  merge, export, publish             sigil-adapter --help\n  train on from it \
         \x20                 sigil-train --set model.load_from={run} --set \
         run.output_dir=out/next\n  this run's settings                sigil-train --print-config",
        outcome.set.display()
    ));
    ExitCode::SUCCESS
}
