//! Makes a judge of the command line's arguments: the toolchain, the sandbox, the crates, the cache.

use std::path::PathBuf;
use std::process::Command;

use sigil_eval::EvalError;
use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{DependencySet, Judge, Toolchain};
use sigil_eval::queue::{AskedOptions, InProcess, JudgeIdentity, Judges, Remote};
use sigil_sandbox::{Selection, select};

use crate::cli::JudgeArguments;
use crate::exit::Failure;
use crate::queue::Nats;
use crate::stop::Stop;

/// The number of samples judged at once.
pub(crate) fn workers(arguments: &JudgeArguments) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.workers.unwrap_or_else(processors).max(1)
}

/// Who judges as the arguments ask for: this process, or workers of a queue.
pub(crate) fn judges(arguments: &JudgeArguments, stop: &Stop) -> Result<Box<dyn Judges>, Failure> {
    let asked = asked(arguments);
    let judge = judge(arguments, &asked)?;
    let Some(address) = &arguments.queue.queue else {
        return Ok(Box::new(InProcess { judge, workers: workers(arguments) }));
    };
    if !arguments.sandbox.is_empty() {
        let hint = "give --sandbox to `sigil-eval worker`, or leave out --queue".to_owned();
        return Err(Failure::new(2, "the workers of a queue choose their sandbox", Some(hint)));
    }
    let identity = identity(arguments, &judge)?;
    let carrier = Nats::connect(address, arguments, stop)?;
    Ok(Box::new(Remote::new(judge, identity, asked, carrier)))
}

/// How the arguments ask for samples to be judged.
pub(crate) fn asked(arguments: &JudgeArguments) -> AskedOptions {
    AskedOptions {
        lint_groups: arguments.lints.clone(),
        allow_unsafe: arguments.allow_unsafe,
        run_tests: !arguments.no_tests,
        compile_secs: arguments.compile_secs,
        test_secs: arguments.test_secs,
    }
}

/// What a worker must share with this judge.
pub(crate) fn identity(
    arguments: &JudgeArguments,
    judge: &Judge,
) -> Result<JudgeIdentity, Failure> {
    let toolchain = Toolchain::find(&sysroot(arguments.sysroot.clone())?)?;
    Ok(JudgeIdentity {
        rustc: version(&toolchain)?.trim().to_owned(),
        clippy: told(&toolchain, "clippy-driver", "-V")?.trim().to_owned(),
        dependencies: judge.dependencies().map_or("", |set| set.fingerprint()).to_owned(),
        policy: sigil_sandbox::policy_digest(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The judge of this process. It opens the sandbox when the first sample needs it.
pub(crate) fn judge(arguments: &JudgeArguments, asked: &AskedOptions) -> Result<Judge, Failure> {
    let toolchain = Toolchain::find(&sysroot(arguments.sysroot.clone())?)?;
    let set = match &arguments.deps {
        Some(folder) => Some(DependencySet::open(folder, Some(&version(&toolchain)?))?),
        None => None,
    };
    let options = asked.options();
    // Verdicts of a queue are remembered by those who judge.
    let cache = match &arguments.cache {
        Some(folder) if arguments.queue.queue.is_none() || arguments.queue.serves => {
            ResultCache::open(folder)?
        }
        _ => ResultCache::in_memory(),
    };
    let slots = workers(arguments);
    let selection =
        Selection { only: arguments.sandbox.clone(), allow_reduced: arguments.allow_reduced };
    let source = Box::new(move || {
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
