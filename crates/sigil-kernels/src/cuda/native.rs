//! Which runtimes run CUDA C++, and the launch.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::{
    ir::features::Tma,
    prelude::*,
    server::{KernelArguments, MetadataBindingInfo, ServerError},
};

use super::{
    ranks::{CollectiveError, DeviceGroup},
    source::Source,
};

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

/// A group of kernels that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Products by Hopper's warpgroup instructions; the other products stand in.
    Warpgroups,
    /// Products by tensor cores; Burn's stand in.
    Products,
    /// Attention of training; CubeCL's kernels stand in.
    Attention,
    /// Products of few tokens, attention over a cache and the choice of tokens; products, the plain
    /// version and the CPU stand in.
    Decoding,
    /// AdamW and the gradient norm over many matrices a launch; CubeCL's, one a launch, stand in.
    Optimizer,
    /// 4-bit codes of a weight that is loaded; the CPU stands in.
    Quantization,
}

impl Family {
    /// All of them, those that others stand in for first.
    pub const ALL: [Self; 6] = [
        Self::Warpgroups,
        Self::Products,
        Self::Attention,
        Self::Decoding,
        Self::Optimizer,
        Self::Quantization,
    ];

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warpgroups => "warpgroup products",
            Self::Products => "tensor-core products",
            Self::Attention => "attention kernels",
            Self::Decoding => "generation kernels",
            Self::Optimizer => "optimizer kernels",
            Self::Quantization => "quantizing kernel",
        })
    }
}

/// A bit for every family that is left out.
static LEFT_OUT: AtomicU32 = AtomicU32::new(0);

/// Keeps this process from a group of kernels: for measuring what it brings, and for a card that
/// computes nonsense with it.
pub fn leave_out(family: Family) {
    LEFT_OUT.fetch_or(family.bit(), Ordering::Relaxed);
}

/// Whether [`leave_out`] was called for it.
pub(crate) fn is_left_out(family: Family) -> bool {
    LEFT_OUT.load(Ordering::Relaxed) & family.bit() != 0
}

/// Set where every product must be the same bits in every run.
static FIXED_PRODUCTS: AtomicBool = AtomicBool::new(false);

/// Has this process compute the products that no kernel in CUDA C++ covers by `fixed_product.cu`, whose
/// sums are f32 in the order of k, instead of by Burn: Burn chooses among its kernels by timing them,
/// so that two runs may differ in the last bits, and stages f32 as TF32. It is slower.
pub fn fix_products(fixed: bool) {
    FIXED_PRODUCTS.store(fixed, Ordering::Relaxed);
}

/// Whether [`fix_products`] is in force.
pub fn products_are_fixed() -> bool {
    FIXED_PRODUCTS.load(Ordering::Relaxed)
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

    /// Replaces f32 buffers by their sums over all processes of the group. Nobody else holds them.
    fn sum_over(
        _client: &ComputeClient<Self>,
        _group: &DeviceGroup,
        _buffers: &[CubeTensor<Self>],
    ) -> Result<(), CollectiveError> {
        Err(CollectiveError("this device is not NVIDIA's".to_owned()))
    }
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
            hopper: hopper && !is_left_out(Family::Warpgroups),
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

    fn sum_over(
        client: &ComputeClient<Self>,
        group: &DeviceGroup,
        buffers: &[CubeTensor<Self>],
    ) -> Result<(), CollectiveError> {
        let failed = |error: ServerError| CollectiveError(format!("CubeCL fails: {error:?}"));
        // The sums run on another stream: what was launched before must have been written.
        cubecl::future::block_on(client.sync()).map_err(failed)?;
        let held = buffers
            .iter()
            .map(|buffer| client.get_resource(buffer.handle.clone()).map_err(failed))
            .collect::<Result<Vec<_>, _>>()?;
        let places: Vec<(u64, usize)> = held
            .iter()
            .zip(buffers)
            .map(|(held, buffer)| (held.resource().ptr, buffer.meta.num_elements()))
            .collect();
        group.sum(&places)
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
