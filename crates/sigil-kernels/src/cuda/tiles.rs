//! Which tiles a product is cut into: pure arithmetic over shapes, tested without a card.

use super::{
    native::Card,
    source::{FIXED_PRODUCT, GEMM, GEMM_HOPPER, REDUCE, Source},
};
use crate::Product;

/// Features of k that a block copies at a time.
pub const STEP: usize = 64;

/// The shape of a product `[m, n]`, summed over `k` and then over `k2` of the second pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Rows of the output.
    pub m: usize,
    /// Columns of the output.
    pub n: usize,
    /// Features of the first pair.
    pub k: usize,
    /// Features of the second pair, or 0.
    pub k2: usize,
}

/// The tile of a block and of each of its warps, and the depth of its copy pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Rows and columns of a block's tile.
    pub block: [usize; 2],
    /// Rows and columns of a warp's tile.
    pub warp: [usize; 2],
    /// Tiles of k in shared memory at once.
    pub stages: usize,
}

impl Tiles {
    /// Large products on a card with 144 KiB of shared memory a block.
    pub const LARGE: Self = Self { block: [128, 256], warp: [64, 64], stages: 3 };
    /// Large products elsewhere, and those with few columns.
    pub const MEDIUM: Self = Self { block: [128, 128], warp: [64, 64], stages: 3 };

    /// Large products on compute capability 9.0, by `gemm_hopper.cu`: a warpgroup takes 64 rows.
    pub const HOPPER: Self = Self { block: [128, 256], warp: [16, 256], stages: 4 };

    /// Few columns: LoRA's inner products and gradients by B.
    pub const fn tall(columns: usize) -> Self {
        Self { block: [128, columns], warp: [32, columns], stages: 4 }
    }

    /// Few rows: gradients by A, and decoding.
    pub const fn wide(rows: usize) -> Self {
        Self { block: [rows, 128], warp: [rows, 32], stages: 4 }
    }

    /// Every tiling of `gemm.cu` that [`plan`] chooses.
    pub const ALL: [Self; 8] = [
        Self::LARGE,
        Self::MEDIUM,
        Self::tall(16),
        Self::tall(32),
        Self::tall(64),
        Self::wide(16),
        Self::wide(32),
        Self::wide(64),
    ];

    /// Threads of a block.
    pub fn threads(self) -> u32 {
        let warps = self.block[0] / self.warp[0] * (self.block[1] / self.warp[1]);
        32 * warps as u32
    }

    /// Shared memory of a block: the pipeline, then the output tile in f32 in the same place.
    pub fn shared_bytes(self) -> usize {
        let [rows, columns] = self.block;
        let pipeline = self.stages * (rows + columns) * STEP * 2;
        // Hopper's tiles begin on multiples of 1024 bytes, which the launch does not promise.
        let alignment = if self == Self::HOPPER { 1024 } else { 0 };
        pipeline.max(rows * (columns + 4) * 4) + alignment
    }

    /// The kernel for these tiles; [`Tiles::HOPPER`] has none for [`Product::Tn`] and none that
    /// shares sums.
    pub fn source(self, product: Product, output: Output) -> Source {
        let [partial, out_f32, adds] = match output {
            Output::Partial => [1, 1, 0],
            Output::Whole { f32, adds } => [0, u32::from(f32), u32::from(adds)],
        };
        let (a_stored_km, b_stored_nk) = match product {
            Product::Nn => (0, 0),
            Product::Nt => (0, 1),
            Product::Tn => (1, 0),
        };
        if self == Self::HOPPER {
            return Source {
                file: GEMM_HOPPER,
                defines: vec![("B_STORED_NK", b_stored_nk), ("OUT_F32", out_f32), ("ADDS", adds)],
                threads: self.threads(),
                shared_bytes: self.shared_bytes(),
            };
        }
        Source {
            file: GEMM,
            defines: vec![
                ("BM", self.block[0] as u32),
                ("BN", self.block[1] as u32),
                ("WM", self.warp[0] as u32),
                ("WN", self.warp[1] as u32),
                ("STAGES", self.stages as u32),
                ("A_STORED_KM", a_stored_km),
                ("B_STORED_NK", b_stored_nk),
                ("OUT_F32", out_f32),
                ("ADDS", adds),
                ("PARTIAL", partial),
            ],
            threads: self.threads(),
            shared_bytes: self.shared_bytes(),
        }
    }
}

/// What a block writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// f32 sums of its share of k.
    Partial,
    /// The product, in f32 or bf16, with an addend or without.
    Whole {
        /// f32, else bf16.
        f32: bool,
        /// An addend is given.
        adds: bool,
    },
}

/// The kernel that adds the shares.
pub fn reduce_source(f32: bool, adds: bool) -> Source {
    let defines = vec![("OUT_F32", u32::from(f32)), ("ADDS", u32::from(adds))];
    Source { file: REDUCE, defines, threads: 256, shared_bytes: 0 }
}

/// Rows and columns of a block of `fixed_product.cu`.
pub const FIXED_TILE: usize = 64;

/// The product on the general units: `in_f32` and `f32` say which types come and go, else bf16.
pub fn fixed_source(product: Product, in_f32: bool, f32: bool, adds: bool) -> Source {
    let defines = [
        ("IN_F32", in_f32),
        ("OUT_F32", f32),
        ("A_STORED_KM", product == Product::Tn),
        ("B_STORED_NK", product == Product::Nt),
        ("ADDS", adds),
    ];
    Source {
        file: FIXED_PRODUCT,
        defines: defines.map(|(name, value)| (name, u32::from(value))).to_vec(),
        threads: 256,
        shared_bytes: 2 * 16 * (FIXED_TILE + 1) * 4,
    }
}

/// How a product is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The tiles.
    pub tiles: Tiles,
    /// Blocks that cover the output once.
    pub blocks: u32,
    /// Blocks that share the sum over k; more than one only where the output has few tiles.
    pub shares: u32,
    /// Steps of k in a share.
    pub share_steps: u32,
}

/// Plans a product, or `None` where its rows are not whole chunks of 16 bytes.
pub fn plan(product: Product, shape: ProductShape, card: Card) -> Option<Plan> {
    let ProductShape { m, n, k, k2 } = shape;
    let stored_rows: &[usize] = match product {
        Product::Nn | Product::Nt => &[k, k2, n],
        Product::Tn => &[m, n],
    };
    let fits = [m, n, k, k2].iter().all(|&size| u32::try_from(size).is_ok());
    if m * n * k == 0 || !fits || stored_rows.iter().any(|row| !row.is_multiple_of(8)) {
        return None;
    }
    let narrow = |size: usize| [16, 32, 64].into_iter().find(|&tile| size <= tile);
    let tiles = match (narrow(m), narrow(n)) {
        (_, Some(columns)) if m > 64 => Tiles::tall(columns),
        (Some(rows), _) => Tiles::wide(rows),
        _ if n > 128 && card.shared_bytes >= Tiles::LARGE.shared_bytes() => Tiles::LARGE,
        _ => Tiles::MEDIUM,
    };
    if card.shared_bytes < tiles.shared_bytes() {
        return None;
    }
    let blocks = m.div_ceil(tiles.block[0]) * n.div_ceil(tiles.block[1]);
    let blocks = u32::try_from(blocks).ok().filter(|&blocks| i32::try_from(blocks).is_ok())?;
    let steps = (k.div_ceil(STEP) + k2.div_ceil(STEP)) as u32;
    // Idle multiprocessors take shares of k, of at least four steps each.
    let wanted = (2 * card.multiprocessors).div_ceil(blocks).min(steps / 4).max(1);
    let wanted = if blocks < card.multiprocessors { wanted } else { 1 };
    let hopper = card.hopper && card.shared_bytes >= Tiles::HOPPER.shared_bytes();
    let whole = wanted == 1 && product != Product::Tn;
    let tiles = if hopper && whole && tiles == Tiles::LARGE { Tiles::HOPPER } else { tiles };
    let share_steps = steps.div_ceil(wanted);
    Some(Plan { tiles, blocks, shares: steps.div_ceil(share_steps), share_steps })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const H200: Card = Card { shared_bytes: 232_448, multiprocessors: 132, hopper: true };
    const A100: Card = Card { shared_bytes: 166_912, multiprocessors: 108, hopper: false };
    const GEFORCE: Card = Card { shared_bytes: 101_376, multiprocessors: 84, hopper: false };

    #[test]
    fn the_shapes_of_a_7b_model() {
        let plan_of = |product, m, n, k, k2| {
            plan(product, ProductShape { m, n, k, k2 }, H200).expect("covered")
        };
        let forward = plan_of(Product::Nt, 16384, 14336, 4096, 16);
        assert_eq!((forward.tiles, forward.shares), (Tiles::HOPPER, 1));
        assert_eq!((forward.blocks, forward.share_steps), (128 * 56, 65));
        let inner = plan_of(Product::Nt, 16384, 16, 4096, 0);
        assert_eq!((inner.tiles, inner.blocks), (Tiles::tall(16), 128));
        let by_b = plan_of(Product::Tn, 4096, 16, 16384, 0);
        assert_eq!((by_b.tiles, by_b.blocks, by_b.shares), (Tiles::tall(16), 32, 9));
        let by_a = plan_of(Product::Tn, 16, 4096, 16384, 0);
        assert_eq!(by_a.tiles, Tiles::wide(16));
        let token = plan_of(Product::Nt, 1, 4096, 4096, 16);
        assert_eq!((token.tiles, token.shares), (Tiles::wide(16), 9));
    }

    #[test]
    fn a_small_card_gets_smaller_tiles() {
        let shape = ProductShape { m: 4096, n: 4096, k: 4096, k2: 0 };
        let tiles = plan(Product::Nt, shape, GEFORCE).map(|plan| plan.tiles);
        assert_eq!(tiles, Some(Tiles::MEDIUM));
        let tiles = plan(Product::Nt, shape, A100).map(|plan| plan.tiles);
        assert_eq!(tiles, Some(Tiles::LARGE));
    }

    #[test]
    fn rows_that_are_no_whole_chunks_are_left_to_others() {
        let shape = |m, n, k, k2| ProductShape { m, n, k, k2 };
        assert_eq!(plan(Product::Nt, shape(64, 64, 20, 0), H200), None);
        assert_eq!(plan(Product::Nn, shape(64, 20, 64, 0), H200), None);
        assert_eq!(plan(Product::Nn, shape(64, 64, 64, 4), H200), None);
        assert_eq!(plan(Product::Tn, shape(20, 64, 64, 0), H200), None);
        assert_eq!(plan(Product::Nt, shape(0, 64, 64, 0), H200), None);
        assert!(plan(Product::Nt, shape(5, 64, 64, 0), H200).is_some());
    }

    proptest! {
        #[test]
        fn shares_cover_every_step_once(
            m in 1usize..40_000, n in 1usize..20_000, k in 1usize..20_000, rank in 0usize..9
        ) {
            let shape = ProductShape { m, n: 8 * n, k: 8 * k, k2: 8 * rank };
            for card in [H200, A100, GEFORCE] {
                let plan = plan(Product::Nt, shape, card).expect("whole chunks");
                let steps = (shape.k.div_ceil(STEP) + shape.k2.div_ceil(STEP)) as u32;
                prop_assert!(plan.shares * plan.share_steps >= steps);
                prop_assert!((plan.shares - 1) * plan.share_steps < steps);
                prop_assert!(plan.tiles.shared_bytes() <= card.shared_bytes);
                prop_assert!(Tiles::ALL.contains(&plan.tiles) || plan.tiles == Tiles::HOPPER);
                prop_assert!(plan.tiles != Tiles::HOPPER || plan.shares == 1);
            }
        }
    }
}
