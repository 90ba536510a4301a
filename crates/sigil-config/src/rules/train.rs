//! Rules about the optimization: steps, schedules, batches.

use super::Findings;
use crate::settings::Schedule;

/// Sequences in a step beyond which a number is surely a mistake.
const MOST_SEQUENCES: usize = 1 << 20;

pub(super) fn check(findings: &mut Findings<'_>) {
    steps(findings);
    schedule(findings);
    let train = &findings.settings.train;
    if train.sequences_per_step() > MOST_SEQUENCES {
        let message = format!(
            "`train.micro_batch_size` × `train.gradient_accumulation` is {} × {}: more than {MOST_SEQUENCES} \
             sequences for one step",
            train.micro_batch_size, train.gradient_accumulation
        );
        findings.rule(&["train.micro_batch_size", "train.gradient_accumulation"], message, "");
    }
    let (micro, processes) = (train.gradient_accumulation, findings.settings.run.processes);
    if processes > 1 && !micro.is_multiple_of(processes) {
        findings.rule(
            &["run.processes", "train.gradient_accumulation"],
            format!(
                "`run.processes` ({processes}) does not divide `train.gradient_accumulation` ({micro}): \
                 some processes would wait for the others in every step"
            ),
            "the processes share the micro-batches of a step: set `train.gradient_accumulation` to a \
             multiple of their number, and `train.micro_batch_size` to what one of them should hold",
        );
    }
}

fn steps(findings: &mut Findings<'_>) {
    let train = &findings.settings.train;
    let Some(steps) = train.num_steps else { return };
    if let Some(warmup) = train.warmup_steps.filter(|warmup| *warmup > steps) {
        findings.rule(
            &["train.warmup_steps", "train.num_steps"],
            format!("`train.warmup_steps` ({warmup}) is more than `train.num_steps` ({steps})"),
            "the learning rate would never reach its peak: warm up for fewer steps",
        );
    }
    if train.save_every > steps {
        let save_every = train.save_every;
        findings.rule(
            &["train.save_every", "train.num_steps"],
            format!("`train.save_every` ({save_every}) is more than `train.num_steps` ({steps})"),
            "no checkpoint set would be written before the last step: save more often",
        );
    }
}

fn schedule(findings: &mut Findings<'_>) {
    let train = &findings.settings.train;
    let schedule = train.lr_scheduler_type;
    let has_floor = matches!(schedule, Schedule::CosineWithMinLr | Schedule::Polynomial);
    if train.min_lr_ratio > 0.0 && !has_floor {
        findings.rule(
            &["train.min_lr_ratio", "train.lr_scheduler_type"],
            "`train.min_lr_ratio` is used only by `cosine_with_min_lr` and `polynomial`".to_owned(),
            "set `train.lr_scheduler_type = \"cosine_with_min_lr\"`, or remove it",
        );
    }
    if schedule == Schedule::CosineWithMinLr && !findings.book.is_set("train.min_lr_ratio") {
        findings.rule(
            &["train.lr_scheduler_type", "train.min_lr_ratio"],
            "`cosine_with_min_lr` needs `train.min_lr_ratio`".to_owned(),
            "set it to the lowest learning rate as a share of the peak, 0.1 for example",
        );
    }
    if train.polynomial_power != 1.0 && schedule != Schedule::Polynomial {
        findings.rule(
            &["train.polynomial_power", "train.lr_scheduler_type"],
            "`train.polynomial_power` is used only by `polynomial`".to_owned(),
            "set `train.lr_scheduler_type = \"polynomial\"`, or remove it",
        );
    }
}
