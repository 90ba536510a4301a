//! Chooses the device a run uses.

use sigil_config::{ComputeDtype, Device, Settings};
use sigil_kernels::{DType, device::probe_cuda};

use sigil_places::Places;
use sigil_qlora::{memory::available_bytes, session::Place};

use crate::exit::Failure;

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
        let message = "`run.deterministic` cannot be honoured on CUDA: kernels are chosen by their \
                       speed there, and two choices may differ in the last bits";
        let hint = "set `run.device = \"cpu\"` for equal bits, or `run.deterministic = false`";
        return Err(Failure::new(3, message, Some(hint.to_owned())));
    }
    let compute = compute_dtype(settings);
    Ok((Place::Cuda { index, compute }, Some(memory_free_bytes)))
}

/// Dtype of activations on CUDA.
fn compute_dtype(settings: &Settings) -> DType {
    match settings.quantization.compute_dtype {
        ComputeDtype::Float32 => DType::F32,
        ComputeDtype::Auto | ComputeDtype::Bfloat16 => DType::BF16,
    }
}
