//! Every operation in plain Burn tensor operations (or, where bits count, on the host): the definition that the fast versions are
//! tested against, and what a backend without own kernels runs.

mod adapted;
mod attention;
mod cache;
mod elementwise;
mod head;
mod linear;
mod norm;
mod optimizer;
mod quantize;
mod rotary;

pub use adapted::{
    adapted_linears, adapted_linears_backward, stacked_linears, stacked_linears_backward,
};
pub use attention::{attention, attention_backward};
pub use cache::{PlainCache, cached_attention};
pub use elementwise::{
    add_bias, add_noise, dropout, embed, embed_backward, swiglu, swiglu_backward,
};
pub use head::{head_loss, logits};
pub use linear::{dequantize, linear, linear_backward, product};
pub use norm::{rms_norm, rms_norm_backward};
pub(crate) use optimizer::bias_corrections;
pub use optimizer::{adamw, adamw_all, sum_of_squares};
pub use quantize::quantize;
pub use rotary::rotate;
