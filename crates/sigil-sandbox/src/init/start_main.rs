//! What the library of `ahead.rs` has of a C library: the function that stands in the way of the program's
//! own, and what the compiler asks for. Not part of the library's test build.
#![expect(unsafe_code, reason = "it is called by, and calls, the C library of a program")]

use core::arch::global_asm;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::init::job::Start;
use crate::init::kernel::{self, Answer, Words};

// Hidden, so that it does not take the place of the program's own.
global_asm!(".globl rust_eh_personality", ".hidden rust_eh_personality", "rust_eh_personality:", "ud2");

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    kernel::exit(70)
}

unsafe extern "C" {
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn fork() -> c_int;
}

/// The C library's function of the same name.
type StartMain = unsafe extern "C" fn(
    main: usize,
    count: c_int,
    words: *mut *const c_char,
    init: usize,
    fini: usize,
    loader_fini: usize,
    stack_end: usize,
) -> c_int;

/// What the program called this library with, for [`enter`]: the function that it meant first.
static CALL: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

/// Serves jobs in place of running the program.
///
/// # Safety
/// Called by the program's entry code alone, as it calls the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __libc_start_main(
    main: usize,
    count: c_int,
    words: *mut *const c_char,
    init: usize,
    fini: usize,
    loader_fini: usize,
    stack_end: usize,
) -> c_int {
    // SAFETY: RTLD_NEXT, and a name that ends with a zero.
    let real = unsafe { dlsym(-1isize as *mut c_void, c"__libc_start_main".as_ptr()) };
    if real.is_null() {
        kernel::exit(69);
    }
    let call =
        [real as usize, main, count as usize, words as usize, init, fini, loader_fini, stack_end];
    for (place, value) in CALL.iter().zip(call) {
        place.store(value, Relaxed);
    }
    // SAFETY: the kernel puts the environment behind the arguments and a null.
    unsafe { forget_library(words.add(count as usize + 1)) };
    // PR_SET_PDEATHSIG and PR_SET_DUMPABLE, which executing has undone.
    let _ = kernel::prctl(1, 9, 0);
    let _ = kernel::prctl(4, 0, 0);
    kernel::exit(crate::init::slot::serve_jobs(0, &Start { fork: fork_program, enter }))
}

/// Takes `LD_PRELOAD` out of the environment: a job's own children have nothing to do with this library.
///
/// # Safety
/// `variables` is a list of strings that ends with a null.
unsafe fn forget_library(variables: *mut *const c_char) {
    let (mut from, mut to) = (variables, variables);
    // SAFETY: both move no further than the null, and `to` never before `from`.
    unsafe {
        while !(*from).is_null() {
            if !CStr::from_ptr(*from).to_bytes().starts_with(b"LD_PRELOAD=") {
                *to = *from;
                to = to.add(1);
            }
            from = from.add(1);
        }
        *to = core::ptr::null();
    }
}

/// The C library's own fork, which tells it who it is now.
fn fork_program() -> Answer {
    // SAFETY: this process has one thread.
    match unsafe { fork() } {
        -1 => Err(kernel::EAGAIN),
        pid => Ok(pid as usize),
    }
}

/// Begins the program with these arguments. Its environment is the one that it was loaded with.
fn enter(_: &CStr, arguments: &Words<'_>, _: &Words<'_>, plan: &'static [u8]) -> i32 {
    let [real, main, room, words, init, fini, loader_fini, stack_end] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|index: usize| CALL[index].load(Relaxed));
    let pointers = arguments.pointers();
    let count = pointers.len().saturating_sub(1);
    if count > room {
        return kernel::E2BIG;
    }
    let words = words as *mut *const c_char;
    // SAFETY: the list has room for `room` words and a null, which the kernel made; `arguments` holds
    // strings inside the plan, which is mapped; the copies stay for as long as this process lives.
    unsafe {
        let length = |word: *const c_char| CStr::from_ptr(word).count_bytes() + 1;
        let all = pointers[..count].iter().map(|word| length(*word)).sum();
        let Ok(mut free) = kernel::map_memory(all) else { return kernel::ENOMEM };
        for (index, word) in pointers[..count].iter().enumerate() {
            let (own, rest) = free.split_at_mut(length(*word));
            own.copy_from_slice(CStr::from_ptr(*word).to_bytes_with_nul());
            *words.add(index) = own.as_ptr().cast();
            free = rest;
        }
        *words.add(count) = core::ptr::null();
    }
    kernel::unmap(plan);
    let _ = kernel::prctl(4, 1, 0);
    // The way to report a failure, which executing would have closed.
    let _ = kernel::close_from(5);
    // SAFETY: what `dlsym` found under this name has this signature; the values are the program's own.
    unsafe {
        let real: StartMain = core::mem::transmute(real);
        real(main, count as c_int, words, init, fini, loader_fini, stack_end)
    }
}
