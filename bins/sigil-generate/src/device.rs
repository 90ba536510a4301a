//! Chooses the device.

use sigil_kernels::{CudaDevice, Gpu, device::probe_cuda, trial::self_check};
use sigil_places::Places;

use crate::exit::Failure;

/// What is computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The CPU.
    Cpu,
    /// The CUDA device with this index.
    Cuda(usize),
}

impl Chosen {
    /// What is said of it in reports.
    pub(crate) fn describe(self, places: &Places) -> String {
        let Self::Cuda(index) = self else { return "cpu".to_owned() };
        let devices = probe_cuda(places.cuda_path.as_deref()).unwrap_or_default();
        match devices.get(index) {
            Some(device) => {
                let (major, minor) = device.driver_version;
                format!("cuda:{index}, {}, driver for CUDA {major}.{minor}", device.name)
            }
            None => format!("cuda:{index}"),
        }
    }
}

/// Chooses by the name; `auto` falls back to the CPU.
pub(crate) fn choose(name: &str, places: &Places) -> Result<Chosen, Failure> {
    let cuda_path = places.cuda_path.as_deref();
    let index = match name {
        "cpu" => return Ok(Chosen::Cpu),
        "auto" => {
            let found = probe_cuda(cuda_path).is_ok_and(|devices| !devices.is_empty());
            return Ok(if found { Chosen::Cuda(0) } else { Chosen::Cpu });
        }
        "cuda" => 0,
        other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
            Some(index) => index,
            None => {
                let message = format!("`--device {other}` is no device");
                return Err(Failure::new(2, message).hint("use auto, cpu or cuda:0"));
            }
        },
    };
    let devices = probe_cuda(cuda_path).map_err(|error| {
        Failure::new(8, format!("`--device cuda:{index}`: {error}")).hint(error.hint())
    })?;
    if index < devices.len() {
        return Ok(Chosen::Cuda(index));
    }
    let message = format!("`--device cuda:{index}`: there are {} devices", devices.len());
    Err(Failure::new(8, message).hint("use auto or cuda:0"))
}

/// Compares the kernels in CUDA C++ with the plain version on this card, leaves out those that disagree
/// and says so.
pub(crate) fn check_kernels(index: usize) {
    for disagreement in self_check::<Gpu>(&CudaDevice::new(index)) {
        eprintln!("warning: {disagreement}");
    }
}
