//! The account of every row's fate: read, kept, dropped and why.
//!
//! Is: counts per stage and reason, with the first places of each, the unreadable rows, and the
//! sentences for the user. Is not: a log. Next: `reason.rs` for the names, `account.rs` for the
//! counts.

mod account;
mod reason;

pub use account::{Ledger, Quarantined, Tally};
pub use reason::{Change, Reason, Stage};
