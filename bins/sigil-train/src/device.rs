//! Chooses the device a run uses.

use sigil_config::{ComputeDtype, Device, Settings, TrainingMode};
use sigil_kernels::{
    CudaDevice, DType, Gpu,
    cuda::fix_products,
    device::{CudaDevice as ProbedDevice, probe_cuda},
    trial::self_check,
};

use sigil_places::Places;
use sigil_qlora::{memory::available_bytes, session::Place};

use crate::{exit::Failure, talk::Talk};

/// A device and the bytes that can be had there, if that is known.
type Choice = (Place, Option<u64>);

/// Chooses by the settings the device of the first process, and says how much memory each process can
/// have; `auto` falls back to the CPU.
pub(crate) fn choose(settings: &Settings, places: &Places) -> Result<Choice, Failure> {
    let cuda_path = places.cuda_path.as_deref();
    let processes = settings.run.processes.max(1);
    let cpu = || Ok((Place::Cpu, available_bytes().map(|bytes| bytes / processes as u64)));
    match settings.run.device {
        Device::Cpu => cpu(),
        Device::Auto => match probe_cuda(cuda_path) {
            Ok(devices) if !devices.is_empty() => cuda(settings, "auto", 0, &devices),
            _ => cpu(),
        },
        Device::Cuda(index) => {
            let name = format!("cuda:{index}");
            let devices = probe_cuda(cuda_path).map_err(|error| {
                let message = format!("`run.device = \"{name}\"`: {error}");
                Failure::new(8, message, Some(error.hint().to_owned()))
            })?;
            cuda(settings, &name, index, &devices)
        }
    }
}

/// Devices from `index` on, one a process.
fn cuda(
    settings: &Settings,
    name: &str,
    index: usize,
    devices: &[ProbedDevice],
) -> Result<Choice, Failure> {
    let (processes, count) = (settings.run.processes.max(1), devices.len());
    let Some(own) = devices.get(index..index + processes) else {
        let (message, hint) = match processes {
            1 => (
                format!("`run.device = \"{name}\"`: there are {count} devices"),
                "use `auto` or `cuda:0`",
            ),
            _ => (
                format!(
                    "`run.processes = {processes}` with `run.device = \"{name}\"`: every process has \
                     a device of its own, from number {index} on, and there are {count}"
                ),
                "lower `run.processes`",
            ),
        };
        return Err(Failure::new(8, message, Some(hint.to_owned())));
    };
    let free = own.iter().map(|device| device.memory_free_bytes).min();
    Ok((place(settings, Some(index))?, free))
}

/// A process's place: a CUDA device, or the CPU.
pub(crate) fn place(settings: &Settings, cuda_device: Option<usize>) -> Result<Place, Failure> {
    let Some(index) = cuda_device else { return Ok(Place::Cpu) };
    if settings.run.deterministic {
        can_repeat(settings)?;
        fix_products(true);
    }
    Ok(Place::Cuda { index, compute: compute_dtype(settings) })
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
            let chosen = place(&settings(mode), Some(0));
            assert!(matches!(chosen, Ok(Place::Cuda { index: 0, .. })));
            assert!(sigil_kernels::cuda::products_are_fixed());
        }
        assert!(place(&settings(TrainingMode::Full), Some(0)).is_err());
    }

    #[test]
    fn every_process_has_a_device_and_the_smallest_memory_counts() {
        let device = |memory_free_bytes| ProbedDevice {
            name: "a card".to_owned(),
            memory_total_bytes: 100,
            memory_free_bytes,
            compute_capability: (9, 0),
            driver_version: (13, 0),
        };
        let devices = [device(10), device(30), device(20)];
        let mut settings = settings(TrainingMode::Qlora);
        settings.run.processes = 2;
        let chosen = cuda(&settings, "cuda:1", 1, &devices);
        assert!(matches!(chosen, Ok((Place::Cuda { index: 1, .. }, Some(20)))));
        let Err(refused) = cuda(&settings, "cuda:2", 2, &devices) else { panic!("one is missing") };
        assert!(refused.message().contains("from number 2 on, and there are 3"));
    }
}
