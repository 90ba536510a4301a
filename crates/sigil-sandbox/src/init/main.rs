//! Root of the helper program: its modules and the runtime under them. Next: `entry.rs`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[path = "mod.rs"]
mod init;
mod runtime;
