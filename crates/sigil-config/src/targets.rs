//! Checks that wait for the model or the data: adapter targets that the model must have, step
//! counts that must fit the number of steps.
//!
//! The model is known here only by the names of its modules. Read next: `rules/lora.rs` for what
//! is checked without a model.

use crate::loaded::Loaded;
use crate::problem::ConfigErrors;
use crate::settings::{Targets, TrainingMode, Warmup};
use crate::shape;
use crate::suggest;

impl Loaded {
    /// Checks the adapter settings against the names of a model's linear modules
    /// (`model.layers.0.self_attn.q_proj`).
    ///
    /// # Errors
    /// A target that matches no module, and a layer index that the model does not have. A target
    /// matches a module of that name or one whose name ends in `.` and the target, as in PEFT.
    pub fn check_against_model<S: AsRef<str>>(&self, modules: &[S]) -> Result<(), ConfigErrors> {
        if self.settings.model.mode == TrainingMode::Full {
            return Ok(());
        }
        let mut problems = Vec::new();
        let lora = &self.settings.lora;
        if let Targets::Named(targets) = lora.targets() {
            for target in targets {
                let found = modules.iter().any(|module| ends_in(module.as_ref(), target));
                if found {
                    continue;
                }
                let mut present: Vec<&str> = modules
                    .iter()
                    .filter_map(|module| module.as_ref().rsplit('.').next())
                    .collect();
                present.sort_unstable();
                present.dedup();
                let hint = match suggest::closest(target, present.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the model has {}", shape::list(&present)),
                };
                problems.extend(self.book.rule(
                    &["lora.target_modules"],
                    format!("`lora.target_modules` has `{target}`, which the model does not have"),
                    Some(hint),
                ));
            }
        }
        let layers = modules
            .iter()
            .filter_map(|module| layer_index(module.as_ref()))
            .max()
            .map_or(0, |last| last + 1);
        for index in lora.layers_to_transform.iter().flatten() {
            if *index >= layers {
                problems.extend(self.book.rule(
                    &["lora.layers_to_transform"],
                    format!("`lora.layers_to_transform` has layer {index}, and the model has {layers} layers"),
                    Some(format!("layers are counted from 0 to {}", layers.saturating_sub(1))),
                ));
            }
        }
        ConfigErrors::collect(problems)
    }

    /// Checks the step counts once the total is known, which with `train.epochs` needs the data.
    ///
    /// # Errors
    /// A warm-up or an evaluation interval that is longer than the run.
    pub fn check_against_total_steps(&self, total_steps: usize) -> Result<(), ConfigErrors> {
        let mut problems = Vec::new();
        let steps = match self.settings.train.warmup() {
            Warmup::Steps(steps) => Some(("train.warmup_steps", steps)),
            Warmup::Ratio(_) => None,
        };
        let every = self.settings.evaluation.every_steps;
        let every = every.map(|every| ("evaluation.every_steps", every));
        for (key, count) in steps.into_iter().chain(every) {
            if count > total_steps {
                problems.extend(self.book.rule(
                    &[key, "train.epochs"],
                    format!("`{key}` ({count}) is more than the {total_steps} steps of this run"),
                    Some("train for more epochs, or lower it".to_owned()),
                ));
            }
        }
        ConfigErrors::collect(problems)
    }
}

fn ends_in(module: &str, target: &str) -> bool {
    module.strip_suffix(target).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Finds the layer's index in a module's name: the first part that is a number.
fn layer_index(module: &str) -> Option<usize> {
    module.split('.').find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layers;

    fn load(arguments: &[&str]) -> Loaded {
        let arguments = arguments.iter().copied().chain(["model.name=sigil-base"]);
        Layers::new().set(arguments).load().expect("the arguments are valid")
    }

    const PHI3: [&str; 4] = [
        "model.layers.0.self_attn.qkv_proj",
        "model.layers.0.self_attn.o_proj",
        "model.layers.1.mlp.gate_up_proj",
        "model.layers.1.mlp.down_proj",
    ];

    #[test]
    fn targets_the_model_has_are_accepted() {
        for targets in ["all-linear", "qkv_proj,o_proj", "mlp.down_proj"] {
            let loaded = load(&[&format!("lora.target_modules={targets}")]);
            assert_eq!(loaded.check_against_model(&PHI3), Ok(()), "{targets}");
        }
    }

    #[test]
    fn targets_and_layers_the_model_lacks_are_all_reported() {
        let loaded =
            load(&["lora.target_modules=q_proj,o_proj,up_proj", "lora.layers_to_transform=[1, 2]"]);
        let errors = loaded.check_against_model(&PHI3).expect_err("q_proj");
        let text = errors.to_string();
        assert_eq!(errors.problems().len(), 3, "{text}");
        assert!(text.contains("`q_proj`, which the model does not have"));
        assert!(text.contains("layer 2, and the model has 2 layers"));
    }

    #[test]
    fn a_suffix_has_to_end_at_a_dot() {
        assert!(ends_in("layers.0.gate_up_proj", "gate_up_proj"));
        assert!(!ends_in("layers.0.gate_up_proj", "up_proj"));
        assert!(ends_in("up_proj", "up_proj"));
    }

    #[test]
    fn full_training_needs_no_targets() {
        let loaded = load(&["model.mode=full"]);
        assert_eq!(loaded.check_against_model::<&str>(&[]), Ok(()));
    }

    #[test]
    fn counts_are_checked_against_the_steps_of_the_epochs() {
        let loaded = load(&["train.epochs=1", "train.warmup_steps=50"]);
        assert!(loaded.check_against_total_steps(50).is_ok());
        assert!(loaded.check_against_total_steps(49).is_err());
    }
}
