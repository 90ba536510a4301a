//! Compiles the helper (`src/init/main.rs`) to a small static program that the library embeds, and the
//! same modules to a shared library that is loaded into programs ahead of their jobs (`src/init/ahead.rs`).
//!
//! Both are compiled with the compiler and linker that cargo uses for the crate itself, and need nothing
//! but `core`; the program links against nothing, the library finds the C library of whom it is loaded
//! into.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// No start files, no libraries, nothing that would differ between machines.
const LINK: [&str; 4] = [
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,noexecstack",
];

fn main() {
    println!("cargo::rerun-if-changed=src/init");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    assert!(
        target.starts_with("x86_64-") && target.contains("-linux-"),
        "sigil-sandbox knows the system calls of x86-64 Linux only, not of {target}"
    );
    compile(
        "src/init/main.rs",
        "helper",
        &[
            "--crate-type=bin",
            "-Crelocation-model=static",
            "-Ctarget-feature=+crt-static",
            "-Clink-arg=-static",
        ],
    );
    compile("src/init/ahead.rs", "ahead", &["--crate-type=cdylib", "-Crelocation-model=pic"]);
}

fn compile(root: &str, name: &str, arguments: &[&str]) {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    let mut rustc = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"));
    rustc
        .arg(root)
        .arg(format!("--crate-name=sigil_sandbox_{name}"))
        .args(["--edition=2024", "--emit=link", "--target", &target, "-o"])
        .arg(&out)
        .args(["-Copt-level=2", "-Cpanic=abort", "-Clto=fat", "-Ccodegen-units=1"])
        .args(["-Cdebuginfo=0", "-Cstrip=symbols", "-Cforce-unwind-tables=no"])
        .args(arguments)
        .args(LINK)
        // A path in the result would make it differ between machines.
        .args(["--remap-path-prefix", "src=sigil-sandbox"])
        .env_remove("RUSTFLAGS");
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={}", linker.to_string_lossy()));
    }
    let done = rustc.status().expect("the compiler that cargo uses can be started");
    assert!(done.success(), "`{root}` does not compile");
}
