//! Rotary position embedding, in place.

use super::{
    lanes::for_rows,
    view::{Owned, View},
};
use crate::{Cpu, Matrix, RotaryTable, SequenceLayout};

/// See [`crate::Kernels::rotate`].
pub(super) fn rotate(
    x: Matrix<Cpu>,
    table: &RotaryTable<Cpu>,
    layout: &SequenceLayout<Cpu>,
    head_dim: usize,
    inverse: bool,
) -> Matrix<Cpu> {
    let [_, width] = x.dims();
    let half = table.rotary_dim / 2;
    let (cos, sin) = (View::of(&table.cos), View::of(&table.sin));
    let (cos, sin): (&[f32], &[f32]) = (cos.slice(), sin.slice());
    let sign = if inverse { -1.0 } else { 1.0 };
    let mut x = Owned::take(x);
    for_rows(x.slice(), width, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let at = layout.positions[first + i] as usize * half;
            let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
            for head in row.chunks_exact_mut(head_dim) {
                let (a, b) = head[..2 * half].split_at_mut(half);
                for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                    let (u, v, sin) = (*a, *b, sin * sign);
                    *a = u * cos - v * sin;
                    *b = v * cos + u * sin;
                }
            }
        }
    });
    x.tensor()
}
