//! Chooses the device a run uses.

use sigil_config::{ComputeDtype, Device, Settings, TrainingMode};
use sigil_kernels::{
    CudaDevice, DType, Gpu, cuda::fix_products, device::probe_cuda, trial::self_check,
};

use sigil_places::Places;
use sigil_qlora::{memory::available_bytes, session::Place};

use crate::{exit::Failure, talk::Talk};

/// A device and the bytes that can be had there, if that is known.
type Choice = (Place, Option<u64>);

/// Chooses by the settings, and says how much memory can be had there; `auto` falls back to the CPU.
pub(crate) fn choose(settings: &Settings, places: &Places) -> Result<Choice, Failure> {
    let cuda_path = places.cuda_path.as_deref();
    match settings.run.device {
        Device::Cpu => Ok((Place::Cpu, available_bytes())),
        Device::Auto => {
            match probe_cuda(cuda_path).ok().and_then(|devices| devices.into_iter().next()) {
                Some(first) => cuda(settings, 0, first.memory_free_bytes),
                None => Ok((Place::Cpu, available_bytes())),
            }
        }
        Device::Cuda(index) => {
            let devices = probe_cuda(cuda_path).map_err(|error| {
                let message = format!("`run.device = \"cuda:{index}\"`: {error}");
                Failure::new(8, message, Some(error.hint().to_owned()))
            })?;
            if let Some(device) = devices.get(index) {
                return cuda(settings, index, device.memory_free_bytes);
            }
            let count = devices.len();
            let message = format!("`run.device = \"cuda:{index}\"`: there are {count} devices");
            Err(Failure::new(8, message, Some("use `auto` or `cuda:0`".to_owned())))
        }
    }
}

fn cuda(settings: &Settings, index: usize, memory_free_bytes: u64) -> Result<Choice, Failure> {
    if settings.run.deterministic {
        can_repeat(settings)?;
        fix_products(true);
    }
    let compute = compute_dtype(settings);
    Ok((Place::Cuda { index, compute }, Some(memory_free_bytes)))
}

/// Compares the kernels in CUDA C++ with the plain version on this card, leaves out those that disagree
/// and says so.
pub(crate) fn check_kernels(place: Place, talk: &Talk) {
    let Place::Cuda { index, compute: DType::BF16 } = place else { return };
    for disagreement in self_check::<Gpu>(&CudaDevice::new(index)) {
        talk.note(disagreement);
    }
}

/// Refuses what two runs on CUDA may compute in different orders.
///
/// With an adapter every sum is one of sigil's own kernels, whose order follows from the shapes. The
/// gradients of biases and norms are Burn's reductions, which are chosen by timing.
fn can_repeat(settings: &Settings) -> Result<(), Failure> {
    if settings.model.mode != TrainingMode::Full {
        return Ok(());
    }
    let message = "`run.deterministic` cannot be honoured on CUDA with `model.mode = \"full\"`: the \
                   gradients of biases and norms are added in an order that is chosen by its speed";
    let hint = "train an adapter (`qlora`, `lora`), set `run.device = \"cpu\"` for equal bits, or \
                `run.deterministic = false`";
    Err(Failure::new(3, message, Some(hint.to_owned())))
}

/// Dtype of activations on CUDA.
fn compute_dtype(settings: &Settings) -> DType {
    match settings.quantization.compute_dtype {
        ComputeDtype::Float32 => DType::F32,
        ComputeDtype::Auto | ComputeDtype::Bfloat16 => DType::BF16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: TrainingMode) -> Settings {
        let mut settings = Settings::default();
        settings.model.mode = mode;
        settings.run.deterministic = true;
        settings
    }

    #[test]
    fn an_adapter_can_be_trained_to_equal_bits_on_cuda_and_a_whole_model_cannot() {
        for mode in [TrainingMode::Qlora, TrainingMode::Lora] {
            let chosen = cuda(&settings(mode), 0, 1);
            assert!(matches!(chosen, Ok((Place::Cuda { index: 0, .. }, Some(1)))));
            assert!(sigil_kernels::cuda::products_are_fixed());
        }
        assert!(cuda(&settings(TrainingMode::Full), 0, 1).is_err());
    }
}
