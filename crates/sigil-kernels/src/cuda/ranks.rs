//! Sums over the GPUs of several processes, by NVIDIA's NCCL, on a stream of its own.
//!
//! Not how processes find each other: they are given an identity and their number. The library is opened
//! at run time; a machine without it sums in host memory (`sigil-qlora`). It has never run on several
//! cards.

use std::{ffi::c_int, fmt, mem::MaybeUninit, sync::Arc};

use cudarc::{
    driver::{CudaContext, CudaStream},
    nccl::{result, sys},
};

/// Length of an identity, `NCCL_UNIQUE_ID_BYTES`.
const ID_BYTES: usize = 128;

/// Why GPUs cannot be summed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CollectiveError(pub(crate) String);

/// A process's place among those that sum over their GPUs.
pub struct DeviceGroup {
    communicator: sys::ncclComm_t,
    stream: Arc<CudaStream>,
}

// SAFETY: NCCL allows any thread to use a communicator, one at a time; it is not `Sync`.
#[expect(unsafe_code, reason = "a handle of a C library")]
unsafe impl Send for DeviceGroup {}

impl fmt::Debug for DeviceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceGroup").finish_non_exhaustive()
    }
}

/// Makes the identity that all processes of a group are given.
///
/// # Errors
/// NCCL cannot be loaded, or refuses.
pub fn new_group_id() -> Result<Vec<u8>, CollectiveError> {
    is_there()?;
    let id = result::get_uniqueid().map_err(|error| failed("ncclGetUniqueId", error))?;
    Ok(id.internal.iter().map(|&byte| byte.cast_unsigned()).collect())
}

impl DeviceGroup {
    /// Joins the group `id` as process `rank` of `ranks` with the device `index`; returns when all have.
    ///
    /// # Errors
    /// NCCL cannot be loaded, or refuses; an identity of the wrong length.
    #[expect(unsafe_code, reason = "NCCL is a C library opened at run time")]
    pub fn join(
        id: &[u8],
        rank: usize,
        ranks: usize,
        index: usize,
    ) -> Result<Self, CollectiveError> {
        is_there()?;
        if id.len() != ID_BYTES {
            let message = format!("an identity has {ID_BYTES} bytes, and this one {}", id.len());
            return Err(CollectiveError(message));
        }
        let mut unique = sys::ncclUniqueId { internal: [0; ID_BYTES] };
        for (to, from) in unique.internal.iter_mut().zip(id) {
            *to = from.cast_signed();
        }
        let context = CudaContext::new(index).map_err(|error| failed("cuCtx", error))?;
        let stream = context.new_stream().map_err(|error| failed("cuStreamCreate", error))?;
        let mut communicator = MaybeUninit::uninit();
        // SAFETY: the library is loaded, the context is this thread's, the place outlives the call and is
        // written where it succeeds.
        let communicator = unsafe {
            result::comm_init_rank(
                communicator.as_mut_ptr(),
                ranks as c_int,
                unique,
                rank as c_int,
            )
            .map_err(|error| failed("ncclCommInitRank", error))?;
            communicator.assume_init()
        };
        Ok(Self { communicator, stream })
    }

    /// Replaces the f32 numbers at each address by their sums over all processes; returns when they are
    /// there.
    ///
    /// The addresses are on this group's device, `(first byte, numbers)`, and belong to the caller until
    /// this returns; nothing writes there meanwhile.
    #[expect(unsafe_code, reason = "NCCL is a C library opened at run time")]
    pub(crate) fn sum(&self, places: &[(u64, usize)]) -> Result<(), CollectiveError> {
        self.stream.context().bind_to_thread().map_err(|error| failed("cuCtxSetCurrent", error))?;
        // One group: NCCL sends many small sums together.
        result::group_start().map_err(|error| failed("ncclGroupStart", error))?;
        for &(address, numbers) in places {
            // SAFETY: the caller vouches for the memory until the stream is waited for below.
            unsafe {
                result::all_reduce(
                    address as *const _,
                    address as *mut _,
                    numbers,
                    sys::ncclDataType_t::ncclFloat32,
                    sys::ncclRedOp_t::ncclSum,
                    self.communicator,
                    self.stream.cu_stream().cast(),
                )
            }
            .map_err(|error| failed("ncclAllReduce", error))?;
        }
        result::group_end().map_err(|error| failed("ncclGroupEnd", error))?;
        self.stream.synchronize().map_err(|error| failed("cuStreamSynchronize", error))
    }
}

impl Drop for DeviceGroup {
    #[expect(unsafe_code, reason = "NCCL is a C library opened at run time")]
    fn drop(&mut self) {
        // Not `ncclCommDestroy`, which may wait for processes that are gone.
        // SAFETY: the communicator was made by this library and is used no more.
        let _what_it_says = unsafe { result::comm_abort(self.communicator) };
    }
}

#[expect(unsafe_code, reason = "a library is opened at run time")]
fn is_there() -> Result<(), CollectiveError> {
    // SAFETY: NVIDIA's library runs no code of this program's when it is loaded and closed.
    if unsafe { sys::is_culib_present() } {
        return Ok(());
    }
    Err(CollectiveError("NVIDIA's NCCL (libnccl) cannot be loaded".to_owned()))
}

fn failed(call: &str, error: impl fmt::Debug) -> CollectiveError {
    CollectiveError(format!("{call} fails: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_nccl_is_told_so() {
        // Where the library is there, an identity of the wrong length is what is refused.
        let refused =
            DeviceGroup::join(&[0; 5], 0, 2, 0).expect_err("no group has such an identity");
        let said = refused.to_string();
        assert!(said.contains("libnccl") || said.contains("128 bytes, and this one 5"), "{said}");
    }
}
