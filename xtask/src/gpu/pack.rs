//! The verb `gpu pack`: this program, the peers' script, the parity fixtures, tokens of real Rust code and
//! Python packages in one folder that fits the 64 MiB that may be carried.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use miette::{Context, IntoDiagnostic};

use super::{code, fixtures, packages};

/// The peers' script.
const PEER: &str = "tests/peers/bench_gpu.py";
/// Tokens that are carried: what the stage `learn` reads, and no more.
pub(crate) const MOST_TOKENS: usize = 9_900_000;
/// Folder of Python packages beside the script.
pub(crate) const PACKAGES: &str = "python";
/// What may be carried.
const MOST_BYTES: u64 = 64 << 20;

/// Flags of `cargo xtask gpu pack`.
#[derive(clap::Args)]
pub(crate) struct PackArguments {
    /// The folder; it is made
    #[arg(long, value_name = "FOLDER", default_value = "out/gpu-pack")]
    out: PathBuf,
    /// Rust code to learn from; the sources of cargo's registry if not given
    #[arg(long, value_name = "FOLDER")]
    code: Option<PathBuf>,
    /// A Python package that the other machine lacks, without what it depends on; may be given again
    #[arg(long, value_name = "NAME")]
    pub(super) package: Vec<String>,
    /// The Python whose pip fetches them: of the version that runs there
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub(super) python: PathBuf,
    /// Of the libraries that a package has for several accelerators, the one that is kept
    #[arg(long, value_name = "NAME", default_value = "cuda130")]
    pub(super) keep: String,
}

/// Compresses this program (release builds are stripped) and copies what it needs beside it.
///
/// # Errors
/// A file cannot be read or written, there is no Rust code, or the folder is too large to carry.
pub(crate) fn pack(arguments: &PackArguments) -> miette::Result<()> {
    let out = &arguments.out;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sizes = vec![];
    make(out)?;
    let program = std::env::current_exe().into_diagnostic().wrap_err("this program's own path")?;
    sizes.push(("xtask.gz", compress(&program, &out.join("xtask.gz"))?));
    sizes.push(("bench_gpu.py", copy(&root.join(PEER), &out.join("bench_gpu.py"))?));
    let mut bytes = 0;
    for family in fixtures::FAMILIES {
        for file in fixtures::FILES {
            let source = root.join("tests/fixtures/parity").join(family).join(file);
            let target = out.join(fixtures::PACKED).join(family).join(file);
            make(target.parent().unwrap_or(out))?;
            bytes += copy(&source, &target)?;
        }
    }
    sizes.push((fixtures::PACKED, bytes));
    let folder = arguments.code.clone().unwrap_or_else(registry);
    let tokenizer = root.join("configs/sigil-base/tokenizer.json");
    let tokens = code::gather(&folder, &tokenizer, MOST_TOKENS)?;
    sizes.push((code::PACKED, code::write(&tokens, &out.join(code::PACKED))?));
    if !arguments.package.is_empty() {
        sizes.push((PACKAGES, packages::install(arguments, &out.join(PACKAGES))?));
    }
    let total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for (name, bytes) in sizes {
        println!("{:>6.1} MiB  {name}", mebibytes(bytes));
    }
    println!("{:>6.1} MiB in {}, {} tokens of code", mebibytes(total), out.display(), tokens.len());
    if total > MOST_BYTES {
        miette::bail!(
            help = "carry fewer packages, or leave something out by hand",
            "{:.1} MiB, and {:.0} may be carried",
            mebibytes(total),
            mebibytes(MOST_BYTES)
        );
    }
    println!("there: gunzip xtask.gz; chmod +x xtask; see docs/guides/gpu.md");
    Ok(())
}

/// Where cargo keeps the sources of crates.
fn registry() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.unwrap_or_default().join("registry/src")
}

fn make(folder: &Path) -> miette::Result<()> {
    std::fs::create_dir_all(folder)
        .into_diagnostic()
        .wrap_err_with(|| format!("creating {}", folder.display()))
}

fn compress(from: &Path, to: &Path) -> miette::Result<u64> {
    let written = || -> std::io::Result<u64> {
        let mut encoder = GzEncoder::new(File::create(to)?, Compression::best());
        std::io::copy(&mut File::open(from)?, &mut encoder)?;
        encoder.finish()?.metadata().map(|metadata| metadata.len())
    };
    written()
        .into_diagnostic()
        .wrap_err_with(|| format!("compressing {} to {}", from.display(), to.display()))
}

fn copy(from: &Path, to: &Path) -> miette::Result<u64> {
    std::fs::copy(from, to)
        .into_diagnostic()
        .wrap_err_with(|| format!("copying {} to {}", from.display(), to.display()))
}
