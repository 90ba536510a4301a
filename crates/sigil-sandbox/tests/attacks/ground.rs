//! What attacks aim at, and how a backend is tried: a secret, a writable folder, a listener, a place to
//! compile them; and what must not be there afterwards.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sigil_sandbox::{Job, Limits, Mount, Root};
use tempfile::TempDir;

/// The words that no attack may bring out.
pub(crate) const SECRET: &str = "secret-of-the-supervisor";

/// The attacked machine.
pub(crate) struct Ground {
    pub(crate) folder: TempDir,
    /// A file that everybody may read and write, as far as the machine's own permissions go.
    pub(crate) secret: PathBuf,
    /// A folder that everybody may write.
    pub(crate) open_folder: PathBuf,
    pub(crate) listener: TcpListener,
    /// The compiled attacks.
    pub(crate) program: Arc<[u8]>,
    /// A root with nothing but what the backend makes.
    pub(crate) empty: Arc<Root>,
    /// The same with [`Ground::open_folder`] and the secret in it.
    pub(crate) with_folder: Arc<Root>,
    /// A root with a compiler, and the compiler, if there is one here.
    pub(crate) compiler: Option<(Arc<Root>, PathBuf)>,
    /// Whether a user that owns nothing can read the compiler.
    pub(crate) compiler_is_public: bool,
    /// Stands in command lines of processes that must not survive.
    pub(crate) mark: String,
}

impl Ground {
    /// Prepares everything below `parent`; `program` is taken instead of compiling if given.
    pub(crate) fn prepare(parent: &Path, program: Option<&Path>) -> Self {
        // Inside, `/tmp` is the program's own, so a mount cannot lie there.
        let folder = TempDir::new_in(parent).expect("a temporary folder can be made");
        let open_folder = folder.path().join("open");
        fs::create_dir(&open_folder).expect("the folder is new");
        for path in [folder.path(), &open_folder] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o777)).expect("it is ours");
        }
        let secret = open_folder.join("secret");
        fs::write(&secret, SECRET).expect("the folder is new");
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o666)).expect("it is ours");
        let bytes = match program {
            Some(path) => fs::read(path).expect("the attacks were compiled before"),
            None => compile(folder.path()),
        };
        let empty = Arc::new(Root::default());
        let compiler = find_compiler();
        let public = |path: &Path| {
            path.metadata().is_ok_and(|found| found.permissions().mode() & 0o005 == 0o005)
        };
        let mount = Mount::at(&open_folder, &open_folder, false);
        Self {
            with_folder: Arc::new(Root::default().with(mount)),
            secret,
            open_folder,
            listener: TcpListener::bind(("127.0.0.1", 0)).expect("loopback is there"),
            program: bytes.into(),
            empty,
            compiler_is_public: compiler
                .as_ref()
                .is_some_and(|(_, path)| path.ancestors().all(public)),
            compiler,
            mark: format!("attack-mark-{}", std::process::id()),
            folder,
        }
    }

    /// The secret's folder made part of a root.
    pub(crate) fn secret_mount(&self) -> Mount {
        Mount::at(&self.open_folder, &self.open_folder, false)
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |address| address.port())
    }

    /// An attack's job, with limits that a table of a hundred can afford.
    pub(crate) fn attack(&self, words: &[&str]) -> Job {
        let mut job = Job::new(&self.empty, "/in/attack")
            .program_file("/in/attack", Arc::clone(&self.program))
            .args(words.iter().copied());
        job.limits = Limits {
            cpu_time: std::time::Duration::from_secs(4),
            wall_time: std::time::Duration::from_secs(60),
            memory_bytes: 128 << 20,
            processes: 16,
            output_kept_bytes: 64 << 10,
            output_max_bytes: 1 << 20,
            work_bytes: 32 << 20,
            work_files: 600,
            open_files: 128,
            cpus: 2,
        };
        job
    }
}

/// Compiles the attacks to a program that needs no loader.
pub(crate) fn compile(folder: &Path) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks/program.rs");
    let out = folder.join("attack");
    let status = Command::new(rustc())
        .args([
            "--edition=2024",
            "-Copt-level=1",
            "-Cstrip=symbols",
            "-Ctarget-feature=+crt-static",
        ])
        .arg(source)
        .arg("-o")
        .arg(&out)
        .status()
        .expect("a compiler is there, since this test was compiled");
    assert!(status.success(), "the attacks do not compile");
    fs::read(out).expect("the compiler wrote it")
}

fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// The compiler itself, behind any proxy, with its libraries as a root.
fn find_compiler() -> Option<(Arc<Root>, PathBuf)> {
    let output = Command::new(rustc()).args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let compiler = sysroot.join("bin/rustc");
    fs::File::open(&compiler).ok()?;
    let root = Arc::unwrap_or_clone(Root::system());
    let inside = sysroot.starts_with("/usr");
    let root = if inside { root } else { root.with(Mount::new(&sysroot, true)) };
    Some((Arc::new(root), compiler))
}
