//! Device memory by exact sizes, and how much of it there is.
//!
//! CubeCL's pools cut tensors from pages of a few fixed sizes, the largest a quarter of the card: a
//! table of 1 GiB takes a page of 9 on a card of 141. Its persistent memory takes every buffer alone at
//! its own size and keeps it for the next of that size, which is what weights and steps of fixed shapes
//! need, and what makes a plan of memory come true.

use cubecl::{MemoryAllocationMode, Runtime, prelude::*};

use crate::DeviceMemory;

/// Back to the pools, also when what was run panics.
struct Exactly<R: Runtime>(ComputeClient<R>);

impl<R: Runtime> Exactly<R> {
    #[expect(unsafe_code, reason = "the safe way takes a closure that can be sent to a thread")]
    fn set(&self, mode: MemoryAllocationMode) {
        // SAFETY: the mode is that of the calling thread's stream and is set back on this thread; it
        // decides where buffers to come are taken from, and what is allocated already stays valid.
        unsafe { self.0.allocation_mode(mode) }
    }
}

impl<R: Runtime> Drop for Exactly<R> {
    fn drop(&mut self) {
        self.set(MemoryAllocationMode::Auto);
    }
}

/// See [`crate::Kernels::with_exact_memory`].
pub(super) fn with_exact_memory<R: Runtime, T>(device: &R::Device, work: impl FnOnce() -> T) -> T {
    let exactly = Exactly(R::client(device));
    exactly.set(MemoryAllocationMode::Persistent);
    work()
}

/// See [`crate::Kernels::memory`].
pub(super) fn memory<R: Runtime>(device: &R::Device) -> Option<DeviceMemory> {
    let usage = R::client(device).memory_usage().ok()?;
    Some(DeviceMemory { in_use: usage.bytes_in_use, reserved: usage.bytes_reserved })
}

/// See [`crate::Kernels::finish_uploads`].
pub(super) fn finish_uploads<R: Runtime>(device: &R::Device) {
    let client = R::client(device);
    // The first has the device say when they have arrived, the second waits for it and frees them. What
    // the device has against it the next reading says.
    for _ in 0..2 {
        let _said_later = client.flush();
    }
}
