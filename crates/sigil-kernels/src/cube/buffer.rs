//! What every launch needs: dense inputs, outputs, buffers that may be written, launch sizes.
//!
//! Where buffers come from is `memory.rs`. Read `elementwise.rs` next for their use.

use burn::tensor::{DType, Int, Shape, Tensor, TensorPrimitive};
use burn_cubecl::{
    CubeBackend, CubeRuntime, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Burn's backend on the CubeCL runtime `R`, without fusion.
pub type On<R> = CubeBackend<R, f32, i32, u8>;

/// Units of a cube in all kernels that are not tiled.
pub const UNITS: u32 = 256;

/// The dense buffer of a float tensor; copies only when rows are padded or transposed.
pub(crate) fn dense<R: CubeRuntime, const D: usize>(tensor: &Tensor<On<R>, D>) -> CubeTensor<R> {
    into_contiguous(tensor.clone().into_primitive().tensor())
}

/// The dense buffer of an integer tensor.
pub(crate) fn dense_int<R: CubeRuntime>(tensor: &Tensor<On<R>, 1, Int>) -> CubeTensor<R> {
    into_contiguous(tensor.clone().into_primitive())
}

/// A dense buffer with the values of `tensor` that may be written: its own where nobody else holds
/// it, otherwise a copy.
pub(crate) fn owned<R: CubeRuntime, const D: usize>(tensor: Tensor<On<R>, D>) -> CubeTensor<R> {
    let tensor = tensor.into_primitive().tensor();
    if tensor.is_contiguous() && tensor.can_mut() {
        return tensor;
    }
    let (client, device, dtype) = (tensor.client.clone(), tensor.device.clone(), tensor.dtype);
    let copy = cubecl::std::tensor::into_contiguous(&client, tensor.binding(), dtype.into());
    CubeTensor::new(client, copy.handle, *copy.metadata, device, dtype)
}

/// An uninitialized dense buffer beside `like`.
pub(crate) fn empty<R: CubeRuntime, const D: usize>(
    like: &CubeTensor<R>,
    shape: [usize; D],
    dtype: DType,
) -> CubeTensor<R> {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new(shape), dtype)
}

/// Host floats beside `like`.
pub(crate) fn upload<R: CubeRuntime>(like: &CubeTensor<R>, values: &[f32]) -> CubeTensor<R> {
    let handle = like.client.create_from_slice(bytemuck::cast_slice(values));
    let (client, device) = (like.client.clone(), like.device.clone());
    CubeTensor::new_contiguous(client, device, Shape::new([values.len()]), handle, DType::F32)
}

/// Host integers beside `like`.
pub(crate) fn upload_int<R: CubeRuntime>(like: &CubeTensor<R>, values: &[i32]) -> CubeTensor<R> {
    let handle = like.client.create_from_slice(bytemuck::cast_slice(values));
    let (client, device) = (like.client.clone(), like.device.clone());
    CubeTensor::new_contiguous(client, device, Shape::new([values.len()]), handle, DType::I32)
}

/// The buffer as a float tensor of the rank it was made with.
pub(crate) fn tensor<R: CubeRuntime, const D: usize>(buffer: CubeTensor<R>) -> Tensor<On<R>, D> {
    Tensor::from_primitive(TensorPrimitive::Float(buffer))
}

/// Elements a unit handles at once: up to 16 bytes of `dtype`, and a divisor of `columns`.
pub(crate) fn lanes<R: CubeRuntime>(
    client: &ComputeClient<R>,
    columns: usize,
    dtype: DType,
) -> usize {
    let most = client.properties().hardware.max_vector_size.min(16 / dtype.size());
    [8, 4, 2].into_iter().find(|&n| n <= most && columns.is_multiple_of(n)).unwrap_or(1)
}

/// Cubes for one unit an item.
pub(crate) fn one_unit_each<R: CubeRuntime>(client: &ComputeClient<R>, items: usize) -> CubeCount {
    calculate_cube_count_elemwise(client, items, CubeDim::new_1d(UNITS))
}

/// Cubes for one cube an item; at least `items`, so kernels check `CUBE_POS`.
pub(crate) fn one_cube_each<R: CubeRuntime>(client: &ComputeClient<R>, items: usize) -> CubeCount {
    calculate_cube_count_elemwise(client, items * UNITS as usize, CubeDim::new_1d(UNITS))
}

/// The dimensions of a cube of [`UNITS`].
pub(crate) fn units() -> CubeDim {
    CubeDim::new_1d(UNITS)
}

/// True where 32-bit indices reach every element.
pub(crate) fn addressable(elements: &[usize]) -> bool {
    elements.iter().all(|&count| u32::try_from(count).is_ok())
}
