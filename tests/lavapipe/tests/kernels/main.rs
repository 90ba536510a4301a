//! The CubeCL kernels run by Mesa lavapipe, a Vulkan device made of CPU threads, and their CUDA C++
//! compiled by NVRTC.
//!
//! Every run compares [`sigil_kernels::Kernels`] on Vulkan with [`sigil_kernels::plain`] on the
//! CPU. Not measured here: speed, and bf16 arithmetic, which lavapipe has not. One binary, because
//! linking the tensor library takes longer than the tests; read `elementwise.rs` first.
#![recursion_limit = "256"]

mod attention;
mod compare;
mod dequantize;
mod device;
mod elementwise;
mod head;
mod model;
mod norm;
mod nvrtc;
mod optimizer;
mod stacked;
mod values;

use compare::{assert_close, assert_close_vector, assert_equal, config};
use device::vulkan;
use values::{both, both_vectors, layouts, numbers};

/// The CPU backend, where the plain versions run.
type Cpu = burn_flex::Flex;
/// The CubeCL kernels on Vulkan.
type Vulkan = sigil_kernels::cube::On<burn_wgpu::WgpuRuntime>;
