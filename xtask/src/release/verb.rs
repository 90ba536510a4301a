//! The verb `release`: builds, checks, packs, and tries the archive.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::{Path, PathBuf};
use std::process::Command;

use miette::{Context, IntoDiagnostic, Result, bail, miette};

use super::archive::{Entry, entries_of, pack, publish};
use super::debian_root::{RootError, try_archive};
use super::elf::Needs;
use super::licences::third_party_licences;
use crate::check::dependencies::{Graph, Package, Reach};
use crate::check::repository;

/// The only target that archives are made for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Files and folders that go into the archive as they are.
const ALONG: [&str; 6] =
    ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT", "configs"];

/// What must run in an empty Debian, without a network, a GPU or a token.
const TRIED: [&[&str]; 3] =
    [&["sigil-train", "--version"], &["sigil-train", "--print-config"], &["sigil-train", "doctor"]];

/// Flags of `cargo xtask release`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the archive and SHA256SUMS go
    #[arg(long, value_name = "FOLDER", default_value = "target/archive")]
    out: PathBuf,
    /// Where the empty Debian is made and kept
    #[arg(long, value_name = "FOLDER", default_value = "target/debian-root")]
    debian_root: PathBuf,
    /// Make the archive only
    #[arg(long)]
    no_trial: bool,
}

/// Makes the archive and tries it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = repository();
    let graph = Graph::load(root, &[TARGET.to_owned()], Reach::Programs).into_diagnostic()?;
    let programs = programs(&graph);
    if programs.is_empty() {
        bail!("bins/ holds no program");
    }
    let built = build(root)?;
    let mut entries = Vec::new();
    for program in &programs {
        entries.push(program_entry(&built, program)?);
    }
    for path in ALONG {
        entries.extend(
            entries_of(root, path).into_diagnostic().wrap_err_with(|| format!("reading {path}"))?,
        );
    }
    let packages = graph.foreign();
    let licences = third_party_licences(&packages).into_diagnostic()?;
    println!("{} packages in THIRD-PARTY-LICENSES", packages.len());
    entries.push(Entry {
        path: "THIRD-PARTY-LICENSES".to_owned(),
        bytes: licences.into_bytes(),
        executable: false,
    });
    let version = graph.members().find(|member| is_program(member)).map(|m| m.version.to_string());
    let folder = format!("sigil-{}-{TARGET}", version.unwrap_or_default());
    let packed = pack(&folder, &entries).into_diagnostic()?;
    let archive = publish(&root.join(&arguments.out), &format!("{folder}.tar.gz"), &packed)
        .into_diagnostic()?;
    println!("{} ({} bytes)", archive.display(), packed.len());
    if arguments.no_trial {
        return Ok(());
    }
    match try_archive(&root.join(&arguments.debian_root), &archive, &TRIED) {
        Ok(()) => println!("runs in an empty Debian: {} commands", TRIED.len()),
        // The archive is whole; only its trial has to be made elsewhere.
        Err(reason @ RootError::NotHere(_)) => println!("note: {reason}"),
        Err(failure) => return Err(failure).into_diagnostic(),
    }
    Ok(())
}

fn is_program(package: &Package) -> bool {
    package.manifest_path.parent().and_then(Path::parent).is_some_and(|p| p.ends_with("bins"))
}

/// Lists the programs, which are named like their folders.
fn programs(graph: &Graph) -> Vec<String> {
    let folders = graph.members().filter(|package| is_program(package));
    let names = folders.filter_map(|package| package.manifest_path.parent()?.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Builds every program with the one profile there is; gives the folder they lie in.
fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--workspace", "--bins", "--exclude", "xtask"])
        .current_dir(root)
        .status()
        .into_diagnostic()?;
    if !status.success() {
        bail!("the build failed");
    }
    // This program was built into the same folder.
    let this = std::env::current_exe().into_diagnostic()?;
    this.parent().map(Path::to_owned).ok_or_else(|| miette!("no folder of built programs"))
}

fn program_entry(built: &Path, program: &str) -> Result<Entry> {
    let path = built.join(program);
    let bytes = std::fs::read(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("reading {}", path.display()))?;
    let needs = Needs::read(&bytes).into_diagnostic().wrap_err_with(|| program.to_owned())?;
    needs.check().into_diagnostic().wrap_err_with(|| program.to_owned())?;
    println!(
        "{program}: {} bytes, glibc {}.{}, {}",
        bytes.len(),
        needs.glibc.0,
        needs.glibc.1,
        needs.libraries.join(" ")
    );
    Ok(Entry { path: format!("bin/{program}"), bytes, executable: true })
}
