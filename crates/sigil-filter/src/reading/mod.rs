//! What tokens say by themselves: attributes, comments, literals and calls.
//!
//! The outline and the tree walk both read these through here, so that they cannot differ in how
//! they understand an attribute; they differ in how they know where code is.
//! Next: `attribute.rs`, then `../outline/mod.rs`.

mod attribute;
mod calls;
mod comments;
mod condition;
mod encoded;
mod literals;
#[cfg(feature = "secrets")]
mod secrets;

pub(crate) use attribute::{Attribute, read_attribute};
pub(crate) use calls::{count_calls, is_print};
pub(crate) use comments::{has_debt, read_comments};
pub(crate) use literals::read_literals;
