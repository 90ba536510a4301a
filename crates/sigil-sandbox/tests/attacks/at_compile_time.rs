//! Attacks by source code on its compiler: reading files while compiling, using up the machine, code
//! that runs in the compiler, and settings that a sample brings along.
//!
//! Nothing here knows how samples are compiled in earnest; the compiler is a program like any other.

use std::path::Path;
use std::time::Duration;

use sigil_sandbox::{Ended, Infra, Job, Outcome, TakenFile};

use crate::ground::{Ground, SECRET};
use crate::table::{Attack, Control, Expect, taken};

/// All of them; they need a compiler.
pub(crate) fn attacks() -> Vec<Attack> {
    let mut all = readers();
    all.extend(bombs());
    all.extend(intruders());
    all
}

/// A job that compiles `source` to a library without linking it.
fn compile(ground: &Ground, source: &str) -> Job {
    let (root, rustc) = ground.compiler.as_ref().expect("these run only where there is a compiler");
    let source = source.replace("SECRET_PATH", &ground.secret.display().to_string());
    let mut job = Job::new(root, rustc.clone())
        .input("/box/sample.rs", source.into_bytes())
        .args(["--edition=2021", "--crate-type=lib", "--emit=metadata", "sample.rs"])
        .env("PATH", "/usr/bin:/bin")
        // Without /proc the loader cannot find libraries beside the compiler by itself.
        .env(
            "LD_LIBRARY_PATH",
            rustc.parent().map_or_else(Default::default, |bin| bin.join("../lib")),
        )
        .output("/box/libsample.rmeta", 1 << 20);
    // Where a backend can do it, the compiler is loaded once for all of these: what one does must not
    // show in the next.
    job.load_ahead = true;
    job.limits.cpu_time = Duration::from_millis(2500);
    job.limits.wall_time = Duration::from_secs(60);
    job.limits.memory_bytes = 400 << 20;
    job.limits.output_max_bytes = 4 << 20;
    job
}

/// The same, but to an object file, so that code is generated.
fn generate(ground: &Ground, source: &str) -> Job {
    let mut job = compile(ground, source);
    job.args[2] = "--emit=obj".into();
    job.outputs[0].path = "/box/sample.o".into();
    job
}

fn everything(result: &Result<Outcome, Infra>) -> Vec<u8> {
    let Ok(outcome) = result else { return Vec::new() };
    let mut all = outcome.stdout.bytes.clone();
    all.extend(&outcome.stderr.bytes);
    for (_, file) in &outcome.files {
        if let TakenFile::Bytes(bytes) = file {
            all.extend(bytes);
        }
    }
    all
}

fn has_secret(result: &Result<Outcome, Infra>) -> bool {
    everything(result).windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

/// The compiler ended by itself with an error, and nothing it said or wrote holds the secret.
const KEPT: Expect = Expect::Judged("an error, nothing read", |_, result| {
    result.as_ref().is_ok_and(|o| matches!(o.ended, Ended::Exited(1 | 101))) && !has_secret(result)
});

const LEAKED: Expect = Expect::Judged("the secret comes out", |_, result| has_secret(result));

const COMPILES: Expect =
    Expect::Judged("compiles", |_, result| result.as_ref().is_ok_and(|o| o.ended.is_success()));

fn show_secret(ground: &Ground, mut job: Job) -> Job {
    let root = (*job.root).clone();
    job.root = root.with(ground.secret_mount()).into();
    job
}

fn reader(name: &'static str, job: fn(&Ground) -> Job) -> Attack {
    Attack {
        name,
        before: None,
        job,
        expect: KEPT,
        control: Control::Given(show_secret),
        control_expect: LEAKED,
        reduced: true,
        compiles: true,
    }
}

fn readers() -> Vec<Attack> {
    vec![
        reader("include_str! of a file of the machine", |g| {
            compile(
                g,
                "const T: &str = include_str!(\"SECRET_PATH\"); const _: () = panic!(\"{}\", T);",
            )
        }),
        reader("include_bytes! of it", |g| {
            generate(g, "#[no_mangle] pub static T: &[u8] = include_bytes!(\"SECRET_PATH\");")
        }),
        reader("include! of it", |g| compile(g, "include!(\"SECRET_PATH\");")),
        reader("a module of it", |g| compile(g, "#[path = \"SECRET_PATH\"] mod secret;")),
        reader("documentation of it", |g| {
            compile(g, "#[doc = include_str!(\"SECRET_PATH\")] pub fn f() {}")
        }),
        reader("a link to it", |g| {
            let mut job = compile(g, "#[path = \"dir/../../..SECRET_PATH\"] mod secret;");
            job.inputs.push(sigil_sandbox::InputFile {
                path: "/box/dir/x".into(),
                bytes: b"".as_slice().into(),
                executable: false,
            });
            job
        }),
        reader(".incbin of it", |g| {
            generate(
                g,
                "core::arch::global_asm!(\".globl t\", \"t: .incbin \\\"SECRET_PATH\\\"\");",
            )
        }),
        reader(".include of it", |g| {
            generate(g, "core::arch::global_asm!(\".include \\\"SECRET_PATH\\\"\");")
        }),
        Attack {
            control: Control::Given(|_, job| job.env("SECRET_VARIABLE", SECRET)),
            ..reader("env! of the supervisor's environment", |g| {
                compile(
                    g,
                    "const T: &str = env!(\"SECRET_VARIABLE\"); const _: () = panic!(\"{}\", T);",
                )
            })
        },
        Attack {
            expect: Expect::Judged("none", |_, result| {
                result.as_ref().is_ok_and(|o| {
                    !String::from_utf8_lossy(&o.stderr.bytes).contains("evaluation panicked: found")
                })
            }),
            control: Control::Given(|_, job| job.env("HOME", "x")),
            control_expect: Expect::Judged("found", |_, result| {
                String::from_utf8_lossy(&everything(result)).contains("found")
            }),
            ..reader("option_env! of the home folder", |g| {
                compile(
                    g,
                    "const _: () = if option_env!(\"HOME\").is_some() { panic!(\"found\") };",
                )
            })
        },
    ]
}

/// A source that uses up the machine, and one that is the same but small.
fn bomb(name: &'static str, job: fn(&Ground) -> Job, small: fn(&Ground, Job) -> Job) -> Attack {
    Attack {
        name,
        before: None,
        job,
        expect: Expect::Judged("a limit or an error", |_, result| {
            result.as_ref().is_ok_and(|o| !o.ended.is_success())
        }),
        control: Control::Given(small),
        control_expect: COMPILES,
        reduced: true,
        compiles: true,
    }
}

fn source(mut job: Job, text: &str) -> Job {
    job.inputs[0].bytes = text.as_bytes().into();
    job
}

fn bombs() -> Vec<Attack> {
    vec![
        Attack {
            expect: Expect::Ends(Ended::CpuTime),
            ..bomb(
                "a constant that loops",
                |g| {
                    compile(g, "#![allow(long_running_const_eval)] pub const X: u32 = { loop {} };")
                },
                |_, job| {
                    source(job, "pub const X: u32 = { let mut i = 0; while i < 9 { i += 1 } i };")
                },
            )
        },
        Attack {
            expect: Expect::Ends(Ended::Memory),
            ..bomb(
                "a constant that fills memory",
                |g| generate(g, "#[no_mangle] pub static X: [u8; 1 << 30] = [1; 1 << 30];"),
                |_, job| source(job, "#[no_mangle] pub static X: [u8; 1 << 10] = [1; 1 << 10];"),
            )
        },
        bomb(
            "endless input",
            |g| {
                let mut job = compile(g, "pub const X: &[u8] = include_bytes!(\"/dev/zero\");");
                job.limits.memory_bytes = 300 << 20;
                job
            },
            |_, job| source(job, "pub const X: &[u8] = include_bytes!(\"/dev/null\");"),
        ),
        bomb(
            "types that double",
            |g| compile(g, &doubling_types(26)),
            |_, job| source(job, &doubling_types(3)),
        ),
        bomb(
            "macros that double",
            |g| compile(g, &doubling_macros(26)),
            |_, job| source(job, &doubling_macros(3)),
        ),
        bomb(
            "traits that search without end",
            |g| compile(g, &endless_traits("Wrap<Wrap<T>>: Deep")),
            |_, job| source(job, &endless_traits("T: Copy")),
        ),
        bomb(
            "instances without end",
            |g| {
                generate(
                    g,
                    "pub fn f<T>(n: u32, t: T) { if n > 0 { f(n - 1, (t, 0u8)) } } pub fn g() { f(9, ()) }",
                )
            },
            |_, job| source(job, "pub fn f<T>(_: T) {} pub fn g() { f(((), 0u8)) }"),
        ),
        bomb(
            "an expression too deep for the stack",
            |g| {
                compile(
                    g,
                    &format!("pub const X: i32 = {}1{};", "(".repeat(60_000), ")".repeat(60_000)),
                )
            },
            |_, job| source(job, "pub const X: i32 = ((((1))));"),
        ),
        bomb(
            "a flood of diagnostics",
            |g| {
                let lines: String =
                    (0..20_000).map(|i| format!("fn f{i}() {{ undefined_{i}(); }}\n")).collect();
                let mut job = compile(g, &lines);
                job.limits.output_max_bytes = 256 << 10;
                job
            },
            |_, job| source(job, "pub fn f() {}"),
        ),
        bomb(
            "an assembler loop",
            |g| generate(g, "core::arch::global_asm!(\".rept 400000000\", \"nop\", \".endr\");"),
            |_, job| source(job, "core::arch::global_asm!(\".rept 4\", \"nop\", \".endr\");"),
        ),
        bomb(
            "a macro that calls itself",
            |g| {
                let text = "#![recursion_limit = \"4000000\"] macro_rules! m { ($($t:tt)*) => { m!($($t)* x) } } m!();";
                compile(g, text)
            },
            |_, job| source(job, "macro_rules! m { ($($t:tt)*) => {} } m!(x);"),
        ),
    ]
}

fn doubling_types(depth: usize) -> String {
    let mut text =
        "#![recursion_limit = \"1024\"]\n#![type_length_limit = \"100000000000\"]\ntype T0 = u8;\n"
            .to_owned();
    for level in 1..=depth {
        text += &format!("type T{level} = (T{}, T{});\n", level - 1, level - 1);
    }
    text + &format!("pub fn f(t: T{depth}) -> usize {{ std::mem::size_of_val(&t) }}\n")
}

fn doubling_macros(depth: usize) -> String {
    let mut text =
        "#![recursion_limit = \"1024\"]\nmacro_rules! m0 { () => { 1u64 } }\n".to_owned();
    for level in 1..=depth {
        let below = level - 1;
        text += &format!("macro_rules! m{level} {{ () => {{ m{below}!() + m{below}!() }} }}\n");
    }
    text + &format!("pub fn f() -> u64 {{ m{depth}!() }}\n")
}

fn endless_traits(condition: &str) -> String {
    format!(
        "#![recursion_limit = \"200000\"]\npub trait Deep {{}} pub struct Wrap<T>(T);\n\
         impl<T> Deep for Wrap<T> where {condition} {{}}\n\
         pub fn need<T: Deep>() {{}} pub fn f() {{ need::<Wrap<u8>>() }}\n"
    )
}

/// Code that runs in or beside the compiler, and settings that steer it.
fn intruders() -> Vec<Attack> {
    vec![
        reader("a procedural macro that reads the machine", |g| {
            with_macro(
                g,
                "let text = std::fs::read_to_string(\"SECRET_PATH\").unwrap(); \
                 format!(\"compile_error!({text:?});\").parse().unwrap()",
            )
        }),
        Attack {
            control: Control::Given(|_, job| job.env("SECRET_VARIABLE", SECRET)),
            ..reader("a procedural macro that reads the environment", |g| {
                with_macro(
                    g,
                    "let text = std::env::var(\"SECRET_VARIABLE\").unwrap(); \
                     format!(\"compile_error!({text:?});\").parse().unwrap()",
                )
            })
        },
        Attack {
            // The compiler says that all is well; that nothing was made gives it away.
            expect: Expect::Judged("no artefact", |_, result| {
                result.is_ok() && matches!(taken(result), Some(TakenFile::Missing))
            }),
            control: Control::Given(|g, _| with_macro(g, "Default::default()")),
            control_expect: Expect::Judged("an artefact", |_, result| {
                matches!(taken(result), Some(TakenFile::Bytes(_)))
            }),
            ..reader("a procedural macro that ends the compiler with success", |g| {
                with_macro(g, "std::process::exit(0)")
            })
        },
        Attack {
            expect: Expect::Judged("a limit", |_, result| {
                result.as_ref().is_ok_and(|o| o.ended == Ended::CpuTime)
            }),
            control: Control::Given(|g, _| with_macro(g, "Default::default()")),
            control_expect: COMPILES,
            ..reader("a procedural macro that loops", |g| with_macro(g, "loop {}"))
        },
        reader("a linker argument that reads the machine", |g| {
            // Words of such a file become arguments, and wrong ones are named.
            let mut job = generate(g, "fn main() {}");
            job.args = ["--edition=2021", PLAIN_LINKER, "-Clink-arg=-Wl,@SECRET_PATH", "sample.rs"]
                .map(|word| word.replace("SECRET_PATH", &g.secret.display().to_string()).into())
                .to_vec();
            job
        }),
        build_script(),
        cargo_wrapper(),
    ]
}

/// Rust's own linker finds itself through `/proc`, which these jobs have not.
const PLAIN_LINKER: &str = "-Clinker-features=-lld";

/// Compiles a procedural macro and then a crate that uses it, in one job, by the shell.
fn with_macro(ground: &Ground, body: &str) -> Job {
    let rustc = ground.compiler.as_ref().map(|(_, rustc)| rustc.display().to_string());
    let rustc = rustc.unwrap_or_default();
    let body = body.replace("SECRET_PATH", &ground.secret.display().to_string());
    let library = format!(
        "extern crate proc_macro;\n#[proc_macro]\npub fn run(_: proc_macro::TokenStream) -> \
         proc_macro::TokenStream {{ {body} }}\n"
    );
    let mut job = compile(ground, "attack::run!(); pub fn f() {}")
        .input("/box/attack.rs", library.into_bytes());
    job.program = "/usr/bin/sh".into();
    job.args = vec![
        "-c".into(),
        format!(
            "{rustc} --edition=2021 {PLAIN_LINKER} --crate-type=proc-macro attack.rs && \
             {rustc} --edition=2021 --crate-type=lib --emit=metadata --extern attack=libattack.so sample.rs"
        )
        .into(),
    ];
    // A procedural macro is loaded into the compiler from where it was written.
    job.work_executable = true;
    job.limits.cpu_time = Duration::from_secs(6);
    job
}

/// Cargo, if it lies beside the compiler.
fn cargo(ground: &Ground) -> String {
    let rustc = ground.compiler.as_ref().map_or(Path::new(""), |(_, rustc)| rustc);
    rustc.with_file_name("cargo").display().to_string()
}

fn cargo_job(ground: &Ground) -> Job {
    let mut job = compile(ground, "")
        .input("/box/app/Cargo.toml", *b"[package]\nname = \"app\"\nedition = \"2021\"\n")
        .input("/box/app/src/lib.rs", *b"")
        .env("RUSTFLAGS", PLAIN_LINKER)
        .env("CARGO_HOME", "/box/cargo")
        .env("HOME", "/box");
    let rustc = ground.compiler.as_ref().map_or(Path::new(""), |(_, rustc)| rustc);
    job.env.push(("RUSTC".into(), rustc.into()));
    job.program = "/usr/bin/sh".into();
    job.args = vec!["-c".into(), format!("cd app && {} check --offline -v", cargo(ground)).into()];
    job.outputs.clear();
    job.work_executable = true;
    job.limits.cpu_time = Duration::from_secs(6);
    job
}

fn build_script() -> Attack {
    reader("a build script that reads the machine", |g| {
        let script =
            "fn main() { panic!(\"{}\", std::fs::read_to_string(\"SECRET_PATH\").unwrap()) }"
                .replace("SECRET_PATH", &g.secret.display().to_string());
        cargo_job(g).input("/box/app/build.rs", script.into_bytes())
    })
}

fn cargo_wrapper() -> Attack {
    reader("a cargo setting that wraps the compiler", |g| {
        let script = format!("#!/usr/bin/sh\ncat {} >&2\nexit 1\n", g.secret.display());
        cargo_job(g)
            .input(
                "/box/app/.cargo/config.toml",
                *b"[build]\nrustc-wrapper = \"/box/app/wrapper\"\n",
            )
            .program_file("/box/app/wrapper", script.into_bytes())
    })
}
