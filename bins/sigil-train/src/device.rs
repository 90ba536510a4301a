//! Chooses the device a run uses.

use sigil_config::{ComputeDtype, Device, Settings};
use sigil_kernels::{DType, device::probe_cuda};

use crate::{exit::Failure, places::Places};

/// What a run computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The CPU.
    Cpu,
    /// The CUDA device with this index.
    Cuda(usize),
}

/// Chooses by the settings; `auto` falls back to the CPU and says why.
pub(crate) fn choose(settings: &Settings, places: &Places) -> Result<Chosen, Failure> {
    let cuda_path = places.cuda_path.as_deref();
    match settings.run.device {
        Device::Cpu => Ok(Chosen::Cpu),
        Device::Auto => match probe_cuda(cuda_path) {
            Ok(devices) if !devices.is_empty() => Ok(Chosen::Cuda(0)),
            _ => Ok(Chosen::Cpu),
        },
        Device::Cuda(index) => {
            let devices = probe_cuda(cuda_path).map_err(|error| {
                let message = format!("`run.device = \"cuda:{index}\"`: {error}");
                Failure::new(8, message, Some(error.hint().to_owned()))
            })?;
            if index < devices.len() {
                return Ok(Chosen::Cuda(index));
            }
            let count = devices.len();
            let message = format!("`run.device = \"cuda:{index}\"`: there are {count} devices");
            Err(Failure::new(8, message, Some("use `auto` or `cuda:0`".to_owned())))
        }
    }
}

/// Dtype of activations on CUDA.
pub(crate) fn compute_dtype(settings: &Settings) -> DType {
    match settings.quantization.compute_dtype {
        ComputeDtype::Float32 => DType::F32,
        ComputeDtype::Auto | ComputeDtype::Bfloat16 => DType::BF16,
    }
}
