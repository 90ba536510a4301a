//! The product over panels: tiles of up to 64 rows by 32 outputs, in registers eight rows at a time.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    super::view::{Owned, View, matrix},
    Panels, WIDTH,
};
use crate::{Cpu, Matrix};

/// Rows of a tile: a panel that had to be decoded is used this often.
const TILE_ROWS: usize = 64;
/// Inputs that are added up before they are added to the rest: a panel's part stays in the cache,
/// and long sums lose less.
const DEPTH: usize = 256;
/// Multiply-adds under which a product stays on one thread.
const PARALLEL_FROM: usize = 1 << 18;

/// See [`crate::Decoding::row_linear`].
pub(in crate::flex) fn row_linear(
    x: &Matrix<Cpu>,
    weight: &Panels,
    accumulator: Option<Matrix<Cpu>>,
) -> Matrix<Cpu> {
    let [rows, inputs] = x.dims();
    let outputs = weight.outputs;
    assert_eq!(inputs, weight.inputs, "input of another width");
    let view = View::of(x);
    let adds = accumulator.is_some();
    let mut out = match accumulator {
        Some(sum) => {
            assert_eq!(sum.dims(), [rows, outputs], "accumulator of another shape");
            Owned::take(sum)
        }
        None => Owned::take(matrix(vec![0.0; rows * outputs], [rows, outputs])),
    };
    let (panels, parts) = (outputs.div_ceil(WIDTH), rows.div_ceil(TILE_ROWS));
    let target = Target { first: out.slice().as_mut_ptr(), rows, outputs, adds };
    let x: &[f32] = view.slice();
    let task = |task: usize| {
        let (panel, part) = (task % panels, task / panels);
        let from = part * TILE_ROWS;
        let count = TILE_ROWS.min(rows - from);
        let mut tile = [[0.0f32; WIDTH]; TILE_ROWS];
        let tile = &mut tile[..count];
        let x = &x[from * inputs..(from + count) * inputs];
        weight
            .with_panel(panel, |panel| pulp::Arch::new().dispatch(Tile { x, inputs, panel, tile }));
        target.write(from, panel * WIDTH, tile);
    };
    if rows * outputs * inputs < PARALLEL_FROM {
        (0..panels * parts).for_each(task);
    } else {
        (0..panels * parts).into_par_iter().for_each(task);
    }
    out.tensor()
}

/// The result, written by several tasks.
struct Target {
    first: *mut f32,
    rows: usize,
    outputs: usize,
    adds: bool,
}

#[expect(unsafe_code, reason = "tasks write different columns of the same rows")]
// SAFETY: the pointer is to the result's memory, which lives until all tasks have ended, and tasks
// write different elements of it (`row_linear` gives each pair of rows and panel to one task).
unsafe impl Sync for Target {}

impl Target {
    /// Writes or adds a tile whose upper left element is `(row, column)`.
    #[expect(unsafe_code, reason = "tasks write different columns of the same rows")]
    fn write(&self, row: usize, column: usize, tile: &[[f32; WIDTH]]) {
        let columns = WIDTH.min(self.outputs - column);
        assert!(row + tile.len() <= self.rows, "tile out of bounds");
        for (i, values) in tile.iter().enumerate() {
            // SAFETY: `row + i < rows` and `column + columns <= outputs`, so the part lies in the
            // result; no other task touches it (see above).
            let out = unsafe {
                let at = self.first.add((row + i) * self.outputs + column);
                std::slice::from_raw_parts_mut(at, columns)
            };
            if self.adds {
                out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
            } else {
                out.copy_from_slice(&values[..columns]);
            }
        }
    }
}

/// The work of one task.
struct Tile<'a> {
    /// `[rows, inputs]`.
    x: &'a [f32],
    inputs: usize,
    /// `[inputs, 32]`.
    panel: &'a [f32],
    /// `[rows, 32]`, zero at first.
    tile: &'a mut [[f32; WIDTH]],
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, inputs, panel, tile } = self;
        for from in (0..inputs).step_by(DEPTH) {
            let to = inputs.min(from + DEPTH);
            let panel = &panel[from * WIDTH..to * WIDTH];
            let mut row = 0;
            while row < tile.len() {
                let part = Part { x: &x[row * inputs..], inputs, from, to, panel };
                let left = tile.len() - row;
                let tile = &mut tile[row..];
                row += if left >= 8 && S::F32_LANES >= 16 {
                    part.add::<S, 8>(simd, tile)
                } else if left >= 4 {
                    part.add::<S, 4>(simd, tile)
                } else if left >= 2 {
                    part.add::<S, 2>(simd, tile)
                } else {
                    part.add::<S, 1>(simd, tile)
                };
            }
        }
    }
}

/// Inputs `from..to` of some rows.
struct Part<'a> {
    x: &'a [f32],
    inputs: usize,
    from: usize,
    to: usize,
    panel: &'a [f32],
}

impl Part<'_> {
    /// Adds the part's products to the first `ROWS` rows of the tile; returns `ROWS`.
    #[inline(always)]
    fn add<S: Simd, const ROWS: usize>(self, simd: S, tile: &mut [[f32; WIDTH]]) -> usize {
        let rows: [&[f32]; ROWS] = std::array::from_fn(|r| {
            &self.x[r * self.inputs + self.from..r * self.inputs + self.to]
        });
        // Eight inputs at a time, so that bounds are checked once for all of them.
        let eights = rows.map(|row| row.as_chunks::<8>());
        let vectors = WIDTH / S::F32_LANES;
        for pair in 0..vectors / 2 {
            let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
            let panel = S::as_simd_f32s(self.panel).0;
            let mut panels = panel.chunks_exact(8 * vectors);
            for (k, weights) in panels.by_ref().enumerate() {
                let x: [&[f32; 8]; ROWS] = std::array::from_fn(|r| &eights[r].0[k]);
                for i in 0..8 {
                    let (w0, w1) =
                        (weights[i * vectors + 2 * pair], weights[i * vectors + 2 * pair + 1]);
                    for r in 0..ROWS {
                        let value = simd.splat_f32s(x[r][i]);
                        sums[r][0] = simd.mul_add_f32s(value, w0, sums[r][0]);
                        sums[r][1] = simd.mul_add_f32s(value, w1, sums[r][1]);
                    }
                }
            }
            for (i, weights) in panels.remainder().chunks_exact(vectors).enumerate() {
                for r in 0..ROWS {
                    let value = simd.splat_f32s(eights[r].1[i]);
                    sums[r][0] = simd.mul_add_f32s(value, weights[2 * pair], sums[r][0]);
                    sums[r][1] = simd.mul_add_f32s(value, weights[2 * pair + 1], sums[r][1]);
                }
            }
            for (row, sums) in tile.iter_mut().zip(sums) {
                let row = S::as_mut_simd_f32s(row).0;
                row[2 * pair] = simd.add_f32s(row[2 * pair], sums[0]);
                row[2 * pair + 1] = simd.add_f32s(row[2 * pair + 1], sums[1]);
            }
        }
        ROWS
    }
}
