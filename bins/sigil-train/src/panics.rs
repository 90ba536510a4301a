//! The last net: a panic becomes a sentence and an exit code.
//!
//! A panic is a bug, of this program or of a library below it, with one exception: the tensor
//! library panics when a device has no memory left.

use std::{
    panic::{PanicHookInfo, catch_unwind, set_hook},
    process::ExitCode,
    sync::OnceLock,
};

use sigil_qlora::TrainError;

/// What to say should the device run out of memory: the plan and what would need less.
static MEMORY_ADVICE: OnceLock<String> = OnceLock::new();

/// Words of drivers and allocators that mean "no memory left".
const MEMORY_WORDS: [&str; 4] =
    ["out of memory", "OUT_OF_MEMORY", "OutOfMemory", "memory allocation of"];

/// Remembers what to say should memory run out.
pub(crate) fn advise_on_memory(error: &TrainError) {
    let advice = error.hint().map_or(String::new(), |hint| format!("  hint: {hint}"));
    // The first plan is the run's; there is only one run in a process.
    drop(MEMORY_ADVICE.set(advice));
}

/// Runs the program; a panic on any thread is told as a sentence.
pub(crate) fn guard(program: impl FnOnce() -> ExitCode + std::panic::UnwindSafe) -> ExitCode {
    set_hook(Box::new(|panic| {
        crate::live::give_back();
        let message = message(panic);
        if is_about_memory(&message) {
            eprintln!("error: the device has no memory left ({message})");
            if let Some(advice) = MEMORY_ADVICE.get() {
                eprintln!("{advice}");
            }
            eprintln!("  hint: the newest checkpoint set is whole; `--resume` goes on from it");
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("error: a bug in sigil-train or a library below it: {message} ({place})");
        eprintln!(
            "  hint: the newest checkpoint set is whole; please report this with the command and \
             the settings (`--print-config`)"
        );
    }));
    match catch_unwind(program) {
        Ok(code) => code,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            ExitCode::from(if text.is_some_and(is_about_memory) { 9 } else { 10 })
        }
    }
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    // A library's message may be long; its first line says what happened.
    text.and_then(|text| text.lines().next()).unwrap_or("no message").to_owned()
}

fn is_about_memory(message: &str) -> bool {
    MEMORY_WORDS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_bugs() {
        assert!(is_about_memory("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"));
        assert!(!is_about_memory("index out of bounds: the len is 3 but the index is 3"));
    }
}
