//! The main verb: settings to a trained adapter in a run folder.

use std::{path::Path, process::ExitCode, sync::Arc};

use sigil_config::{Loaded, Settings};
use sigil_data::{BatchStream, Tokenizer};
use sigil_kernels::{Cpu, CudaDevice, DType, Gpu, Kernels};
use sigil_model::{ModelError, adapter::set_adapter, load::Source};
use sigil_qlora::{
    Outcome, Reporter as _, Stop, TrainError, Trainer,
    assemble::{adapter_config, batch_plan, load_options, policies, total_steps, train_plan},
    card::CardFacts,
    checkpoint::Trained,
    data::{DataPlaces, PreparedData, prepare},
};
use sigil_run::{RunFolder, RunIdentity};
use sigil_weights::{Adapter, DecoderConfig, WeightFiles};

use crate::{
    cli::Arguments,
    device::{self, Chosen},
    exit::Failure,
    model_files,
    places::{Places, command_line},
    progress::Progress,
    settings,
};

/// Trains.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let places = Places::find();
    let loaded = settings::load(arguments, &places)?;
    loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if let Some(threads) = loaded.settings.run.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|error| Failure::new(1, error, None))?;
    }
    let stop = Stop::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once, should the step take too long.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .map_err(|error| Failure::new(1, error, None))?;
    }
    let outcome = match device::choose(&loaded.settings, &places)? {
        Chosen::Cpu => {
            train::<Cpu>(arguments, &loaded, &places, &stop, &Default::default(), DType::F32)?
        }
        Chosen::Cuda(index) => {
            let device = CudaDevice::new(index);
            let compute = device::compute_dtype(&loaded.settings);
            train::<Gpu>(arguments, &loaded, &places, &stop, &device, compute)?
        }
    };
    Ok(tell(arguments, &loaded.settings, &outcome, &stop))
}

fn train<B: Kernels>(
    arguments: &Arguments,
    loaded: &Loaded,
    places: &Places,
    stop: &Stop,
    device: &B::Device,
    compute: DType,
) -> Result<Outcome, Failure> {
    let settings = &loaded.settings;
    let folder = model_files::find(settings, places)?;
    let config = DecoderConfig::read(&folder).map_err(model)?;
    let names: Vec<String> = config.linear_modules().into_iter().map(|m| m.name).collect();
    loaded.check_against_model(&names)?;
    let (run, run_notes) = open_run(settings)?;

    let tokenizer = Tokenizer::load(&folder).map_err(TrainError::from)?;
    let data_places = DataPlaces {
        base_folder: std::env::current_dir().map_err(|error| Failure::new(1, error, None))?,
        cargo_home: places.cargo_home.clone(),
        cache_folder: settings
            .dataset
            .cache_dir
            .clone()
            .unwrap_or_else(|| places.cache.join("tokens")),
    };
    eprintln!("reading {}", settings.dataset.names.join(", "));
    let data = prepare(settings, &data_places, &tokenizer)?;
    tell_data(&data);
    let PreparedData { train, evaluation, ledger, held_out_groups, .. } = data;
    let train_tokens = train.token_count();
    let stream =
        BatchStream::new(Arc::new(train), batch_plan(settings)).map_err(TrainError::from)?;
    let steps = total_steps(settings, &stream);
    loaded.check_against_total_steps(steps as usize)?;

    eprintln!("loading {}", folder.display());
    let files = WeightFiles::open(&folder).map_err(model)?;
    let options = load_options(settings, compute);
    let (decoder, mut parameters) = sigil_model::load::load::<B>(
        &config,
        Source::Files(&files),
        &options,
        device,
        &mut |_, _| (),
    )
    .map_err(TrainError::from)?;
    drop(files);
    if let Some(start) = settings.model.load_from.as_deref().filter(|_| !arguments.resume) {
        let folder = adapter_folder(Path::new(start))?;
        let adapter = Adapter::read(&folder).map_err(model)?;
        set_adapter(&decoder, &mut parameters, &adapter).map_err(TrainError::from)?;
        eprintln!("starting from the adapter in {}", folder.display());
    }
    eprintln!(
        "{} trained parameters over {} of the base ({:?})",
        parameters.count(),
        sigil_model::adapter::base_parameter_count(&config),
        settings.model.mode,
    );

    let trained = match &options.adapter {
        Some(_) => Trained::Adapter(adapter_config(settings)),
        None => Trained::Full,
    };
    let memory = sigil_qlora::memory::available_bytes();
    let mut plan = train_plan(settings, steps, policies(settings, &config, memory), trained);
    plan.set_files.extend(model_files::tokenizer_files(&folder)?);
    plan.card = Some(CardFacts {
        settings: settings.clone(),
        command: command_line(),
        data: vec![
            ("training tokens".to_owned(), train_tokens.to_string()),
            ("held-out groups".to_owned(), held_out_groups.join(", ")),
            ("account".to_owned(), ledger.to_string().trim().replace('\n', "; ")),
        ],
        versions: vec![
            ("sigil-train".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("backend".to_owned(), B::name(device)),
        ],
        license: None,
    });
    let mut progress = Progress::new();
    run_notes.iter().for_each(|note| progress.note(note));
    run.write_file("config.toml", settings.to_toml().as_bytes()).map_err(TrainError::from)?;
    let mut trainer = Trainer::new(
        decoder,
        parameters,
        stream,
        evaluation,
        run,
        plan,
        arguments.resume,
        &mut progress,
    )?;
    Ok(trainer.train(stop, &mut progress)?)
}

fn model<E: Into<ModelError>>(error: E) -> Failure {
    TrainError::from(error.into()).into()
}

fn open_run(settings: &Settings) -> Result<(RunFolder, Vec<String>), Failure> {
    let text = settings.to_toml();
    let identity = RunIdentity {
        created_by: concat!("sigil-train ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: settings.run.seed,
        config_digest: sigil_data::Digest::of(text.as_bytes()).to_string(),
    };
    let (run, notes) = RunFolder::create_or_open(&settings.run.output_dir, &identity)
        .map_err(|error| Failure::new(6, &error, error.hint()))?;
    let mut notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    if run.record().config_digest != identity.config_digest {
        notes.push(
            "the settings are not those this run was begun with (its config.toml has them)"
                .to_owned(),
        );
    }
    Ok((run, notes))
}

/// The folder with an adapter: itself, or the newest set of a run.
fn adapter_folder(start: &Path) -> Result<std::path::PathBuf, Failure> {
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
    newest.damaged.iter().for_each(|damaged| eprintln!("note: {damaged}"));
    let set =
        newest.set.ok_or_else(|| failure(format!("no whole set in `{}`", start.display())))?;
    Ok(set.folder().to_owned())
}

fn tell_data(data: &PreparedData) {
    eprint!("{}", data.ledger);
    eprintln!(
        "{} training tokens in {} documents{}",
        data.train.token_count(),
        data.train.len(),
        data.evaluation.as_ref().map_or(String::new(), |evaluation| format!(
            "; {} held-out tokens of {}",
            evaluation.token_count(),
            data.held_out_groups.join(", ")
        )),
    );
}

/// The end: what was reached, on stderr for people and on stdout as data.
fn tell(arguments: &Arguments, settings: &Settings, outcome: &Outcome, stop: &Stop) -> ExitCode {
    let run = settings.run.output_dir.display();
    let resume = || {
        let command = command_line();
        if arguments.resume { command } else { format!("{command} --resume") }
    };
    if let Some(comparison) = outcome.comparison {
        eprintln!(
            "evaluation loss {:.4} before, {:.4} after: {:.2} % lower, {:.1} paired standard \
             errors over {} files",
            comparison.before,
            comparison.after,
            100.0 * comparison.improvement / comparison.before,
            comparison.improvement / comparison.standard_error,
            comparison.files,
        );
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
        eprintln!("interrupted after step {}; to continue:\n  {}", outcome.step, resume());
        return ExitCode::from(130);
    }
    eprintln!(
        "next:\n  the adapter, for PEFT and others   {}\n  curves                             \
         tensorboard --logdir {run}/tensorboard\n  train on from it                   \
         sigil-train --set model.load_from={run} --set run.output_dir=out/next\n  this run's \
         settings                sigil-train --print-config",
        outcome.set.display()
    );
    ExitCode::SUCCESS
}
