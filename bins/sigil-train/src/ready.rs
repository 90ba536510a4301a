//! From settings to everything the loop needs: files checked first, data read, the model loaded.
//!
//! Cheap checks come before dear ones, so that a wrong model file is told before a minute of
//! reading data. Next: `train.rs`, which calls this and runs the loop.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sigil_config::Loaded;
use sigil_data::{BatchStream, DocumentSet, Ledger, Tokenizer};
use sigil_kernels::DType;
use sigil_model::{ModelError, decoder::LayerPolicies, load::Source};
use sigil_places::Places;
use sigil_qlora::{
    TrainError,
    assemble::{check_memory, load_options, policies, total_steps},
    data::{DataPlaces, PreparedData, prepare},
    memory_plan::MemoryPlan,
    session::{Place, Session},
};
use sigil_weights::{Adapter, DecoderConfig, WeightFiles};

use crate::{exit::Failure, model_files, panics, talk::Talk};

/// What is known of the model before it is loaded.
pub(crate) struct Known {
    pub(crate) folder: PathBuf,
    pub(crate) config: DecoderConfig,
    pub(crate) policies: LayerPolicies,
    /// What the memory plan counts.
    pub(crate) planned_bytes: Option<u64>,
}

/// The model's files, opened and looked through.
pub(crate) struct Opened {
    files: WeightFiles,
    tokenizer: Arc<Tokenizer>,
    start: Option<Adapter>,
}

/// What the loop runs on.
pub(crate) struct Ready {
    pub(crate) session: Session,
    pub(crate) stream: BatchStream,
    pub(crate) evaluation: Option<DocumentSet>,
    pub(crate) steps: u64,
    /// For the model card, as label and text.
    pub(crate) data_facts: Vec<(String, String)>,
    /// What became of every row.
    pub(crate) ledger: Ledger,
}

/// Looks at everything that can be wrong before data is read.
pub(crate) fn check(
    loaded: &Loaded,
    places: &Places,
    talk: &Talk,
    resume: bool,
    memory_bytes: Option<u64>,
    place: Place,
) -> Result<(Known, Opened), Failure> {
    let settings = &loaded.settings;
    let folder = model_files::find(settings, places)?;
    let config = DecoderConfig::read(&folder).map_err(model)?;
    let names: Vec<String> = config.linear_modules().into_iter().map(|m| m.name).collect();
    loaded.check_against_model(&names)?;
    let files = WeightFiles::open(&folder).map_err(model)?;
    let tokenizer = Arc::new(Tokenizer::load(&folder).map_err(TrainError::from)?);
    let start = match settings.model.load_from.as_deref().filter(|_| !resume) {
        Some(start) => {
            let folder = adapter_folder(Path::new(start), talk)?;
            talk.say(&format!("starting from the adapter in {}", folder.display()));
            Some(Adapter::read(&folder).map_err(model)?)
        }
        None => None,
    };
    let element_bytes = if place.compute() == DType::F32 { 4 } else { 2 };
    let policies = policies(settings, &config, memory_bytes, element_bytes);
    let fits = |memory| check_memory(settings, &config, &policies, memory, element_bytes);
    // The same words, should the device have less than the plan says.
    if let Err(error) = fits(Some(0)) {
        panics::advise_on_memory(&error);
    }
    fits(memory_bytes)?;
    let plan = |policy| MemoryPlan::new(settings, &config, policy, element_bytes).total();
    let planned_bytes = policies.0.first().copied().map(plan);
    Ok((Known { folder, config, policies, planned_bytes }, Opened { files, tokenizer, start }))
}

/// Reads the data and loads the model.
pub(crate) fn ready(
    loaded: &Loaded,
    places: &Places,
    talk: &Talk,
    known: &Known,
    opened: Opened,
    place: Place,
) -> Result<Ready, Failure> {
    let settings = &loaded.settings;
    let Known { folder, config, .. } = known;
    let Opened { files, tokenizer, start } = opened;
    let data_places = DataPlaces {
        base_folder: std::env::current_dir().map_err(|error| Failure::new(1, error, None))?,
        cargo_home: places.cargo_home.clone(),
        cache_folder: settings.dataset.cache_dir.clone().unwrap_or_else(|| places.row_cache()),
        hub_cache: places.hub_cache.clone(),
    };
    talk.say(&format!("reading {}", settings.dataset.names.join(", ")));
    let mut told = String::new();
    let data = prepare(settings, &data_places, &tokenizer, &mut |file, there, whole| {
        if told != file {
            talk.say(&format!("fetching {file}: {} of {} MB are here", there >> 20, whole >> 20));
            file.clone_into(&mut told);
        }
    })?;
    tell_data(&data, talk);
    let PreparedData { stream, rows, evaluation, ledger, held_out_groups, .. } = data;
    let rows = rows.map_or("streamed".to_owned(), |rows| rows.to_string());
    let data_facts = vec![
        ("training rows".to_owned(), rows),
        ("held-out groups".to_owned(), held_out_groups.join(", ")),
        ("account".to_owned(), ledger.to_string().trim().replace('\n', "; ")),
    ];
    let steps = total_steps(settings, &stream)?;
    loaded.check_against_total_steps(steps as usize)?;

    talk.say(&format!("loading {}", folder.display()));
    let options = load_options(settings, place.compute());
    let session = Session::load(place, config, Source::Files(&files), &options, start.as_ref())
        .map_err(TrainError::from)?;
    let (trained, base) = session.parameter_counts();
    talk.say(&format!(
        "{trained} trained parameters over {base} of the base ({:?})",
        settings.model.mode,
    ));
    Ok(Ready { session, stream, evaluation, steps, data_facts, ledger })
}

/// A failure of model files.
pub(crate) fn model<E: Into<ModelError>>(error: E) -> Failure {
    TrainError::from(error.into()).into()
}

/// The folder with an adapter: itself, or the newest set of a run.
fn adapter_folder(start: &Path, talk: &Talk) -> Result<PathBuf, Failure> {
    if start.join("adapter_config.json").is_file() {
        return Ok(start.to_owned());
    }
    let hint = "`model.load_from` is a PEFT adapter folder, or a run folder with a checkpoint set";
    let failure = |message: String| Failure::new(5, message, Some(hint.to_owned()));
    if !start.is_dir() {
        return Err(failure(format!("there is no folder `{}`", start.display())));
    }
    let view = sigil_run::RunView::open(start).map_err(|error| failure(error.to_string()))?;
    let newest = view.newest_whole_set().map_err(|error| failure(error.to_string()))?;
    newest.damaged.iter().for_each(|damaged| talk.note(damaged));
    let set =
        newest.set.ok_or_else(|| failure(format!("no whole set in `{}`", start.display())))?;
    Ok(set.folder().to_owned())
}

fn tell_data(data: &PreparedData, talk: &Talk) {
    talk.say(data.ledger.to_string().trim_end());
    let rows = match data.rows {
        Some(rows) if data.reused => format!("{rows} training rows, from the cache"),
        Some(rows) => format!("{rows} training rows"),
        None => "training rows are streamed".to_owned(),
    };
    let held_out = data.evaluation.as_ref().map_or(String::new(), |evaluation| {
        let tokens = evaluation.token_count();
        format!("; {tokens} held-out tokens of {}", data.held_out_groups.join(", "))
    });
    talk.say(&format!("{rows}{held_out}"));
}
