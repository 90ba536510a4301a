//! The other processes' side: does what it is told until the run ends. No file, no clock, no decision.

use burn::tensor::{DType, TensorData};
use sigil_kernels::{Kernels, Matrix, cuda::DeviceGroup};
use sigil_model::{Decoder, Parameters};

use super::{
    Channel, RanksError, flat,
    team::sum_by_devices,
    wire::{Answer, MicroLoss, Order, SentBatch},
};
use crate::{
    micro_batch::MicroBatches,
    optimizer::{AdamWSettings, Optimizer},
    step::{StepSettings, add_gradients, score},
};

/// What is said of a batch that cannot be one.
const NO_BATCH: &str = "a batch that is none";

/// Serves the first process until the run ends.
///
/// `cuda_device` is this process's device, if it has one.
///
/// # Errors
/// The first process is gone, or says what this one cannot follow; it was told why.
pub fn follow<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: Parameters<B>,
    adamw: AdamWSettings,
    micro_batches: &MicroBatches,
    mut channel: Channel,
    cuda_device: Option<usize>,
) -> Result<(), RanksError> {
    let optimizer = Optimizer::new(adamw, &parameters);
    let mut follower = Follower {
        decoder,
        parameters,
        optimizer,
        micro_batches,
        cuda_device,
        group: None,
        by_devices: false,
    };
    follower.serve(&mut channel).inspect_err(|error| channel.send_failure(&error.to_string()))
}

struct Follower<'a, B: Kernels> {
    decoder: &'a Decoder<B>,
    parameters: Parameters<B>,
    optimizer: Optimizer<B>,
    micro_batches: &'a MicroBatches,
    cuda_device: Option<usize>,
    group: Option<DeviceGroup>,
    /// Gradients are summed by the group; otherwise they go through host memory.
    by_devices: bool,
}

impl<B: Kernels> Follower<'_, B> {
    fn serve(&mut self, channel: &mut Channel) -> Result<(), RanksError> {
        let numbers = self.parameters.count();
        channel.send(&Answer::Loaded { numbers: numbers as u64 }, &[])?;
        loop {
            let (order, given) = channel.receive(3 * numbers)?;
            let (answer, back) = match order {
                Order::End => return Ok(()),
                Order::Begin { numbers: theirs, optimizer_steps } => {
                    if theirs != numbers as u64 || given.len() != 3 * numbers {
                        return Err(channel.unexpected("a state of another model"));
                    }
                    self.begin(&given, optimizer_steps);
                    continue;
                }
                Order::Join { id, rank, ranks } => (self.join(&id, [rank, ranks]), vec![]),
                Order::SumsByDevices(yes) => {
                    self.by_devices = yes;
                    continue;
                }
                Order::Step { seed, index, scale_bits, neftune_bits, batches } => {
                    let settings = StepSettings {
                        index,
                        seed,
                        neftune_alpha: neftune_bits.map(f64::from_bits),
                        // Both are the first process's to apply.
                        learning_rate: 0.0,
                        max_grad_norm: 0.0,
                    };
                    let losses = self
                        .step(batches, f32::from_bits(scale_bits), &settings)
                        .ok_or_else(|| channel.unexpected(NO_BATCH))?;
                    let gradients =
                        if self.by_devices { vec![] } else { flat::gradients(&self.parameters) };
                    (Answer::Gradients { losses }, gradients)
                }
                Order::Sum => {
                    let group = self
                        .group
                        .as_ref()
                        .ok_or_else(|| channel.unexpected("a sum of no group"))?;
                    let answer = match sum_by_devices(group, &mut self.parameters) {
                        Ok(()) => Answer::Summed,
                        Err(message) => Answer::Failed { message },
                    };
                    (answer, vec![])
                }
                Order::Apply { learning_rate_bits, gradient_scale_bits } => {
                    if !self.by_devices {
                        if given.len() != numbers {
                            return Err(channel.unexpected("gradients of another model"));
                        }
                        flat::set_gradients(&mut self.parameters, &given);
                    }
                    let [rate, scale] =
                        [learning_rate_bits, gradient_scale_bits].map(f64::from_bits);
                    self.optimizer.step(&mut self.parameters, rate, scale);
                    continue;
                }
                Order::Drop => {
                    self.parameters.clear_gradients();
                    continue;
                }
                Order::Score { batch } => {
                    let batch = batch
                        .into_batch(self.decoder.config.vocab_size)
                        .ok_or_else(|| channel.unexpected(NO_BATCH))?;
                    let nll = score(self.decoder, &self.parameters, self.micro_batches, &batch);
                    (Answer::Scores, nll)
                }
                Order::Digest => {
                    (Answer::Digest { digest: flat::digest(&self.parameters) }, vec![])
                }
            };
            channel.send(&answer, &back)?;
        }
    }

    fn begin(&mut self, state: &[f32], optimizer_steps: u64) {
        let numbers = self.parameters.count();
        flat::set_values(&mut self.parameters, &state[..numbers]);
        let first = flat::cut(&self.parameters, &state[numbers..2 * numbers]);
        let second = flat::cut(&self.parameters, &state[2 * numbers..]);
        self.optimizer.restore(first.into_iter().zip(second).collect(), optimizer_steps);
    }

    fn join(&mut self, id: &[u8], ranks: [usize; 2]) -> Answer {
        let joined = match self.cuda_device {
            None => Err("it has no GPU".to_owned()),
            Some(index) => try_group::<B>(id, ranks, index, &self.decoder.device),
        };
        match joined {
            Ok(group) => {
                self.group = Some(group);
                Answer::Joined { error: None }
            }
            Err(error) => Answer::Joined { error: Some(error) },
        }
    }

    /// The losses of the micro-batches, whose gradients are there then; `None` where one is no batch.
    fn step(
        &mut self,
        batches: Vec<SentBatch>,
        scale: f32,
        settings: &StepSettings,
    ) -> Option<Vec<MicroLoss>> {
        self.parameters.clear_gradients();
        let mut losses = vec![];
        for sent in batches {
            let number = sent.number as usize;
            let batch = sent.into_batch(self.decoder.config.vocab_size)?;
            losses.push(add_gradients(
                self.decoder,
                &mut self.parameters,
                (number, &batch),
                scale,
                self.micro_batches,
                settings,
            ));
        }
        Some(losses)
    }
}

/// Joins a group of devices as process `rank` of `ranks` and sums a number that is known.
pub(super) fn try_group<B: Kernels>(
    id: &[u8],
    [rank, ranks]: [usize; 2],
    index: usize,
    device: &B::Device,
) -> Result<DeviceGroup, String> {
    let group = DeviceGroup::join(id, rank, ranks, index).map_err(|error| error.to_string())?;
    let own = TensorData::new(vec![rank as f32 + 1.0], [1, 1]);
    let own = Matrix::<B>::from_data(own, (device, DType::F32));
    let sum = B::sum_over(&group, vec![own]).map_err(|error| error.to_string())?;
    let found: Vec<f32> =
        sum.into_iter().flat_map(|sum| sum.into_data().iter::<f32>().collect::<Vec<_>>()).collect();
    let wanted = (ranks * (ranks + 1) / 2) as f32;
    if found == [wanted] { Ok(group) } else { Err(format!("NCCL sums to {found:?} for {wanted}")) }
}
