//! Which two models are compared: the tuned one of the arguments, and the base that it was tuned from.
//!
//! Reads no weights: the base's name is in the adapter's configuration. `generator.rs` gets flags.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use sigil_run::{RunError, RunView};

use crate::exit::Failure;

/// Which models.
#[derive(Args, Clone, Debug)]
pub(crate) struct Models {
    /// Run folder of sigil-train, for the tuned model
    #[arg(long, value_name = "FOLDER", conflicts_with = "adapter")]
    pub(crate) run: Option<PathBuf>,
    /// Checkpoint set of the run: newest, best, or its step
    #[arg(long, value_name = "SET", default_value = "newest")]
    pub(crate) set: String,
    /// PEFT adapter folder, for the tuned model
    #[arg(long, value_name = "FOLDER")]
    pub(crate) adapter: Option<PathBuf>,
    /// The base: a folder, a Hub id, or sigil-base; otherwise the one the adapter names
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) model: Option<String>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contestant {
    /// `base` or `tuned`.
    pub(crate) role: &'static str,
    /// What is said of it.
    pub(crate) label: String,
    /// The generator's flags for it.
    pub(crate) flags: Vec<OsString>,
}

impl Models {
    /// The base and, where a run or an adapter is named, the tuned model.
    pub(crate) fn contestants(&self) -> Result<Vec<Contestant>, Failure> {
        let (folder, mut flags): (Option<PathBuf>, Vec<OsString>) = match (&self.run, &self.adapter)
        {
            (Some(run), _) => {
                let (step, folder) = set_of(run, &self.set)?;
                // The step, so that a run that goes on meanwhile changes nothing.
                let flags =
                    vec!["--run".into(), run.into(), "--set".into(), step.to_string().into()];
                (Some(folder), flags)
            }
            (None, Some(adapter)) => {
                (Some(adapter.clone()), vec!["--adapter".into(), adapter.into()])
            }
            (None, None) => (None, vec![]),
        };
        let base = match (&self.model, &folder) {
            (Some(model), _) => model.clone(),
            (None, Some(folder)) => base_of(folder)?,
            (None, None) => {
                let hint =
                    "name a run with --run, an adapter with --adapter, or a base with --model";
                return Err(Failure::new(
                    2,
                    "there is no model to evaluate",
                    Some(hint.to_owned()),
                ));
            }
        };
        let mut all = vec![Contestant {
            role: "base",
            label: base.clone(),
            flags: vec!["--model".into(), base.clone().into()],
        }];
        if let Some(folder) = folder {
            if self.model.is_some() {
                flags.extend(["--model".into(), base.into()]);
            }
            all.push(Contestant { role: "tuned", label: folder.display().to_string(), flags });
        }
        Ok(all)
    }
}

/// The failure of a run folder.
pub(crate) fn of_run(error: RunError) -> Failure {
    let hint = error.hint();
    Failure::new(6, error, hint)
}

/// The step and folder of a run's set.
fn set_of(run: &Path, which: &str) -> Result<(u64, PathBuf), Failure> {
    let view = RunView::open(run).map_err(of_run)?;
    let set = match which {
        "newest" => view.newest_whole_set().map_err(of_run)?.set.ok_or_else(|| {
            Failure::new(6, format!("no whole checkpoint set in `{}`", run.display()), None)
        })?,
        "best" => {
            let best = view.best().map_err(of_run)?.ok_or_else(|| {
                Failure::new(6, format!("no best set is marked in `{}`", run.display()), None)
            })?;
            view.set(best.step).map_err(of_run)?
        }
        step => {
            let number = step.strip_prefix("step-").unwrap_or(step).parse().map_err(|_| {
                let hint = "use newest, best, or a step such as 400";
                Failure::new(2, format!("`--set {which}` is no set"), Some(hint.to_owned()))
            })?;
            view.set(number).map_err(of_run)?
        }
    };
    Ok((set.step(), set.folder().to_owned()))
}

/// The base that an adapter names.
fn base_of(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("adapter_config.json");
    let unknown = |why: String| {
        let hint = "name the base with --model";
        Failure::new(
            6,
            format!("the base of `{}` is not known: {why}", folder.display()),
            Some(hint.to_owned()),
        )
    };
    let bytes = std::fs::read(&path).map_err(|error| unknown(error.to_string()))?;
    let config: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unknown(error.to_string()))?;
    let name = config.get("base_model_name_or_path").and_then(serde_json::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| unknown("the adapter names none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_names_its_base_and_a_flag_decides() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = r#"{"base_model_name_or_path":"some/base","r":2}"#;
        std::fs::write(folder.path().join("adapter_config.json"), config).expect("written");
        let mut models = Models {
            run: None,
            set: "newest".into(),
            adapter: Some(folder.path().to_owned()),
            model: None,
        };
        let found = models.contestants().expect("two models");
        assert_eq!((found[0].role, found[0].label.as_str()), ("base", "some/base"));
        assert_eq!(found[1].flags.len(), 2);
        models.model = Some("other".into());
        let found = models.contestants().expect("two models");
        assert_eq!(found[0].flags, ["--model", "other"]);
        assert_eq!(found[1].flags[2..], ["--model", "other"]);
        models.adapter = None;
        assert_eq!(models.contestants().expect("the base").len(), 1);
        models.model = None;
        assert!(models.contestants().is_err());
    }
}
