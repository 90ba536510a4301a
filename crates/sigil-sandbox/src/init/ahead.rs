//! Root of the library that is loaded before a program (`LD_PRELOAD`) and makes it the slot of its own
//! jobs: everything that the loader and the constructors of its libraries do is done once, and each job
//! is a fork of the result.
//!
//! It stands in the way of `__libc_start_main`, which a program calls when it is loaded and none of its
//! own code has run yet. There the slot's loop (`slot.rs`) goes on; the process that is to be the program
//! takes its rights away as any other (`program.rs`), and then goes through the real function with the
//! arguments of its job. No code of a job ever runs in the process that is forked, only in the forks.
//!
//! The one thing that jobs of a slot share, and executed programs do not, is the layout of the address
//! space. Not a program: `main.rs` is. Both are made of the same modules. Next: `start_main.rs`.
#![no_std]
#![deny(unsafe_code)]
#![allow(dead_code, reason = "the other roles of the helper are not needed here")]

#[path = "mod.rs"]
mod init;
mod start_main;
