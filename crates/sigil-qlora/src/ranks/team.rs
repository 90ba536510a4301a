//! The first process's side: deals out work, gathers answers, keeps everyone at the same parameters.
//!
//! Alone there is nobody to talk to and every method returns at once, so the step has no second path.

use sigil_data::Batch;
use sigil_kernels::{Kernels, Matrix, cuda::DeviceGroup, cuda::new_group_id};
use sigil_model::{Decoder, Parameters};

use super::{
    Channel, RanksError, flat,
    follower::try_group,
    wire::{Answer, MicroLoss, Order, SentBatch},
};
use crate::{
    micro_batch::MicroBatches,
    optimizer::Optimizer,
    step::{StepSettings, score},
};

/// The processes that share each step, seen from the first.
#[derive(Debug, Default)]
pub struct Team {
    followers: Vec<Channel>,
    /// CUDA device of this process, if it has one.
    cuda_device: Option<usize>,
    /// Devices that sum gradients; otherwise they come through host memory.
    group: Option<DeviceGroup>,
    /// Sums of this step's gradients, where they come through host memory.
    sums: Vec<f32>,
}

impl Team {
    /// This process and the ones behind `followers`, which have been told what to load; process `i + 1` is
    /// the one of `followers[i]`. `cuda_device` is this process's device.
    pub fn new(followers: Vec<Channel>, cuda_device: Option<usize>) -> Self {
        Self { followers, cuda_device, group: None, sums: vec![] }
    }

    /// Processes, this one included.
    pub fn ranks(&self) -> usize {
        self.followers.len() + 1
    }

    /// Waits until all have loaded and gives them this process's state; returns how gradients are summed,
    /// in words, where there are others.
    pub(crate) fn begin<B: Kernels>(
        &mut self,
        decoder: &Decoder<B>,
        parameters: &Parameters<B>,
        optimizer: &Optimizer<B>,
    ) -> Result<Option<String>, RanksError> {
        if self.followers.is_empty() {
            return Ok(None);
        }
        let numbers = parameters.count();
        self.answers(0, |answer, _| match answer {
            Answer::Loaded { numbers: theirs } if theirs == numbers as u64 => Ok(()),
            Answer::Loaded { numbers: theirs } => {
                Err(format!("{theirs} trained numbers, and process 0 has {numbers}"))
            }
            other => Err(format!("{other:?} after loading")),
        })?;
        let mut state = flat::values(parameters);
        let moments: Vec<(Vec<f32>, Vec<f32>)> = optimizer.moments().collect();
        state.extend(moments.iter().flat_map(|(first, _)| first));
        state.extend(moments.iter().flat_map(|(_, second)| second));
        let order = Order::Begin { numbers: numbers as u64, optimizer_steps: optimizer.steps() };
        self.tell(&order, &state)?;
        let ranks = self.ranks();
        let found = match self.cuda_device {
            None => Err("there is no GPU".to_owned()),
            Some(device) => self.join(decoder, device)?,
        };
        Ok(Some(match found {
            Ok(group) => {
                self.group = Some(group);
                format!("{ranks} processes share each step; NCCL sums their gradients")
            }
            Err(reason) => format!(
                "{ranks} processes share each step; gradients are summed in host memory ({reason})"
            ),
        }))
    }

    /// Joins a group of devices with all others, or says why there is none.
    fn join<B: Kernels>(
        &mut self,
        decoder: &Decoder<B>,
        device: usize,
    ) -> Result<Result<DeviceGroup, String>, RanksError> {
        let id = match new_group_id() {
            Ok(id) => id,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let ranks = self.ranks();
        for i in 0..self.followers.len() {
            self.tell_one(i, &Order::Join { id: id.clone(), rank: i + 1, ranks }, &[])?;
        }
        let mut found = try_group::<B>(&id, [0, ranks], device, &decoder.device);
        self.answers(0, |answer, _| match answer {
            Answer::Joined { error: None } => Ok(()),
            Answer::Joined { error: Some(error) } => {
                found = Err(error);
                Ok(())
            }
            other => Err(format!("{other:?} after joining")),
        })?;
        self.tell(&Order::SumsByDevices(found.is_ok()), &[])?;
        Ok(found)
    }

    /// Gives the others their micro-batches: number `i` goes to process `i % ranks`.
    pub(crate) fn deal(
        &mut self,
        batches: &[Batch],
        scale: f32,
        settings: &StepSettings,
    ) -> Result<(), RanksError> {
        let ranks = self.ranks();
        for i in 0..self.followers.len() {
            let numbered = batches.iter().enumerate().skip(i + 1).step_by(ranks);
            let order = Order::Step {
                seed: settings.seed,
                index: settings.index,
                scale_bits: scale.to_bits(),
                neftune_bits: settings.neftune_alpha.map(f64::to_bits),
                batches: numbered.map(|(number, batch)| SentBatch::new(number, batch)).collect(),
            };
            self.tell_one(i, &order, &[])?;
        }
        Ok(())
    }

    /// The losses of the others' micro-batches, in any order; waits until their gradients are there, and
    /// adds them up where they come through host memory: this process's first, then the others' in order.
    pub(crate) fn losses<B: Kernels>(
        &mut self,
        parameters: &Parameters<B>,
    ) -> Result<Vec<MicroLoss>, RanksError> {
        let mut all = vec![];
        if self.followers.is_empty() {
            return Ok(all);
        }
        let numbers = if self.group.is_some() { 0 } else { parameters.count() };
        let mut sums = if self.group.is_some() { vec![] } else { flat::gradients(parameters) };
        self.answers(numbers, |answer, gradients| match answer {
            Answer::Gradients { losses } if gradients.len() == numbers => {
                all.extend(losses);
                sums.iter_mut().zip(&gradients).for_each(|(sum, other)| *sum += other);
                Ok(())
            }
            Answer::Gradients { .. } => Err(format!("{} numbers for {numbers}", gradients.len())),
            other => Err(format!("{other:?} after a step")),
        })?;
        self.sums = sums;
        Ok(all)
    }

    /// Replaces the gradients by their sums over all processes.
    pub(crate) fn sum<B: Kernels>(
        &mut self,
        parameters: &mut Parameters<B>,
    ) -> Result<(), RanksError> {
        if self.followers.is_empty() {
            return Ok(());
        }
        if self.group.is_none() {
            flat::set_gradients(parameters, &self.sums);
            return Ok(());
        }
        self.tell(&Order::Sum, &[])?;
        let ranks = self.ranks();
        let group = self.group.as_ref().expect("looked at above");
        sum_by_devices(group, parameters).map_err(|message| RanksError::Failed {
            rank: 0,
            ranks,
            message,
        })?;
        self.answers(0, |answer, _| match answer {
            Answer::Summed => Ok(()),
            other => Err(format!("{other:?} after a sum")),
        })
    }

    /// Has the others take the optimizer's step, with the sums of [`Team::losses`] unless devices have
    /// summed.
    pub(crate) fn apply(
        &mut self,
        learning_rate: f64,
        gradient_scale: f64,
    ) -> Result<(), RanksError> {
        let order = Order::Apply {
            learning_rate_bits: learning_rate.to_bits(),
            gradient_scale_bits: gradient_scale.to_bits(),
        };
        let sums = std::mem::take(&mut self.sums);
        self.tell(&order, &sums)
    }

    /// Has the others forget the gradients of this step.
    pub(crate) fn drop_gradients(&mut self) -> Result<(), RanksError> {
        self.sums.clear();
        self.tell(&Order::Drop, &[])
    }

    /// The losses at every position of the batches, at most one a process, in their order.
    pub(crate) fn score<B: Kernels>(
        &mut self,
        decoder: &Decoder<B>,
        parameters: &Parameters<B>,
        micro_batches: &MicroBatches,
        batches: &[Batch],
    ) -> Result<Vec<Vec<f32>>, RanksError> {
        let Some((own, others)) = batches.split_first() else { return Ok(vec![]) };
        for (i, batch) in others.iter().enumerate() {
            let order = Order::Score { batch: SentBatch::new(i, batch) };
            self.tell_one(i, &order, &[])?;
        }
        let mut all = vec![score(decoder, parameters, micro_batches, own)];
        for (i, batch) in others.iter().enumerate() {
            match self.answer(i, batch.tokens.len())? {
                (Answer::Scores, nll) if nll.len() == batch.tokens.len() => all.push(nll),
                (other, _) => {
                    let what = format!("{other:?} after a batch to score");
                    return Err(self.followers[i].unexpected(what));
                }
            }
        }
        Ok(all)
    }

    /// Makes sure that all hold the same parameters, to the bit.
    pub(crate) fn check_equal<B: Kernels>(
        &mut self,
        parameters: &Parameters<B>,
    ) -> Result<(), RanksError> {
        if self.followers.is_empty() {
            return Ok(());
        }
        self.tell(&Order::Digest, &[])?;
        let own = flat::digest(parameters);
        for i in 0..self.followers.len() {
            match self.answer(i, 0)?.0 {
                Answer::Digest { digest } if digest == own => {}
                Answer::Digest { .. } => return Err(self.followers[i].diverged()),
                other => {
                    return Err(self.followers[i].unexpected(format!("{other:?} for a digest")));
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, order: &Order, numbers: &[f32]) -> Result<(), RanksError> {
        (0..self.followers.len()).try_for_each(|i| self.tell_one(i, order, numbers))
    }

    /// Tells one of `followers`.
    fn tell_one(&mut self, i: usize, order: &Order, numbers: &[f32]) -> Result<(), RanksError> {
        let sent = self.followers[i].send(order, numbers);
        // What it said before it ended tells more than that it did.
        sent.map_err(|gone| match self.answer(i, 0) {
            Err(failed @ RanksError::Failed { .. }) => failed,
            _ => gone,
        })
    }

    /// The next answer of one of `followers`, with at most `most` numbers.
    fn answer(&mut self, i: usize, most: usize) -> Result<(Answer, Vec<f32>), RanksError> {
        match self.followers[i].receive(most)? {
            (Answer::Failed { message }, _) => Err(self.followers[i].failed(message)),
            answer => Ok(answer),
        }
    }

    /// One answer of every other process, in their order; `take` says what is wrong with it.
    fn answers(
        &mut self,
        most: usize,
        mut take: impl FnMut(Answer, Vec<f32>) -> Result<(), String>,
    ) -> Result<(), RanksError> {
        for i in 0..self.followers.len() {
            let (answer, numbers) = self.answer(i, most)?;
            take(answer, numbers).map_err(|what| self.followers[i].unexpected(what))?;
        }
        Ok(())
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // Who is gone already needs no word.
        let _gone = self.tell(&Order::End, &[]);
    }
}

/// Replaces the gradients by their sums over the group's devices.
pub(super) fn sum_by_devices<B: Kernels>(
    group: &DeviceGroup,
    parameters: &mut Parameters<B>,
) -> Result<(), String> {
    // Every process sums the same list, also where it had nothing to add.
    let mut gradients: Vec<Matrix<B>> = vec![];
    for index in 0..parameters.len() {
        gradients.push(parameters.take_gradient_or_zeros(sigil_model::ParameterId(index)));
    }
    let sums = B::sum_over(group, gradients).map_err(|error| error.to_string())?;
    for (parameter, sum) in parameters.iter_mut().zip(sums) {
        parameter.gradient = Some(sum);
    }
    Ok(())
}
