//! Every CUDA C++ kernel compiled by NVRTC for Ampere and Hopper, with what a block of it takes.
//!
//! `tests/cuda/run` installs NVRTC and demands this test; elsewhere it runs if NVRTC is there and says
//! so if not. No card is needed.
#![expect(unsafe_code, reason = "NVRTC is a C library")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test prints what it measured")]

use std::ffi::{CStr, CString};

use cudarc::nvrtc::result;
use sigil_kernels::cuda::{catalogue, source::Source};

/// Shared memory of a block and registers of a multiprocessor: compute capability 8.0 and 9.0 (CUDA
/// programming guide).
const ARCHITECTURES: [(&str, usize); 2] = [("sm_80", 163 << 10), ("sm_90a", 227 << 10)];
const REGISTERS: u32 = 65_536;
/// Bytes a thread may keep in local memory: a few that the compiler moves out of the loops.
const MOST_SPILLED: u32 = 256;

/// What the assembler says about a kernel.
#[derive(Debug)]
struct Usage {
    registers: u32,
    spilled_bytes: u32,
}

/// The number before `what` in the assembler's words.
fn number_before(log: &str, what: &str) -> u32 {
    let words = log.split(what).next().unwrap_or_default();
    let number = words.split_whitespace().next_back().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("no number before `{what}` in:\n{log}"))
}

fn compile(source: &Source, architecture: &str) -> Usage {
    let text = CString::new(source.text()).expect("no kernel holds a zero byte");
    let options = [format!("--gpu-architecture={architecture}"), "--ptxas-options=-v".to_owned()];
    let program = result::create_program(&text, None).expect("NVRTC makes a program");
    // SAFETY: the program was just made, is used by this thread only, and is destroyed once; the log
    // is a string that ends with a zero.
    let (compiled, log) = unsafe {
        let compiled = result::compile_program(program, &options);
        let log = result::get_program_log(program).expect("a compiled program has a log");
        let log = CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned();
        result::destroy_program(program).expect("it was made above");
        (compiled, log)
    };
    assert!(compiled.is_ok(), "{} for {architecture}:\n{log}", source.label());
    Usage {
        registers: number_before(&log, " registers"),
        spilled_bytes: number_before(&log, " bytes spill stores"),
    }
}

#[test]
fn every_kernel_compiles_and_fits() {
    // SAFETY: loads NVIDIA's library and closes it; it runs no code of this program's.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        let demanded = std::env::var_os("SIGIL_DEMAND_NVRTC").is_some();
        assert!(!demanded, "libnvrtc cannot be loaded: `tests/cuda/run` installs it");
        eprintln!("SKIPPED: libnvrtc cannot be loaded, no CUDA was compiled; see tests/cuda/run");
        return;
    }
    let hopper =
        catalogue::hopper_products().into_iter().map(|source| (source, &ARCHITECTURES[1..]));
    let all = catalogue::all().into_iter().map(|source| (source, &ARCHITECTURES[..]));
    for (source, architectures) in all.chain(hopper) {
        for &(architecture, most_bytes) in architectures {
            let label = source.label();
            let Usage { registers, spilled_bytes } = compile(&source, architecture);
            println!(
                "{architecture:<6} {registers:>3} registers, {spilled_bytes:>3} bytes spilled, \
                 {:>6} bytes shared, {:>3} threads: {label}",
                source.shared_bytes, source.threads,
            );
            assert!(source.shared_bytes <= most_bytes, "{label} for {architecture}");
            assert!(registers * source.threads <= REGISTERS, "{label} for {architecture}");
            assert!(spilled_bytes <= MOST_SPILLED, "{label} for {architecture}");
        }
    }
}
