//! Which runtimes run CUDA C++, and the launch.

use std::sync::atomic::{AtomicBool, Ordering};

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::{
    ir::features::Tma,
    prelude::*,
    server::{KernelArguments, MetadataBindingInfo},
};

use super::source::Source;

/// What a card that runs the kernels of this folder offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// Most shared memory that a block may ask for.
    pub shared_bytes: usize,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Compute capability 9.0, whose warpgroup products no other generation has.
    pub hopper: bool,
}

/// Set where Hopper's own instructions are to be left alone.
static WITHOUT_WARPGROUPS: AtomicBool = AtomicBool::new(false);

/// Keeps this process from Hopper's warpgroup products, or lets it use them again: for measuring
/// what they bring, and for a card that computes nonsense with them.
pub fn allow_warpgroups(allowed: bool) {
    WITHOUT_WARPGROUPS.store(!allowed, Ordering::Relaxed);
}

/// A CubeCL runtime that may run kernels in CUDA C++.
pub trait Native: CubeRuntime {
    /// The card, if it runs them: NVIDIA's, from compute capability 8.0 on.
    fn card(_client: &ComputeClient<Self>) -> Option<Card> {
        None
    }

    /// Launches a kernel over `grid` with `buffers` and then `scalars` (one struct, by value) as its
    /// parameters. Only called where [`Native::card`] is not `None`.
    fn launch(
        client: &ComputeClient<Self>,
        source: Source,
        grid: [u32; 3],
        buffers: &[&CubeTensor<Self>],
        scalars: &[u32],
    );
}

impl Native for cubecl::cuda::CudaRuntime {
    fn card(client: &ComputeClient<Self>) -> Option<Card> {
        let properties = client.properties();
        // Bulk copies came with Hopper, their wide form with the next generation.
        let tma = properties.features.tma;
        let hopper = tma.contains(Tma::Base) && !tma.contains(Tma::Im2colWide);
        // Asynchronous copies and products of bf16 came with the same generation.
        properties.features.copy_async.then(|| Card {
            shared_bytes: properties.hardware.max_shared_memory_size,
            multiprocessors: properties.hardware.num_streaming_multiprocessors.unwrap_or(1),
            hopper: hopper && !WITHOUT_WARPGROUPS.load(Ordering::Relaxed),
        })
    }

    fn launch(
        client: &ComputeClient<Self>,
        source: Source,
        [x, y, z]: [u32; 3],
        buffers: &[&CubeTensor<Self>],
        scalars: &[u32],
    ) {
        let words: Vec<u64> = scalars
            .chunks(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32)
            .collect();
        // Nothing of it is dynamic: the struct is copied into the launch, no buffer is made.
        let length = words.len();
        let arguments = KernelArguments::new()
            .with_buffers(buffers.iter().map(|x| x.handle.clone().binding()).collect())
            .with_info(MetadataBindingInfo::new(words, length));
        client.launch(Box::new(source), CubeCount::Static(x, y, z), arguments);
    }
}

#[cfg(feature = "wgpu")]
impl Native for burn_wgpu::WgpuRuntime {
    fn launch(
        _client: &ComputeClient<Self>,
        source: Source,
        _grid: [u32; 3],
        _buffers: &[&CubeTensor<Self>],
        _scalars: &[u32],
    ) {
        unreachable!("Vulkan was asked to run {}", source.label());
    }
}

/// True where 16-byte copies may read the buffer: CubeCL's allocations begin on 512 bytes, a slice
/// of one may not.
pub(crate) fn aligned<R: CubeRuntime>(buffer: &CubeTensor<R>) -> bool {
    buffer.handle.offset_start.unwrap_or(0).is_multiple_of(16)
}
