//! Which files make the model: base, adapter and tokenizer, from the arguments.

use std::path::{Path, PathBuf};

use sigil_data::{HubSettings, fetch_model};
use sigil_places::{BUILT_IN_MODELS, Places, built_in_model};
use sigil_run::{CheckpointSet, RunView};
use sigil_weights::Adapter;

use crate::{cli::ModelArguments, exit::Failure};

/// The base that comes with sigil.
const BUILT_IN: &str = "sigil-base";
/// The run of the quickstart, taken where nothing else is named.
const QUICKSTART: &str = "out/quickstart";

/// The folders of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelFolders {
    /// Base weights and `config.json`.
    pub(crate) base: PathBuf,
    /// PEFT adapter.
    pub(crate) adapter: Option<PathBuf>,
    /// Tokenizer files.
    pub(crate) tokenizer: PathBuf,
    /// What is said of it.
    pub(crate) label: String,
}

/// Finds the folders, fetching a base from the Hub if it has to be.
pub(crate) fn find(arguments: &ModelArguments, places: &Places) -> Result<ModelFolders, Failure> {
    let run = match (&arguments.run, &arguments.adapter, &arguments.model) {
        (Some(run), ..) => Some(run.clone()),
        (None, None, None) => {
            let run = Path::new(QUICKSTART);
            has_set(run).then(|| run.to_owned())
        }
        _ => None,
    };
    if run.is_none() && arguments.set != "newest" {
        let message = format!("`--set {}` needs a run", arguments.set);
        return Err(Failure::new(2, message).hint("name it with --run"));
    }
    let trained = match (&run, &arguments.adapter) {
        (Some(run), _) => Some(set_of(run, &arguments.set)?),
        (None, Some(folder)) => Some(folder.clone()),
        (None, None) => None,
    };
    let Some(trained) = trained else {
        let base = base(arguments.model.as_deref().unwrap_or(BUILT_IN), arguments, places)?;
        let label = base.display().to_string();
        return Ok(ModelFolders { tokenizer: base.clone(), base, adapter: None, label });
    };
    let label = trained.display().to_string();
    if !trained.join("adapter_config.json").is_file() {
        if trained.join("config.json").is_file() {
            // A set of a run that trained every weight is a model of its own.
            let tokenizer = with_tokenizer(&trained, || {
                base(arguments.model.as_deref().unwrap_or(BUILT_IN), arguments, places)
            })?;
            return Ok(ModelFolders { base: trained, adapter: None, tokenizer, label });
        }
        let message = format!("`{label}` holds neither adapter_config.json nor config.json");
        return Err(Failure::new(5, message)
            .hint("--adapter is a PEFT adapter folder; for a run use --run"));
    }
    let named = match &arguments.model {
        Some(model) => model.clone(),
        None => {
            let adapter = Adapter::read(&trained)
                .map_err(|error| Failure::new(5, &error).maybe_hint(error.hint()))?;
            adapter.config.base_model_name_or_path.ok_or_else(|| {
                Failure::new(5, format!("the adapter in `{label}` does not name its base"))
                    .hint("name it with --model")
            })?
        }
    };
    let base = base(&named, arguments, places)?;
    let tokenizer = with_tokenizer(&trained, || Ok(base.clone()))?;
    Ok(ModelFolders { base, adapter: Some(trained), tokenizer, label })
}

fn with_tokenizer(
    folder: &Path,
    otherwise: impl FnOnce() -> Result<PathBuf, Failure>,
) -> Result<PathBuf, Failure> {
    if folder.join("tokenizer.json").is_file() { Ok(folder.to_owned()) } else { otherwise() }
}

fn has_set(run: &Path) -> bool {
    RunView::open(run).and_then(|view| view.sets()).is_ok_and(|sets| !sets.is_empty())
}

/// The folder of a run's set, every byte of it compared with its manifest.
fn set_of(run: &Path, which: &str) -> Result<PathBuf, Failure> {
    let failed = |error: sigil_run::RunError| Failure::new(6, &error).maybe_hint(error.hint());
    let view = RunView::open(run).map_err(failed)?;
    let set: CheckpointSet = match which {
        "newest" => {
            let newest = view.newest_whole_set().map_err(failed)?;
            newest.damaged.iter().for_each(|damaged| eprintln!("note: {damaged}"));
            newest.set.ok_or_else(|| {
                Failure::new(6, format!("no whole checkpoint set in `{}`", run.display()))
            })?
        }
        "best" => {
            let best = view.best().map_err(failed)?.ok_or_else(|| {
                Failure::new(6, format!("no best set is marked in `{}`", run.display()))
                    .hint("a run marks one when it evaluates; use --set newest")
            })?;
            eprintln!("best set: {} ({} {:.4})", best.set, best.metric, best.value);
            view.set(best.step).map_err(failed)?
        }
        step => {
            let step = step.strip_prefix("step-").unwrap_or(step).parse().map_err(|_| {
                let message = format!("`--set {which}` is no set");
                Failure::new(2, message).hint("use newest, best, or a step such as 400")
            })?;
            view.set(step).map_err(failed)?
        }
    };
    if which != "newest" {
        set.verify().map_err(|damage| {
            let message = format!("the checkpoint set `{}` is damaged: {damage}", set.name());
            Failure::new(6, message)
        })?;
    }
    Ok(set.folder().to_owned())
}

/// The folder of a base by its name.
fn base(name: &str, arguments: &ModelArguments, places: &Places) -> Result<PathBuf, Failure> {
    if BUILT_IN_MODELS.contains(&name) {
        return built_in_model(name).ok_or_else(|| {
            let message = format!("`{name}`, which comes with sigil, is not beside this program");
            Failure::new(5, message)
                .hint("run from the repository, or keep the archive's folder together")
        });
    }
    let folder = Path::new(name);
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    if name.starts_with(['.', '/', '~']) || name.matches('/').count() != 1 {
        let hint = "--model is a folder, a Hub id such as Qwen/Qwen2.5-Coder-0.5B, or sigil-base";
        return Err(Failure::new(5, format!("there is no folder `{name}`")).hint(hint));
    }
    let mut hub = HubSettings::new(places.hub_cache.clone());
    if let Some(endpoint) = &places.hub_endpoint {
        hub.endpoint.clone_from(endpoint);
    }
    hub.token = places.hub_token.as_ref().map(|token| token.reveal().to_owned());
    hub.offline = places.hub_offline;
    eprintln!("fetching `{name}` (files that are in the cache are not fetched again)");
    fetch_model(&hub, name, &arguments.revision)
        .map_err(|error| Failure::new(5, &error).maybe_hint(error.hint()))
}
