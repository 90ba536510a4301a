//! Which CUDA devices can be used here and now, asked without touching Burn: its CUDA runtime
//! panics on a machine without a driver, a compiler library or headers.
//!
//! Not a choice of device, and no environment is read: the caller passes `CUDA_PATH`. The same
//! places are searched as by `cubecl-cuda`, so that what is found here is found there.

use std::path::{Path, PathBuf};

use cudarc::driver::{result, sys};

/// A CUDA device that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// Name by the driver, such as `NVIDIA H200`.
    pub name: String,
    /// Memory of the device.
    pub memory_total_bytes: u64,
    /// Memory that no process holds at the moment.
    pub memory_free_bytes: u64,
    /// Major and minor compute capability, `(9, 0)` for Hopper.
    pub compute_capability: (u32, u32),
    /// Newest CUDA version that the driver serves, major and minor.
    pub driver_version: (u32, u32),
}

/// Why CUDA cannot be used on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaUnavailable {
    /// The driver's library cannot be loaded.
    #[error("no NVIDIA driver (libcuda cannot be loaded)")]
    NoDriver,
    /// The run-time compiler's library cannot be loaded.
    #[error("no CUDA run-time compiler (libnvrtc cannot be loaded)")]
    NoCompiler,
    /// The headers that kernels include are missing.
    #[error("no CUDA headers (no `cuda_runtime.h` in {})", list(searched))]
    NoHeaders {
        /// The include folders looked into.
        searched: Vec<PathBuf>,
    },
    /// The driver answers, and knows no device.
    #[error("no CUDA device (the driver counts none)")]
    NoDevice,
    /// The driver refuses a call.
    #[error("the NVIDIA driver fails in {call}: {error}")]
    Driver {
        /// The call of the driver's interface.
        call: &'static str,
        /// The driver's own name of the error.
        error: String,
    },
}

impl CudaUnavailable {
    /// What a user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDriver => "install the NVIDIA driver, or train on the CPU (`device = \"cpu\"`)",
            Self::NoCompiler => {
                "install CUDA 13 or newer and put its library folder on the loader's path, as in \
                 `LD_LIBRARY_PATH=/usr/local/cuda/lib64`"
            }
            Self::NoHeaders { .. } => {
                "set `CUDA_PATH` to a CUDA installation whose `include` folder has the headers"
            }
            Self::NoDevice => {
                "check `nvidia-smi`, and that `CUDA_VISIBLE_DEVICES` does not hide the device"
            }
            Self::Driver { .. } => {
                "check `nvidia-smi`; a driver older than CUDA 13 or a device in another process's \
                 exclusive use fails this way"
            }
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    paths.join(", ")
}

/// Lists the CUDA devices, once all that Burn's CUDA runtime needs is there.
///
/// `cuda_path` is the value of `CUDA_PATH`, if any: where it is set no other folder is searched.
/// Asking for the free memory starts the driver's context on every device for a moment.
///
/// # Errors
/// The first thing that is missing: see [`CudaUnavailable`].
#[expect(unsafe_code, reason = "the driver is a C library opened at run time")]
pub fn probe_cuda(cuda_path: Option<&Path>) -> Result<Vec<CudaDevice>, CudaUnavailable> {
    // SAFETY: both load a library by name and close it; NVIDIA's libraries run no code of this
    // program's when loaded.
    let (driver, compiler) =
        unsafe { (sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
    if !driver {
        return Err(CudaUnavailable::NoDriver);
    }
    if !compiler {
        return Err(CudaUnavailable::NoCompiler);
    }
    find_headers(cuda_path)?;
    result::init().map_err(|error| failed("cuInit", error))?;
    let mut version = 0;
    // SAFETY: the library is loaded, and `version` outlives the call.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(|error| failed("cuDriverGetVersion", error))?;
    // The driver reports 1000 * major + 10 * minor.
    let version = u32::try_from(version).unwrap_or(0);
    let driver_version = (version / 1000, version % 1000 / 10);
    match result::device::get_count().map_err(|error| failed("cuDeviceGetCount", error))? {
        0 => Err(CudaUnavailable::NoDevice),
        count => (0..count).map(|ordinal| describe(ordinal, driver_version)).collect(),
    }
}

/// The include folder that `cubecl-cuda` will use.
fn find_headers(cuda_path: Option<&Path>) -> Result<PathBuf, CudaUnavailable> {
    let mut roots = vec![];
    match cuda_path {
        Some(path) => roots.push(path),
        None => roots.extend(["/usr/local/cuda", "/opt/cuda", "/usr"].map(Path::new)),
    }
    let searched: Vec<PathBuf> = roots.iter().map(|root| root.join("include")).collect();
    let found = searched.iter().find(|folder| folder.join("cuda_runtime.h").is_file()).cloned();
    found.ok_or(CudaUnavailable::NoHeaders { searched })
}

#[expect(unsafe_code, reason = "the driver is a C library opened at run time")]
fn describe(ordinal: i32, driver_version: (u32, u32)) -> Result<CudaDevice, CudaUnavailable> {
    use sys::CUdevice_attribute as Attribute;
    let device = result::device::get(ordinal).map_err(|error| failed("cuDeviceGet", error))?;
    let name =
        result::device::get_name(device).map_err(|error| failed("cuDeviceGetName", error))?;
    let capability = |attribute| {
        // SAFETY: `device` came from the driver above.
        let value = unsafe { result::device::get_attribute(device, attribute) };
        value
            .map(|value| u32::try_from(value).unwrap_or(0))
            .map_err(|error| failed("cuDeviceGetAttribute", error))
    };
    let major = capability(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = capability(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let (free, total) = memory(device)?;
    Ok(CudaDevice {
        name,
        memory_total_bytes: total as u64,
        memory_free_bytes: free as u64,
        compute_capability: (major, minor),
        driver_version,
    })
}

/// Free and total bytes of a device.
#[expect(unsafe_code, reason = "the driver is a C library opened at run time")]
fn memory(device: sys::CUdevice) -> Result<(usize, usize), CudaUnavailable> {
    // SAFETY: `device` came from the driver; the context is released below on every path.
    let context = unsafe { result::primary_ctx::retain(device) }
        .map_err(|error| failed("cuDevicePrimaryCtxRetain", error))?;
    // SAFETY: the context is retained, hence valid.
    let answer = unsafe { result::ctx::set_current(context) }
        .map_err(|error| failed("cuCtxSetCurrent", error))
        .and_then(|()| result::mem_get_info().map_err(|error| failed("cuMemGetInfo", error)));
    // SAFETY: retained once above; a null context is always a valid one to switch to.
    let released = unsafe {
        result::ctx::set_current(std::ptr::null_mut())
            .and_then(|()| result::primary_ctx::release(device))
    };
    released.map_err(|error| failed("cuDevicePrimaryCtxRelease", error))?;
    answer
}

fn failed(call: &'static str, error: result::DriverError) -> CudaUnavailable {
    CudaUnavailable::Driver { call, error: format!("{:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine with a card the list is not empty, on any other the reason is a sentence.
    #[test]
    fn probing_never_panics() {
        match probe_cuda(None) {
            Ok(devices) => {
                assert!(!devices.is_empty());
                for device in devices {
                    assert!(device.memory_free_bytes <= device.memory_total_bytes);
                    assert!(device.compute_capability.0 > 0 && device.driver_version.0 > 0);
                }
            }
            Err(error) => {
                assert!(!error.to_string().is_empty() && !error.hint().is_empty());
                assert!(!error.to_string().ends_with('.'));
            }
        }
    }

    #[test]
    fn headers_are_looked_for_where_cuda_path_points_only() {
        let missing = Path::new("/nonexistent/cuda");
        let error = find_headers(Some(missing)).expect_err("the folder does not exist");
        let searched = vec![PathBuf::from("/nonexistent/cuda/include")];
        assert_eq!(error, CudaUnavailable::NoHeaders { searched });
        let message = "no CUDA headers (no `cuda_runtime.h` in `/nonexistent/cuda/include`)";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn headers_are_found_in_an_installation() {
        let root = std::env::temp_dir().join(format!("sigil-cuda-headers-{}", std::process::id()));
        let include = root.join("include");
        std::fs::create_dir_all(&include).expect("a folder in the temporary directory");
        std::fs::write(include.join("cuda_runtime.h"), "").expect("a file in that folder");
        let found = find_headers(Some(&root));
        std::fs::remove_dir_all(&root).expect("the folder made above");
        assert_eq!(found, Ok(include));
    }
}
