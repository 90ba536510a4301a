//! Makes a judge of the command line's arguments: the toolchain, the sandbox, the crates, the cache.

use std::path::PathBuf;
use std::process::Command;

use sigil_eval::EvalError;
use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{DependencySet, Judge, Toolchain};
use sigil_eval::queue::AskedOptions;
use sigil_sandbox::{Selection, select};

use crate::cli::JudgeArguments;
use crate::exit::Failure;

/// The number of samples judged at once.
pub(crate) fn workers(arguments: &JudgeArguments) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.workers.unwrap_or_else(processors).max(1)
}

/// The judge that the arguments ask for.
pub(crate) fn judge(arguments: &JudgeArguments) -> Result<Judge, Failure> {
    let toolchain = Toolchain::find(&sysroot(arguments.sysroot.clone())?)?;
    let set = match &arguments.deps {
        Some(folder) => Some(DependencySet::open(folder, Some(&version(&toolchain)?))?),
        None => None,
    };
    let asked = AskedOptions {
        lint_groups: arguments.lints.clone(),
        allow_unsafe: arguments.allow_unsafe,
        run_tests: !arguments.no_tests,
        compile_secs: arguments.compile_secs,
        test_secs: arguments.test_secs,
    };
    let options = asked.options();
    let cache = match &arguments.cache {
        Some(folder) => ResultCache::open(folder)?,
        None => ResultCache::in_memory(),
    };
    let (slots, allow_reduced) = (workers(arguments), arguments.allow_reduced);
    let source = Box::new(move || {
        let selection = Selection { allow_reduced, ..Selection::default() };
        let verified =
            select(&selection).map_err(|refused| EvalError::NoSandbox(refused.to_string()))?;
        Ok(verified.pool(slots))
    });
    Ok(Judge::new(source, toolchain, set, options, cache, host_stamp()))
}

/// The toolchain's folder.
pub(crate) fn sysroot(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder);
    }
    let told = Command::new("rustc").args(["--print", "sysroot"]).output();
    match told {
        Ok(told) if told.status.success() => {
            Ok(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim().to_owned()))
        }
        _ => Err(Failure::new(
            5,
            "cannot run `rustc --print sysroot`",
            Some("install Rust, or give the toolchain's folder with --sysroot".to_owned()),
        )),
    }
}

/// `rustc -vV` of a toolchain, by its own program: no sample is near.
pub(crate) fn version(toolchain: &Toolchain) -> Result<String, Failure> {
    told(toolchain, "rustc", "-vV")
}

/// What a program of a toolchain says of itself.
fn told(toolchain: &Toolchain, name: &str, question: &str) -> Result<String, Failure> {
    let program = toolchain.sysroot().join("bin").join(name);
    let told = Command::new(&program).arg(question).output();
    match told {
        Ok(told) if told.status.success() => Ok(String::from_utf8_lossy(&told.stdout).into_owned()),
        _ => Err(Failure::new(5, format!("cannot run `{} {question}`", program.display()), None)),
    }
}

/// What tells this machine and program from others: the kernel, and this program's own file.
fn host_stamp() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let own = std::env::current_exe().and_then(|path| path.metadata());
    let own = own.ok().map(|found| (found.len(), found.modified().ok()));
    format!("{}|{own:?}|{}", kernel.trim(), env!("CARGO_PKG_VERSION"))
}
