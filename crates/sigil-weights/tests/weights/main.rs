//! Tests of the crate from outside, in one program because linking costs more than running them.
//!
//! `parity` compares with what other tools wrote, `rope` with torch's frequencies; `refusals`,
//! `folders` and `adapters` show bad input and its messages; `never_panics` feeds noise.

mod adapters;
mod codec;
mod folders;
mod never_panics;
mod parity;
mod refusals;
mod rope;
