//! `--follow`: a process that shares the steps of another one (`followers.rs` starts it). It loads what
//! it is told to, then does what it is told until the run ends.

use std::{
    fs::File,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use rustix::{
    process::{Signal, set_parent_process_death_signal},
    stdio,
};
use sigil_config::Settings;
use sigil_model::{CheckpointPolicy, decoder::LayerPolicies, load::Source};
use sigil_qlora::{
    TrainError,
    assemble::{adamw, load_options},
    micro_batch::MicroBatches,
    ranks::{Channel, Loading, RanksError},
    session::Session,
};
use sigil_weights::{DecoderConfig, WeightFiles};

use crate::{device, exit::Failure, ready::model, talk::Talk, train::use_threads};

/// Follows the process that started this one as one of `ranks`.
pub(crate) fn run(ranks: usize) -> Result<ExitCode, Failure> {
    // Ctrl-C reaches every process of the terminal; when to stop is the first one's to decide.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .map_err(|error| Failure::new(1, error, None))?;
    }
    let mut channel = channel(ranks).map_err(|error| Failure::new(1, error, None))?;
    let loading = channel.receive_loading().map_err(TrainError::from)?;
    let (session, settings, micro_batches) = match load(&loading) {
        Ok(loaded) => loaded,
        Err(failure) => {
            channel.send_failure(failure.message());
            return Err(failure);
        }
    };
    match session.follow(channel, adamw(&settings), &micro_batches) {
        // Without the first process there is nobody left to tell.
        Ok(()) | Err(RanksError::Gone { .. }) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(TrainError::from(error).into()),
    }
}

/// stdin and stdout as a channel; what anything prints from here on goes to stderr.
fn channel(ranks: usize) -> rustix::io::Result<Channel> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let from = File::from(rustix::io::dup(stdio::stdin())?);
    let to = File::from(rustix::io::dup(stdio::stdout())?);
    stdio::dup2_stdout(stdio::stderr())?;
    Ok(Channel::new(from, to, 0, ranks))
}

fn load(loading: &Loading) -> Result<(Session, Settings, MicroBatches), Failure> {
    let wrong = |message: String| Failure::new(1, message, None);
    let settings = Settings::from_toml(&loading.settings)
        .map_err(|error| wrong(format!("the settings of the run cannot be read: {error}")))?;
    let policy =
        CheckpointPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == loading.policy)
            .ok_or_else(|| wrong(format!("there is no checkpoint policy `{}`", loading.policy)))?;
    use_threads(loading.threads)?;
    let config = DecoderConfig::read(&loading.folder).map_err(model)?;
    let files = WeightFiles::open(&loading.folder).map_err(model)?;
    let place = device::place(&settings, loading.cuda_device)?;
    device::check_kernels(place, &Talk::default());
    let options = load_options(&settings, place.compute());
    let session = Session::load(place, &config, Source::Files(&files), &options, None)
        .map_err(TrainError::from)?;
    let policies = LayerPolicies::uniform(policy, config.num_layers);
    let micro_batches = MicroBatches::new(&settings, policies);
    Ok((session, settings, micro_batches))
}
