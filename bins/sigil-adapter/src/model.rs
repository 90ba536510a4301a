//! From the arguments to a base, an adapter and a tokenizer, read and fitted together.

use std::path::{Path, PathBuf};

use sigil_adapter::AdapterError;
use sigil_adapter::subject::Subject;
use sigil_adapter::tensors::Onto;
use sigil_data::fetch_model;
use sigil_places::{BUILT_IN_MODELS, built_in_model};
use sigil_weights::{Adapter, DecoderConfig, WeightFiles};

use crate::cli::{Base, OntoName, Which};
use crate::exit::Failure;
use crate::places::hub;

/// A base with an adapter, or a model that was trained as a whole.
pub(crate) struct Model {
    /// The folder with the adapter, or that of the model.
    pub(crate) folder: PathBuf,
    /// The folder of the base; of a model, its own.
    pub(crate) base: PathBuf,
    /// The base's name as the adapter or the user has it.
    pub(crate) base_name: Option<String>,
    pub(crate) adapter: Option<Adapter>,
    pub(crate) config: DecoderConfig,
    pub(crate) files: WeightFiles,
    pub(crate) onto: Onto,
}

impl Model {
    /// Folders that may hold a tokenizer, the nearest first.
    pub(crate) fn companions(&self) -> [&Path; 2] {
        [&self.folder, &self.base]
    }

    /// The folder with the tokenizer.
    pub(crate) fn tokenizer(&self) -> Option<&Path> {
        self.companions().into_iter().find(|folder| folder.join("tokenizer.json").is_file())
    }
}

/// Finds the subject, and says what was passed over.
pub(crate) fn subject(path: &Path, set: &str) -> Result<Subject, Failure> {
    let subject = Subject::find(path, set)?;
    if let Subject::Run { damaged, .. } = &subject {
        damaged.iter().for_each(|damaged| eprintln!("note: {damaged}"));
    }
    Ok(subject)
}

/// Reads everything; a base that is a Hub id is fetched.
pub(crate) fn open(which: &Which, base: &Base) -> Result<Model, Failure> {
    let subject = subject(&which.path, &which.set)?;
    let Some(folder) = subject.weights_folder().map(Path::to_owned) else {
        let path = which.path.clone();
        let what = "has no checkpoint set or weights yet";
        return Err(AdapterError::WrongKind { path, what }.into());
    };
    let (base_folder, base_name, adapter) = if subject.is_adapter() {
        let adapter = Adapter::read(&folder).map_err(AdapterError::from)?;
        let name = base.base.clone().or_else(|| adapter.config.base_model_name_or_path.clone());
        let name = name.ok_or_else(|| {
            Failure::new(5, format!("the adapter in `{}` does not name its base", folder.display()))
                .hint("name it with --base")
        })?;
        (find_base(&name, &base.revision)?, Some(name), Some(adapter))
    } else {
        if base.base.is_some() {
            let message = format!("`{}` is a whole model, not an adapter", folder.display());
            return Err(Failure::new(2, message).hint("leave --base out"));
        }
        (folder.clone(), None, None)
    };
    let config = DecoderConfig::read(&base_folder).map_err(AdapterError::from)?;
    let files = WeightFiles::open(&base_folder).map_err(AdapterError::from)?;
    let onto = match base.onto {
        OntoName::Base => Onto::Base,
        OntoName::Nf4 => Onto::Nf4,
    };
    Ok(Model { folder, base: base_folder, base_name, adapter, config, files, onto })
}

fn find_base(name: &str, revision: &str) -> Result<PathBuf, Failure> {
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
        let hint = "--base is a folder, a Hub id such as Qwen/Qwen2.5-Coder-0.5B, or sigil-base";
        return Err(Failure::new(5, format!("there is no folder `{name}`")).hint(hint));
    }
    eprintln!("fetching `{name}` (files that are in the cache are not fetched again)");
    fetch_model(&hub(), name, revision)
        .map_err(|error| Failure::new(5, &error).maybe_hint(error.hint()))
}
