//! The CUDA C++ of every kernel, compiled by NVRTC for Ampere and Hopper, without a card.
//!
//! The kernels' structs ask for a client whatever the compiler, so this test needs Vulkan as well.
//! A new kernel belongs into [`kernels`].

use burn_wgpu::{WgpuDevice, WgpuRuntime};
use cubecl::{
    Compiler, CubeTask, Runtime,
    client::ComputeClient,
    cuda::CudaCompiler,
    ir::{AddressType, ElemType, FloatKind, StorageType},
    prelude::*,
    server::ExecutionMode,
};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use sigil_kernels::cube::{
    attention_backward::{
        attention_key_gradient_kernel::AttentionKeyGradientKernel,
        attention_query_gradient_kernel::AttentionQueryGradientKernel, delta_kernel::DeltaKernel,
    },
    attention_forward::{Tiling, attention_kernel::AttentionKernel},
    buffer::UNITS,
    cross_entropy::cross_entropy_kernel::CrossEntropyKernel,
    dequantize::dequantize_kernel::DequantizeKernel,
    elementwise::{
        add_bias_kernel::AddBiasKernel, add_noise_kernel::AddNoiseKernel,
        dropout_kernel::DropoutKernel,
    },
    embedding::{gather_rows_kernel::GatherRowsKernel, scatter_rows_kernel::ScatterRowsKernel},
    norm::{
        rms_norm_backward_kernel::RmsNormBackwardKernel, rms_norm_kernel::RmsNormKernel,
        rms_norm_weight_kernel::RmsNormWeightKernel,
    },
    optimizer::{adamw_kernel::AdamwKernel, sum_of_squares_kernel::SumOfSquaresKernel},
    rotary::rotate_kernel::RotateKernel,
    swiglu::{swiglu_backward_kernel::SwigluBackwardKernel, swiglu_kernel::SwigluKernel},
};

use crate::vulkan;

/// Shared memory of a block: compute capability 8.0 and 9.0 (CUDA programming guide).
const ARCHITECTURES: [(&str, usize); 2] = [("sm_80", 163 << 10), ("sm_90a", 227 << 10)];

const F32: StorageType = StorageType::Scalar(ElemType::Float(FloatKind::F32));
const BF16: StorageType = StorageType::Scalar(ElemType::Float(FloatKind::BF16));

type Wgpu = WgpuRuntime;
type Task = Box<dyn CubeTask<CudaCompiler>>;

/// A dense buffer.
fn a() -> ArrayCompilationArg {
    ArrayCompilationArg { inplace: None }
}

fn task(kernel: impl CubeKernel) -> Task {
    Box::new(KernelTask::<CudaCompiler, _>::new(kernel))
}

/// Every kernel for activations of `dtype`, `n` elements a vector, in the variants that differ.
fn kernels(client: &ComputeClient<Wgpu>, dtype: StorageType, n: usize) -> Vec<(String, Task)> {
    let flat = || KernelSettings::default().cube_dim(CubeDim::new_1d(UNITS));
    let c = || client.clone();
    let levels = std::array::from_fn(|i| (i as f32).to_bits());
    let mut all: Vec<(String, Task)> = vec![];
    let mut add = |name: &str, task: Task| all.push((name.to_owned(), task));
    for nested in [false, true] {
        let kernel = DequantizeKernel::<Wgpu>::new(
            flat(),
            c(),
            a(),
            a(),
            a(),
            a(),
            a(),
            (),
            (),
            (),
            n,
            levels,
            nested,
            dtype,
        );
        add(&format!("dequantize, nested {nested}"), task(kernel));
    }
    for weight in [F32, dtype] {
        let dtypes = [dtype, weight];
        let kernel = RmsNormKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), a(), (), (), n, dtypes);
        add("rms_norm", task(kernel));
        for accumulate in [false, true] {
            let kernel = RmsNormBackwardKernel::<Wgpu>::new(
                flat(),
                c(),
                a(),
                a(),
                a(),
                a(),
                a(),
                (),
                n,
                accumulate,
                dtypes,
            );
            add(&format!("rms_norm_backward, accumulate {accumulate}"), task(kernel));
        }
        add("add_bias", task(AddBiasKernel::<Wgpu>::new(flat(), c(), a(), a(), (), n, dtypes)));
        let kernel =
            GatherRowsKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), (), n, [weight, dtype]);
        add("gather_rows", task(kernel));
    }
    let kernel = RmsNormWeightKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), a(), dtype);
    add("rms_norm_weight", task(kernel));
    let kernel = DropoutKernel::<Wgpu>::new(flat(), c(), a(), a(), (), (), (), n, dtype);
    add("dropout", task(kernel));
    let kernel = AddNoiseKernel::<Wgpu>::new(flat(), c(), a(), a(), (), (), n, dtype);
    add("add_noise", task(kernel));
    let kernel = ScatterRowsKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), (), n, dtype);
    add("scatter_rows", task(kernel));
    add("swiglu", task(SwigluKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), n, dtype)));
    let kernel = SwigluBackwardKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), a(), n, dtype);
    add("swiglu_backward", task(kernel));
    let kernel =
        RotateKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), a(), (), (), (), (), n, dtype);
    add("rotate", task(kernel));
    for gradient in [false, true] {
        let kernel = CrossEntropyKernel::<Wgpu>::new(
            flat(),
            c(),
            a(),
            a(),
            a(),
            a(),
            (),
            (),
            gradient,
            dtype,
        );
        add(&format!("cross_entropy, gradient {gradient}"), task(kernel));
    }
    let kernel =
        AdamwKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), a(), (), (), (), (), (), (), (), ());
    add("adamw", task(kernel));
    add("sum_of_squares", task(SumOfSquaresKernel::<Wgpu>::new(flat(), c(), a(), a(), (), dtype)));
    add("delta", task(DeltaKernel::<Wgpu>::new(flat(), c(), a(), a(), a(), (), n, dtype)));
    // What a launch chooses for these heads on Ampere: f32 tiles are half as tall.
    let tile = if dtype == F32 { 32 } else { 64 };
    for head_dim in [64, 80, 128] {
        let tiling = Tiling { side: 16, tile, head_dim };
        let square = || KernelSettings::default().cube_dim(CubeDim::new_2d(16, 16));
        let kernel = AttentionKernel::<Wgpu>::new(
            square(),
            c(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            (),
            (),
            (),
            (),
            tiling,
            dtype,
        );
        add(&format!("attention, {tiling:?}"), task(kernel));
        let kernel = AttentionQueryGradientKernel::<Wgpu>::new(
            square(),
            c(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            (),
            (),
            (),
            (),
            tiling,
            dtype,
        );
        add(&format!("attention_query_gradient, {tiling:?}"), task(kernel));
        let kernel = AttentionKeyGradientKernel::<Wgpu>::new(
            square(),
            c(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            a(),
            (),
            (),
            (),
            (),
            tiling,
            dtype,
        );
        add(&format!("attention_key_gradient, {tiling:?}"), task(kernel));
    }
    all
}

/// Folders of the CUDA headers, or `None` where the check is switched off.
///
/// # Panics
/// When NVRTC or its headers are missing and `SIGIL_NO_NVRTC` is not set.
fn headers() -> Option<Vec<String>> {
    if std::env::var_os("SIGIL_NO_NVRTC").is_some() {
        eprintln!("SKIPPED: SIGIL_NO_NVRTC is set, no CUDA was compiled");
        return None;
    }
    // SAFETY: loads NVIDIA's library and closes it; it runs no code of this program's.
    let compiler = unsafe { cudarc::nvrtc::sys::is_culib_present() };
    let root = std::env::var("CUDA_PATH").ok();
    let root = root.filter(|root| std::path::Path::new(root).join("include").is_dir());
    match root {
        Some(root) if compiler => {
            Some(vec![format!("{root}/include"), format!("{root}/include/cccl")])
        }
        _ => panic!(
            "no NVRTC: run the tests through `tests/lavapipe/run`, which installs it, \
             or set SIGIL_NO_NVRTC=1 to skip this one"
        ),
    }
}

#[test]
fn cuda_of_every_kernel_compiles() {
    if vulkan().is_none() {
        return;
    }
    let Some(include_paths) = headers() else { return };
    let client = WgpuRuntime::client(&WgpuDevice::default());
    let mut options = <CudaCompiler as Compiler>::CompilationOptions::default();
    options.supports_features.grid_constants = true;
    options.supports_features.fast_math = true;
    let address = AddressType::U32.unsigned_type();
    for (label, dtype, n) in [("f32", F32, 4), ("bf16", BF16, 8), ("bf16 by one", BF16, 1)] {
        for (name, task) in kernels(&client, dtype, n) {
            let compiled = task
                .compile(&mut Default::default(), &options, ExecutionMode::Checked, address)
                .unwrap_or_else(|error| panic!("{name} in {label}: no CUDA C++: {error:?}"));
            let shared_bytes =
                compiled.repr.as_ref().map_or(0, |kernel| kernel.shared_memory_size());
            for (architecture, most_bytes) in ARCHITECTURES {
                assert!(
                    shared_bytes <= most_bytes,
                    "{name} in {label} for {architecture}: {shared_bytes} bytes of shared memory"
                );
                let options = CompileOptions {
                    arch: Some(architecture),
                    include_paths: include_paths.clone(),
                    ..Default::default()
                };
                if let Err(error) = compile_ptx_with_opts(&compiled.source, options) {
                    panic!("{name} in {label} for {architecture}: {error:?}\n{}", compiled.source);
                }
            }
        }
    }
}
