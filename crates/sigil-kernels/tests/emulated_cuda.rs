//! The CUDA C++ kernels run on the CPU, lane by lane, against computations in f64.
//!
//! The programs and the emulator are in `tests/cuda`. What is compiled here is the text that NVRTC
//! gets, macros included; of the catalogue every tiling, every way of storing operands and every way
//! of writing the output runs. Where there is no C++ compiler nothing can run; that is said, and
//! `.ci/run` installs one.
#![expect(clippy::print_stderr, reason = "a test says that it was skipped")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sigil_kernels::cuda::{
    catalogue,
    source::{GEMM, Source},
    tiles::Tiles,
};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cuda");

/// A folder of this process for sources and programs.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda-{name}"));
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Compiles `program` around the kernel's text and runs it; `false` where there is no compiler.
fn run(program: &str, stem: &str, source: &Source, macros: &[String]) -> bool {
    let folder = folder(program);
    let text = folder.join(format!("{stem}.cu"));
    std::fs::write(&text, source.text()).expect("the target folder can be written");
    let binary = folder.join(stem);
    let compiled = Command::new("g++")
        .args(["-std=c++17", "-O1", "-Wall", "-Werror", "-Wno-unknown-pragmas"])
        .args(["-Wno-unused-function"])
        .arg(format!("-DKERNEL_TEXT=\"{}\"", text.display()))
        .arg(format!("-DSHARED_BYTES={}", source.shared_bytes))
        .args(macros)
        .arg(format!("{PROGRAMS}/{program}.cpp"))
        .arg("-o")
        .arg(&binary)
        .output();
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(error) => {
            eprintln!("SKIPPED: no kernel has run, because g++ does not start: {error}");
            return false;
        }
    };
    let label = source.label();
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{label}: {said}");
    let ran = Command::new(&binary).output().expect("the program was just compiled");
    let said = String::from_utf8_lossy(&ran.stdout);
    let also = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && !said.contains("FAILED"), "{label}:\n{said}{also}");
    assert!(said.contains("ok "), "{label} compared nothing");
    true
}

#[test]
fn products() {
    // Index arithmetic depends on the tiles and on how operands are stored: every pair of them runs.
    // How the output is written depends on neither: every way runs with the smallest tiles.
    let smallest = Tiles::wide(16).block[0] as u32;
    for (i, kernel) in catalogue::products().into_iter().enumerate() {
        let small = kernel.source.defines.contains(&("BM", smallest));
        let chosen = i % 5 == (i / 5) % 5;
        if (small || chosen) && !run("gemm", &format!("gemm-{i}"), &kernel.source, &[]) {
            return;
        }
    }
}

#[test]
fn hopper_products() {
    for (i, source) in catalogue::hopper_products().into_iter().enumerate() {
        if !run("gemm", &format!("hopper-{i}"), &source, &[]) {
            return;
        }
    }
}

#[test]
fn attention() {
    for (pass, source) in catalogue::attention() {
        let stem = format!("attention-{pass}-{}", source.shared_bytes);
        if !run("attention", &stem, &source, &[format!("-DPASS={pass}")]) {
            return;
        }
    }
}

#[test]
fn fixed_products() {
    for (i, source) in catalogue::fixed_products().into_iter().enumerate() {
        // Every way of storing operands with every type; addends take turns.
        if i % 2 == (i / 2) % 2 && !run("fixed_product", &format!("fixed-{i}"), &source, &[]) {
            return;
        }
    }
}

#[test]
fn products_of_few_tokens() {
    for (i, source) in catalogue::row_products().into_iter().enumerate() {
        // Every tiling runs with every way of storing scales; outputs take turns.
        if i % 4 == (i / 4) % 4 && !run("nf4_rows", &format!("nf4-{i}"), &source, &[]) {
            return;
        }
    }
}

#[test]
fn attention_over_a_cache() {
    let groups = [1, 4, 7];
    for (i, (pass, source)) in catalogue::decoding().into_iter().enumerate() {
        let group = source.defines.iter().find(|(name, _)| *name == "GROUP");
        if group.is_some_and(|(_, group)| !groups.contains(group)) {
            continue;
        }
        if !run("decode", &format!("decode-{i}"), &source, &[format!("-DPASS={pass}")]) {
            return;
        }
    }
}

#[test]
fn tokens_are_chosen() {
    for source in catalogue::choosing() {
        let name = source.file.name;
        if !run(name, name, &source, &[]) {
            return;
        }
    }
}

#[test]
fn shared_sums_are_added() {
    let kernels = catalogue::all().into_iter().filter(|source| source.file.name == "reduce");
    for (i, source) in kernels.enumerate() {
        if !run("reduce", &format!("reduce-{i}"), &source, &[]) {
            return;
        }
    }
}

#[test]
fn adamw_and_the_norm_of_many_tensors() {
    for source in catalogue::optimizer() {
        if !run(source.file.name, source.file.name, &source, &[]) {
            return;
        }
    }
}

#[test]
fn weights_are_quantized() {
    for (i, source) in catalogue::quantizing().into_iter().enumerate() {
        if !run("quantize", &format!("quantize-{i}"), &source, &[]) {
            return;
        }
    }
}

#[test]
fn index_arithmetic_at_64_bits() {
    let output = sigil_kernels::cuda::tiles::Output::Whole { f32: false, adds: false };
    let source = Tiles::LARGE.source(sigil_kernels::Product::Nt, output);
    assert_eq!(source.file.name, GEMM.name);
    run("offsets", "offsets", &source, &[]);
}
