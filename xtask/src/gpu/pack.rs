//! The verb `gpu pack`: this program, stripped, and the peers' script in one folder.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic};

/// Files beside the program, from the repository.
const ALONG: [&str; 1] = ["tests/peers/bench_gpu.py"];

/// Flags of `cargo xtask gpu pack`.
#[derive(clap::Args)]
pub(crate) struct PackArguments {
    /// The folder; it is made
    #[arg(long, value_name = "FOLDER", default_value = "out/gpu-pack")]
    out: PathBuf,
}

/// Copies this program (release builds are stripped) and the scripts, and says how to use them.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn pack(arguments: &PackArguments) -> miette::Result<()> {
    let out = &arguments.out;
    std::fs::create_dir_all(out)
        .into_diagnostic()
        .wrap_err_with(|| format!("creating {}", out.display()))?;
    let program = std::env::current_exe().into_diagnostic().wrap_err("this program's own path")?;
    let mut bytes = copy(&program, &out.join("xtask"))?;
    for file in ALONG {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let name = source.file_name().map(PathBuf::from).unwrap_or_default();
        bytes += copy(&source, &out.join(name))?;
    }
    println!(
        "{}: {:.1} MiB\nthere: LD_LIBRARY_PATH=/usr/local/cuda/lib64 ./xtask gpu run --out OUT",
        out.display(),
        bytes as f64 / f64::from(1 << 20),
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> miette::Result<u64> {
    std::fs::copy(from, to)
        .into_diagnostic()
        .wrap_err_with(|| format!("copying {} to {}", from.display(), to.display()))
}
