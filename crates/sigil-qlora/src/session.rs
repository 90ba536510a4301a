//! A model and its loop on a device that is chosen at run time, behind types without a backend.
//!
//! Everything below is generic over the backend and would be compiled again in each program that
//! names one; here it is compiled once for the CPU and once for CUDA. Programs use this module,
//! tests use the generic types. Next: `trainer.rs`.

use burn::tensor::backend::Backend as _;
use sigil_data::{BatchStream, DocumentSet};
use sigil_kernels::{Cpu, CudaDevice, DType, Gpu, Kernels};
use sigil_model::{
    Decoder, LoadOptions, ModelError, Parameters,
    adapter::{base_parameter_count, set_adapter},
    load::{Source, load},
};
use sigil_run::RunFolder;
use sigil_weights::{Adapter, DecoderConfig};

use crate::{
    Outcome, Reporter, Stop, TrainError, TrainPlan, Trainer,
    micro_batch::MicroBatches,
    optimizer::AdamWSettings,
    ranks::{Channel, RanksError, Team, follow},
};

/// What a run computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The CPU, in f32.
    Cpu,
    /// A CUDA device.
    Cuda {
        /// Its index.
        index: usize,
        /// Dtype of activations.
        compute: DType,
    },
}

impl Place {
    /// Dtype of activations there.
    pub fn compute(self) -> DType {
        match self {
            Self::Cpu => DType::F32,
            Self::Cuda { compute, .. } => compute,
        }
    }

    /// The CUDA device, if it is one.
    pub fn cuda_device(self) -> Option<usize> {
        match self {
            Self::Cpu => None,
            Self::Cuda { index, .. } => Some(index),
        }
    }
}

/// A model in memory, and what of it is trained.
pub struct Session {
    model: OnDevice,
    place: Place,
}

enum OnDevice {
    Cpu(Box<Model<Cpu>>),
    Cuda(Box<Model<Gpu>>),
}

struct Model<B: Kernels> {
    decoder: Decoder<B>,
    parameters: Parameters<B>,
}

/// The loop of a run, ready to go.
pub struct Loop(Box<dyn RunLoop>);

/// [`Trainer`] without its backend.
trait RunLoop {
    fn train(&mut self, stop: &Stop, reporter: &mut dyn Reporter) -> Result<Outcome, TrainError>;
}

impl<B: Kernels> RunLoop for Trainer<B> {
    fn train(&mut self, stop: &Stop, reporter: &mut dyn Reporter) -> Result<Outcome, TrainError> {
        Trainer::train(self, stop, reporter)
    }
}

impl Session {
    /// Loads a base onto the device, with a fresh adapter or with `start`.
    ///
    /// # Errors
    /// Tensors that are missing or have another shape, or an adapter that does not fit.
    pub fn load(
        place: Place,
        config: &DecoderConfig,
        source: Source<'_>,
        options: &LoadOptions,
        start: Option<&Adapter>,
    ) -> Result<Self, ModelError> {
        let model = match place {
            Place::Cpu => {
                OnDevice::Cpu(Model::load(config, source, options, start, &Default::default())?)
            }
            Place::Cuda { index, .. } => {
                let device = CudaDevice::new(index);
                OnDevice::Cuda(Model::load(config, source, options, start, &device)?)
            }
        };
        Ok(Self { model, place })
    }

    /// Numbers that are trained, and numbers of the base.
    pub fn parameter_counts(&self) -> (usize, usize) {
        match &self.model {
            OnDevice::Cpu(model) => model.parameter_counts(),
            OnDevice::Cuda(model) => model.parameter_counts(),
        }
    }

    /// The backend's own name, for a model card.
    pub fn backend_name(&self) -> String {
        match &self.model {
            OnDevice::Cpu(model) => Cpu::name(&model.decoder.device),
            OnDevice::Cuda(model) => Gpu::name(&model.decoder.device),
        }
    }

    /// Puts the run together; see [`Trainer::new`]. Processes behind `followers`, which have been told
    /// what to load, share every step.
    ///
    /// # Errors
    /// The same, and those of [`Trainer::share`].
    pub fn into_loop(
        self,
        followers: Vec<Channel>,
        stream: BatchStream,
        evaluation: Option<DocumentSet>,
        run: RunFolder,
        plan: TrainPlan,
        resume: bool,
        reporter: &mut dyn Reporter,
    ) -> Result<Loop, TrainError> {
        let team = Team::new(followers, self.place.cuda_device());
        Ok(Loop(match self.model {
            OnDevice::Cpu(model) => {
                model.into_loop(team, stream, evaluation, run, plan, resume, reporter)?
            }
            OnDevice::Cuda(model) => {
                model.into_loop(team, stream, evaluation, run, plan, resume, reporter)?
            }
        }))
    }

    /// Serves the first process of a run behind `channel` until that ends; see [`follow`].
    ///
    /// # Errors
    /// The same.
    pub fn follow(
        self,
        channel: Channel,
        adamw: AdamWSettings,
        micro_batches: &MicroBatches,
    ) -> Result<(), RanksError> {
        let device = self.place.cuda_device();
        match self.model {
            OnDevice::Cpu(model) => model.follow(channel, adamw, micro_batches, device),
            OnDevice::Cuda(model) => model.follow(channel, adamw, micro_batches, device),
        }
    }
}

impl Loop {
    /// Trains; see [`Trainer::train`].
    ///
    /// # Errors
    /// The same.
    pub fn train(
        &mut self,
        stop: &Stop,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcome, TrainError> {
        self.0.train(stop, reporter)
    }
}

impl<B: Kernels> Model<B> {
    fn load(
        config: &DecoderConfig,
        source: Source<'_>,
        options: &LoadOptions,
        start: Option<&Adapter>,
        device: &B::Device,
    ) -> Result<Box<Self>, ModelError> {
        let (decoder, mut parameters) = load::<B>(config, source, options, device, &mut |_, _| ())?;
        if let Some(adapter) = start {
            set_adapter(&decoder, &mut parameters, adapter)?;
        }
        Ok(Box::new(Self { decoder, parameters }))
    }

    fn parameter_counts(&self) -> (usize, usize) {
        (self.parameters.count(), base_parameter_count(&self.decoder.config))
    }

    fn into_loop(
        self,
        team: Team,
        stream: BatchStream,
        evaluation: Option<DocumentSet>,
        run: RunFolder,
        plan: TrainPlan,
        resume: bool,
        reporter: &mut dyn Reporter,
    ) -> Result<Box<dyn RunLoop>, TrainError>
    where
        B: 'static,
    {
        let Self { decoder, parameters } = self;
        let mut trainer =
            Trainer::new(decoder, parameters, stream, evaluation, run, plan, resume, reporter)?;
        trainer.share(team, reporter)?;
        Ok(Box::new(trainer))
    }

    fn follow(
        self,
        channel: Channel,
        adamw: AdamWSettings,
        micro_batches: &MicroBatches,
        device: Option<usize>,
    ) -> Result<(), RanksError> {
        follow(&self.decoder, self.parameters, adamw, micro_batches, channel, device)
    }
}
