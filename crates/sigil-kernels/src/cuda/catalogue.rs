//! Every kernel of this folder in every variant that a launch may ask for, for the checks that need
//! no card: `tests/emulated_cuda.rs` runs them, `tests/lavapipe` compiles them with NVRTC.

use burn::tensor::DType;

use super::{
    attention::{HEAD_SIZES, Pass},
    choosing::{draw_source, likeliest_source, penalize_source},
    decoding::{MOST_GROUP, MOST_MATRICES, RowTiles, combine_source, decode_source, store_source},
    optimizer::{adamw_source, squares_source},
    quantize::quantize_source,
    source::Source,
    tiles::{Output, Tiles, fixed_source, reduce_source},
};
use crate::Product;

/// A product kernel with what it computes.
#[derive(Clone, Debug)]
pub struct ProductKernel {
    /// The kernel.
    pub source: Source,
    /// Which operands are transposed.
    pub product: Product,
    /// What a block writes.
    pub output: Output,
}

/// Every variant of `gemm.cu`.
pub fn products() -> Vec<ProductKernel> {
    let mut outputs = vec![Output::Partial];
    for f32 in [false, true] {
        outputs.extend([false, true].map(|adds| Output::Whole { f32, adds }));
    }
    let mut all = vec![];
    for tiles in Tiles::ALL {
        for product in [Product::Nn, Product::Nt, Product::Tn] {
            for &output in &outputs {
                all.push(ProductKernel { source: tiles.source(product, output), product, output });
            }
        }
    }
    all
}

/// Every variant of `gemm_hopper.cu`, which only compute capability 9.0 runs.
pub fn hopper_products() -> Vec<Source> {
    let mut all = vec![];
    for product in [Product::Nn, Product::Nt] {
        for f32 in [false, true] {
            for adds in [false, true] {
                all.push(Tiles::HOPPER.source(product, Output::Whole { f32, adds }));
            }
        }
    }
    all
}

/// Every variant of the attention kernels, with the number of the pass: 0 forward, 1 dq, 2 dk and dv.
pub fn attention() -> Vec<(u32, Source)> {
    let sizes = HEAD_SIZES.into_iter();
    sizes.flat_map(|d| Pass::ALL.map(|pass| (pass as u32, pass.source(d)))).collect()
}

/// Every variant of `fixed_product.cu`.
pub fn fixed_products() -> Vec<Source> {
    let mut all = vec![];
    for product in [Product::Nn, Product::Nt, Product::Tn] {
        for [in_f32, f32] in [[false, false], [false, true], [true, true]] {
            all.extend([false, true].map(|adds| fixed_source(product, in_f32, f32, adds)));
        }
    }
    all
}

/// Every variant of `nf4_rows.cu`.
pub fn row_products() -> Vec<Source> {
    let mut all = vec![];
    for tiles in RowTiles::ALL {
        for nested in [false, true] {
            for f32 in [false, true] {
                all.extend([false, true].map(|adds| tiles.source(1, nested, f32, adds)));
            }
            // Several are in the type of activations, and nothing is added to them.
            all.extend((2..=MOST_MATRICES).map(|count| tiles.source(count, nested, false, false)));
        }
    }
    all
}

/// Every variant of the kernels over a cache, with the number of the pass: 0 attention in parts, 1 their
/// combination, 2 storing.
pub fn decoding() -> Vec<(u32, Source)> {
    let mut all = vec![(2, store_source())];
    for head_dim in HEAD_SIZES {
        all.push((1, combine_source(head_dim)));
        all.extend((1..=MOST_GROUP).map(|group| (0, decode_source(head_dim, group))));
    }
    all
}

/// The one variant each of `likeliest.cu`, `draw.cu` and `penalize.cu`.
pub fn choosing() -> [Source; 3] {
    [likeliest_source(), draw_source(), penalize_source()]
}

/// `adamw_many.cu` and `squares_many.cu`, which have one variant each.
pub fn optimizer() -> [Source; 2] {
    [adamw_source(), squares_source()]
}

/// Every variant of `quantize.cu`.
pub fn quantizing() -> Vec<Source> {
    [DType::BF16, DType::F16, DType::F32].into_iter().filter_map(quantize_source).collect()
}

/// Every kernel that runs on compute capability 8.0 and later.
pub fn all() -> Vec<Source> {
    let mut all: Vec<Source> = products().into_iter().map(|kernel| kernel.source).collect();
    all.extend(attention().into_iter().chain(decoding()).map(|(_, source)| source));
    all.extend(row_products());
    all.extend(fixed_products());
    all.extend(choosing());
    all.extend(optimizer());
    all.extend(quantizing());
    for f32 in [false, true] {
        all.extend([false, true].map(|adds| reduce_source(f32, adds)));
    }
    all
}
