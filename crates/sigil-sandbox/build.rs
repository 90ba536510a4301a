//! Compiles the helper (`src/init/main.rs`) to a small static program that the library embeds.
//!
//! It is compiled with the compiler and linker that cargo uses for the crate itself, needs nothing but
//! `core`, and links against nothing.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/init");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    assert!(
        target.starts_with("x86_64-") && target.contains("-linux-"),
        "sigil-sandbox knows the system calls of x86-64 Linux only, not of {target}"
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("helper");
    let mut rustc = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"));
    rustc
        .args(["src/init/main.rs", "--crate-name=sigil_sandbox_helper", "--crate-type=bin"])
        .args(["--edition=2024", "--emit=link", "--target", &target, "-o"])
        .arg(&out)
        .args(["-Copt-level=2", "-Cpanic=abort", "-Clto=fat", "-Ccodegen-units=1"])
        .args(["-Cdebuginfo=0", "-Cstrip=symbols", "-Crelocation-model=static"])
        .args(["-Ctarget-feature=+crt-static", "-Cforce-unwind-tables=no"])
        .args(["-Clink-arg=-nostartfiles", "-Clink-arg=-nostdlib", "-Clink-arg=-static"])
        .args(["-Clink-arg=-Wl,--build-id=none", "-Clink-arg=-Wl,-z,noexecstack"])
        // A path in the helper would make it differ between machines.
        .args(["--remap-path-prefix", "src=sigil-sandbox"])
        .env_remove("RUSTFLAGS");
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={}", linker.to_string_lossy()));
    }
    let done = rustc.status().expect("the compiler that cargo uses can be started");
    assert!(done.success(), "the helper does not compile");
}
