//! The main verb: settings to a trained adapter in a run folder.
//!
//! This file is the order of things; `ready.rs` gets the run ready, `ending.rs` tells how it ended.

use std::{path::Path, process::ExitCode};

use sigil_config::{Loaded, RunSettings, Settings};
use sigil_model::CheckpointPolicy;
use sigil_places::{Places, command_line};
use sigil_qlora::{
    Outcome, Stop, TrainError,
    assemble::{adapter_config, train_plan},
    card::CardFacts,
    checkpoint::Trained,
    ranks::Loading,
    session::Place,
};
use sigil_run::{RunFolder, RunIdentity};

use crate::{
    cli::Arguments,
    device, ending,
    exit::Failure,
    followers::Followers,
    live::{Live, Planned},
    model_files,
    progress::Progress,
    publish::{Publisher, Uploads, write_page},
    ready::{self, Known, Ready},
    settings,
    talk::Talk,
    watcher::Watcher,
};

/// Trains.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let places = Places::find();
    let loaded = settings::load(arguments, &places)?;
    let talk = Talk::default();
    loaded.notes.iter().for_each(|note| talk.note(note));
    let stop = Stop::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once, should the step take too long.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .map_err(|error| Failure::new(1, error, None))?;
    }
    let (place, memory_bytes) = device::choose(&loaded.settings, &places)?;
    let threads = threads_each(&loaded.settings, place);
    use_threads(threads)?;
    let uploads = match &arguments.hub_repo {
        Some(repo) => Some(Uploads::start(repo, arguments.hub_private, &loaded.settings.hub)?),
        None => None,
    };
    let (outcome, watcher, uploads) =
        train(arguments, &loaded, &places, &stop, &talk, (place, memory_bytes), uploads)?;
    let code = ending::tell(arguments, &loaded.settings, &outcome, &stop, &talk);
    let run = &loaded.settings.run.output_dir;
    if let Some(watcher) = watcher {
        watcher.finish(&stop, &talk);
        // The last set was judged after its page was written.
        write_page(run, &talk);
    }
    if let Some(uploads) = uploads {
        uploads.finish(run, &stop, &talk);
    }
    Ok(code)
}

fn train(
    arguments: &Arguments,
    loaded: &Loaded,
    places: &Places,
    stop: &Stop,
    talk: &Talk,
    (place, memory_bytes): (Place, Option<u64>),
    uploads: Option<Uploads>,
) -> Result<(Outcome, Option<Watcher>, Option<Uploads>), Failure> {
    let settings = &loaded.settings;
    let (known, opened) =
        ready::check(loaded, places, talk, arguments.resume, memory_bytes, place)?;
    device::check_kernels(place, talk);
    let (run, run_notes) = open_run(settings)?;
    let log_file = settings.run.log_file.as_ref().map(|path| run.path().join(path));
    let made = talk.to_file(log_file.as_deref()).map_err(|error| {
        let path = log_file.as_deref().unwrap_or(Path::new("")).display();
        Failure::new(1, format!("cannot write `{path}` (`run.log_file`): {error}"), None)
    });
    // They load while this process reads the rows.
    let made = made.and_then(|()| Followers::start(&loadings(settings, &known, place)));
    // Where the rows are wrong the channels close before the processes behind them are waited for.
    let made = made.and_then(|(followers, channels)| {
        let ready = ready::ready(loaded, places, talk, &known, opened, place)?;
        Ok((followers, channels, ready))
    });
    let (followers, channels, ready) = match made {
        Ok(made) => made,
        Err(failure) => {
            // What went wrong is the message; an empty folder that stays does no harm.
            drop(run.abandon());
            return Err(failure);
        }
    };
    let Ready { session, stream, evaluation, steps, data_facts, ledger } = ready;

    let trained = match settings.model.mode {
        sigil_config::TrainingMode::Full => Trained::Full,
        _ => Trained::Adapter(adapter_config(settings)),
    };
    let mut plan = train_plan(settings, steps, known.policies, trained);
    plan.set_files.extend(model_files::tokenizer_files(&known.folder)?);
    plan.card = Some(CardFacts {
        settings: settings.clone(),
        command: command_line("sigil-train"),
        data: data_facts,
        versions: vec![
            ("sigil-train".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("backend".to_owned(), session.backend_name()),
        ],
        license: None,
    });
    plan.ledger = Some(ledger);
    let run_folder = settings.run.output_dir.as_path();
    let live = if arguments.tui { screen(settings, known.planned_bytes, stop, talk) } else { None };
    let mut progress = Publisher::new(Progress::new(talk.clone(), live), run_folder, talk, uploads);
    run_notes.iter().for_each(|note| talk.note(note));
    run.write_file("config.toml", settings.to_toml().as_bytes()).map_err(TrainError::from)?;
    let resume = arguments.resume;
    // A process that failed tells why itself, and its code is the run's.
    let code = |error: TrainError| match &error {
        TrainError::Ranks(_) => Failure::from(error).with_code(followers.failure_code()),
        _ => error.into(),
    };
    let mut run_loop = session
        .into_loop(channels, stream, evaluation, run, plan, resume, &mut progress)
        .map_err(code)?;
    // The run is taken by now, so that the watcher sees it live.
    let watcher = match &arguments.watch_eval {
        Some(tasks) => Some(Watcher::start(&settings.run.output_dir, tasks.as_deref(), talk)?),
        None => None,
    };
    let outcome = run_loop.train(stop, &mut progress).map_err(code)?;
    // It holds the channels that tell the other processes to end.
    drop(run_loop);
    drop(followers);
    Ok((outcome, watcher, progress.finish()))
}

/// What each of the other processes is to load.
fn loadings(settings: &Settings, known: &Known, place: Place) -> Vec<Loading> {
    let policy = known.policies.0.first().copied().unwrap_or(CheckpointPolicy::Inputs);
    (1..settings.run.processes)
        .map(|rank| Loading {
            settings: settings.to_toml(),
            folder: known.folder.clone(),
            cuda_device: place.cuda_device().map(|first| first + rank),
            policy: policy.name().to_owned(),
            threads: threads_each(settings, place),
        })
        .collect()
}

/// Threads of each process: on the CPU they share the cores.
fn threads_each(settings: &Settings, place: Place) -> Option<usize> {
    let RunSettings { threads, processes, .. } = settings.run;
    if processes < 2 || place != Place::Cpu {
        return threads;
    }
    let all = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    all.map(|all| (all / processes).max(1))
}

/// Sets the threads of this process's work on the CPU.
pub(crate) fn use_threads(threads: Option<usize>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| Failure::new(1, error, None))
}

/// The screen of `--tui`; without a terminal the run is told in lines.
fn screen(
    settings: &Settings,
    memory_bytes: Option<u64>,
    stop: &Stop,
    talk: &Talk,
) -> Option<Live> {
    let planned = Planned {
        run: settings.run.output_dir.clone(),
        model: settings.model.name.clone(),
        memory_bytes,
    };
    Live::start(planned, stop.clone())
        .map_err(|reason| talk.note(format!("`--tui` shows lines here: {reason}")))
        .ok()
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
