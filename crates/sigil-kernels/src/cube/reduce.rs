//! Sums and maxima over the units of a cube, in an order that depends on the launch only.
//!
//! Not reductions of tensors; read `norm.rs` for the use.

use cubecl::prelude::*;

/// Entries of the scratch array: one a plane, for planes as small as one unit.
pub const SCRATCH: usize = super::buffer::UNITS as usize;

/// Sum of `value` over the cube, given to every unit.
#[cube]
pub fn cube_sum(value: f32, scratch: &mut SharedMemory<f32>) -> f32 {
    let partial = plane_sum(value);
    if UNIT_POS_PLANE == 0 {
        scratch[(UNIT_POS / PLANE_DIM) as usize] = partial;
    }
    sync_cube();
    let mut total = f32::new(0.0);
    for i in 0..CUBE_DIM / PLANE_DIM {
        total += scratch[i as usize];
    }
    sync_cube();
    total
}

/// Largest `value` of the cube, given to every unit.
#[cube]
pub fn cube_max(value: f32, scratch: &mut SharedMemory<f32>) -> f32 {
    let partial = plane_max(value);
    if UNIT_POS_PLANE == 0 {
        scratch[(UNIT_POS / PLANE_DIM) as usize] = partial;
    }
    sync_cube();
    let mut top = scratch[0];
    for i in 0..CUBE_DIM / PLANE_DIM {
        top = max(top, scratch[i as usize]);
    }
    sync_cube();
    top
}

/// Sum over the lanes of a vector.
#[cube]
pub fn lane_sum<N: Size>(values: Vector<f32, N>) -> f32 {
    let mut total = f32::new(0.0);
    #[unroll]
    for lane in 0..values.vector_size() {
        total += values[lane];
    }
    total
}
