//! Attacks by a program that runs: files, calls, limits, processes, channels.

use std::time::Duration;

use sigil_sandbox::controls::Layer;
use sigil_sandbox::{Channel, Ended, Job, TakenFile};

use crate::ground::{Ground, SECRET};
use crate::table::{Attack, Control, Expect, taken};

/// All of them.
pub(crate) fn attacks() -> Vec<Attack> {
    let mut all = files();
    all.extend(outputs());
    all.extend(calls());
    all.extend(limits());
    all.extend(processes());
    all
}

/// An attack whose control is the same job without some layers.
fn refused(name: &'static str, job: fn(&Ground) -> Job, layers: &'static [Layer]) -> Attack {
    Attack {
        name,
        before: None,
        job,
        expect: Expect::Held,
        control: Control::Without(layers),
        control_expect: Expect::Succeeds,
        reduced: true,
        compiles: false,
    }
}

/// An attack whose control is given what it wants.
fn denied(name: &'static str, job: fn(&Ground) -> Job, given: fn(&Ground, Job) -> Job) -> Attack {
    Attack {
        name,
        before: None,
        job,
        expect: Expect::Held,
        control: Control::Given(given),
        control_expect: Expect::Succeeds,
        reduced: true,
        compiles: false,
    }
}

fn on_secret(ground: &Ground, attack: &str) -> Job {
    ground.attack(&[attack, &ground.secret.display().to_string()])
}

/// The secret's folder is part of the root, so only the layers stand between.
fn mounted(ground: &Ground, attack: &str) -> Job {
    let mut job = on_secret(ground, attack);
    job.root = ground.with_folder.clone();
    job
}

fn show_secret(ground: &Ground, mut job: Job) -> Job {
    job.root = ground.with_folder.clone();
    job
}

fn full_tier(attack: Attack) -> Attack {
    Attack { reduced: false, ..attack }
}

const WRITABLE: &[Layer] = &[Layer::ReadOnly, Layer::Landlock];

fn files() -> Vec<Attack> {
    vec![
        denied("reads a file of the machine", |g| on_secret(g, "read"), show_secret),
        denied("reads it through a link", |g| on_secret(g, "through-link"), show_secret),
        denied("reads it through `..`", |g| on_secret(g, "through-dotdot"), show_secret),
        denied(
            "lists a folder of the machine",
            |g| g.attack(&["list", &g.open_folder.display().to_string()]),
            show_secret,
        ),
        refused(
            "makes a file in a mount",
            |g| {
                let mut job = mounted(g, "create");
                job.args = vec!["create".into(), g.open_folder.clone().into()];
                job
            },
            WRITABLE,
        ),
        refused("appends to a file of a mount", |g| mounted(g, "append"), WRITABLE),
        refused("empties a file of a mount", |g| mounted(g, "truncate"), WRITABLE),
        refused("removes a file of a mount", |g| mounted(g, "remove"), WRITABLE),
        refused(
            "replaces its own program",
            |g| g.attack(&["replace-self"]),
            &[Layer::ReadOnly, Layer::Landlock],
        ),
        denied(
            "runs what it wrote",
            |g| g.attack(&["exec-copy"]),
            |_, mut job| {
                job.work_executable = true;
                job
            },
        ),
        denied(
            "runs a program that is not listed",
            |g| {
                let mut job = g.attack(&["exec", "/in/other"]);
                job = job.program_file("/in/other", g.program.clone());
                job.executables = Some(vec!["/in/attack".into()]);
                job
            },
            |_, mut job| {
                job.executables = None;
                job
            },
        ),
        denied(
            "reads the supervisor's environment",
            |g| g.attack(&["any-variable"]),
            |_, job| job.env("SECRET", SECRET),
        ),
        denied(
            "uses a descriptor that was left open",
            |g| g.attack(&["extra-descriptor"]),
            |_, mut job| {
                job.channel = Some(Channel { secret: b"x".to_vec(), report_max_bytes: 10 });
                job
            },
        ),
        // Without a root of its own a program finds its descriptors in the machine's /proc.
        full_tier(Attack {
            // Whoever may use `unsafe` has the descriptor.
            control_expect: Expect::Judged("reported", |_, result| {
                result.as_ref().is_ok_and(|outcome| outcome.report == b"nonce")
            }),
            ..denied(
                "steals the harness's secret",
                |g| {
                    let mut job = g.attack(&["steal-secret"]);
                    job.channel = Some(Channel { secret: b"nonce".to_vec(), report_max_bytes: 10 });
                    job
                },
                |_, mut job| {
                    job.args[0] = "echo-secret".into();
                    job
                },
            )
        }),
        full_tier(denied(
            "looks into /proc",
            |g| g.attack(&["read", "/proc/self/status"]),
            |_, mut job| {
                job.proc = true;
                job
            },
        )),
        full_tier(refused(
            "reads the kernel's symbols",
            |g| {
                let mut job = g.attack(&["read", "/proc/kallsyms"]);
                job.proc = true;
                job
            },
            &[Layer::ProcSubset],
        )),
        full_tier(refused(
            "writes to /proc",
            |g| {
                let mut job = g.attack(&["proc-writes"]);
                job.proc = true;
                job
            },
            &[Layer::ReadOnly, Layer::Landlock],
        )),
        refused("makes a pipe file", |g| g.attack(&["fifo"]), &[Layer::Seccomp, Layer::Landlock]),
    ]
}

/// What is taken out afterwards.
fn outputs() -> Vec<Attack> {
    let line = |name, job, text, judge, control, control_text, control_judge| Attack {
        name,
        before: None,
        job,
        expect: Expect::Judged(text, judge),
        control: Control::Given(control),
        control_expect: Expect::Judged(control_text, control_judge),
        reduced: true,
        compiles: false,
    };
    let plain: fn(&Ground, Job) -> Job = |_, mut job| {
        job.args[0] = "leave-file".into();
        job
    };
    let is_plain: fn(&Ground, &_) -> bool =
        |_, result| taken(result) == Some(&TakenFile::Bytes(b"plain".to_vec()));
    vec![
        line(
            "leaves a link as its output",
            |g| on_secret(g, "leave-link").output("/box/out", 1000),
            "no file taken",
            |_, result| taken(result) == Some(&TakenFile::NotAFile),
            plain,
            "file taken",
            is_plain,
        ),
        line(
            "leaves a folder as its output",
            |g| g.attack(&["leave-folder"]).output("/box/out", 1000),
            "no file taken",
            |_, result| taken(result) == Some(&TakenFile::NotAFile),
            plain,
            "file taken",
            is_plain,
        ),
        line(
            "leaves an output behind a link",
            |g| g.attack(&["leave-behind-link"]).output("/box/folder/in/attack", 1 << 30),
            "no file taken",
            |_, result| taken(result) == Some(&TakenFile::NotAFile),
            |_, mut job| {
                job.args[0] = "leave-file".into();
                job.outputs[0].path = "/box/out".into();
                job
            },
            "file taken",
            is_plain,
        ),
        line(
            "leaves a huge output",
            |g| g.attack(&["leave-huge"]).output("/box/out", 1 << 20),
            "too large",
            |_, result| taken(result) == Some(&TakenFile::TooLarge { bytes: 8 << 20 }),
            |_, mut job| {
                job.outputs[0].max_bytes = 9 << 20;
                job
            },
            "file taken",
            |_, result| matches!(taken(result), Some(TakenFile::Bytes(bytes)) if bytes.len() == 8 << 20),
        ),
        line(
            "steers the terminal of who reads",
            |g| g.attack(&["escape-codes"]),
            "escaped",
            |_, result| result.as_ref().is_ok_and(|o| !o.stdout.to_text().contains('\x1b')),
            |_, job| job,
            "raw bytes",
            |_, result| result.as_ref().is_ok_and(|o| o.stdout.bytes.contains(&0x1b)),
        ),
        line(
            "floods the report",
            |g| {
                let mut job = g.attack(&["report", "4"]);
                job.channel = Some(Channel { secret: Vec::new(), report_max_bytes: 100 });
                job
            },
            "report cut",
            |_, result| result.as_ref().is_ok_and(|o| o.report.len() == 100 && o.report_cut),
            |_, mut job| {
                job.channel = Some(Channel { secret: Vec::new(), report_max_bytes: 1 << 20 });
                job
            },
            "whole report",
            |_, result| result.as_ref().is_ok_and(|o| o.report.len() == 4 << 16 && !o.report_cut),
        ),
        line(
            "finds what the job before it wrote",
            |g| g.attack(&["read", "/box/file-0"]),
            "refused",
            |_, result| result.as_ref().is_ok_and(|o| o.ended == Ended::Exited(0)),
            |_, job| job.input("/box/file-0", *b"x"),
            "succeeds",
            |_, result| result.as_ref().is_ok_and(|o| o.ended == Ended::Exited(1)),
        ),
    ]
}

macro_rules! call_attacks {
    ($($name:literal: $attack:literal, [$($layer:ident),*], $reduced:literal;)*) => {
        vec![$(Attack {
            reduced: $reduced,
            ..refused($name, |g| g.attack(&[$attack]), &[$(Layer::$layer),*])
        }),*]
    };
}

fn calls() -> Vec<Attack> {
    call_attacks! {
        "opens an io_uring": "io-uring", [Seccomp, Rlimits], true;
        "handles page faults in user space": "userfaultfd", [Seccomp], true;
        "adds a key": "add-key", [Seccomp], true;
        "reads a keyring": "keyctl", [Seccomp], true;
        "loads bpf": "bpf", [Seccomp], true;
        "counts with perf": "perf", [Seccomp], true;
        "makes a user namespace": "unshare-user", [Seccomp], true;
        "makes one with clone": "clone-user", [Seccomp], true;
        "makes one with clone3": "clone3-user", [Seccomp], true;
        "opens a file by its handle": "handle", [Seccomp], true;
        "changes its user": "setuid", [Seccomp], true;
        "makes a memory file": "memfd", [Seccomp], true;
        "opens a TCP socket": "socket-tcp", [Seccomp], true;
        "opens a UDP socket": "socket-udp", [Seccomp], true;
        "opens a UDP socket of version 6": "socket-udp6", [Seccomp], true;
        "opens a netlink socket": "socket-netlink", [Seccomp], true;
        "opens a local socket": "socket-unix", [Seccomp], true;
        "traces a process": "ptrace", [Seccomp], true;
        "reads memory of a process": "process-vm", [Seccomp], true;
        "copies a descriptor of a process": "pidfd-getfd", [Seccomp], true;
        "watches files": "inotify", [Seccomp], true;
        "changes its personality": "personality", [Seccomp], true;
        "installs a filter of its own": "seccomp", [Seccomp], true;
        "moves to another processor": "affinity", [Seccomp], true;
        "changes its priority": "priority", [Seccomp], true;
        "makes shared memory": "shm-write", [Seccomp], true;
        "makes a message queue": "message-queue", [Seccomp], true;
        "types into a terminal": "terminal-input", [Seccomp], true;
        "calls in the 32-bit convention": "old-mode", [Seccomp], true;
    }
    .into_iter()
    .map(|attack| match attack.name {
        // The filter ends the process rather than answering in a convention it does not know.
        "calls in the 32-bit convention" => {
            Attack { expect: Expect::Ends(Ended::Signalled(31)), ..attack }
        }
        _ => attack,
    })
    .collect()
}

/// A limit, and the same job with room for what it does.
fn limited(
    name: &'static str,
    job: fn(&Ground) -> Job,
    ended: Ended,
    room: fn(&Ground, Job) -> Job,
) -> Attack {
    Attack {
        name,
        before: None,
        job,
        expect: Expect::Ends(ended),
        control: Control::Given(room),
        control_expect: Expect::Succeeds,
        reduced: true,
        compiles: false,
    }
}

fn limits() -> Vec<Attack> {
    vec![
        limited(
            "computes without end",
            |g| with(g.attack(&["spin", "2500"]), |l| l.cpu_time = Duration::from_millis(300)),
            Ended::CpuTime,
            |_, job| with(job, |l| l.cpu_time = Duration::from_secs(10)),
        ),
        limited(
            "lets its children compute without end",
            |g| {
                with(g.attack(&["spin-children", "1500"]), |l| {
                    l.cpu_time = Duration::from_millis(300)
                })
            },
            Ended::CpuTime,
            |_, job| with(job, |l| l.cpu_time = Duration::from_secs(10)),
        ),
        limited(
            "sleeps without end",
            |g| with(g.attack(&["sleep", "2500"]), |l| l.wall_time = Duration::from_millis(500)),
            Ended::WallTime,
            |_, job| with(job, |l| l.wall_time = Duration::from_secs(60)),
        ),
        limited(
            "ignores all signals and sleeps",
            |g| {
                let job = g.attack(&["ignore-signals-and-sleep", "2500"]);
                with(job, |l| l.wall_time = Duration::from_millis(500))
            },
            Ended::WallTime,
            |_, job| with(job, |l| l.wall_time = Duration::from_secs(60)),
        ),
        limited(
            "takes memory without end",
            |g| with(g.attack(&["memory", "300"]), |l| l.memory_bytes = 64 << 20),
            Ended::Memory,
            |_, job| with(job, |l| l.memory_bytes = 600 << 20),
        ),
        limited(
            "lets its children take memory",
            |g| with(g.attack(&["memory-children", "200"]), |l| l.memory_bytes = 96 << 20),
            Ended::Memory,
            |_, job| with(job, |l| l.memory_bytes = 600 << 20),
        ),
        // On the machine's own file systems, files are the disk's, not memory's.
        full_tier(limited(
            "takes memory as files",
            |g| {
                with(g.attack(&["memory-files", "120"]), |l| {
                    l.memory_bytes = 64 << 20;
                    l.work_bytes = 256 << 20;
                })
            },
            Ended::Memory,
            |_, job| with(job, |l| l.memory_bytes = 600 << 20),
        )),
        limited(
            "forks without end",
            |g| g.attack(&["forks", "60"]),
            Ended::Processes,
            |_, job| with(job, |l| l.processes = 200),
        ),
        limited(
            "forks without end, each from the last",
            |g| g.attack(&["forks-in-depth", "60"]),
            Ended::Processes,
            |_, job| with(job, |l| l.processes = 200),
        ),
        limited(
            "starts threads without end",
            |g| g.attack(&["threads", "60"]),
            Ended::Processes,
            |_, job| with(job, |l| l.processes = 200),
        ),
        limited(
            "writes output without end",
            |g| g.attack(&["output", "16"]),
            Ended::Output,
            |_, job| with(job, |l| l.output_max_bytes = 64 << 20),
        ),
        limited(
            "writes errors without end",
            |g| g.attack(&["errors", "16"]),
            Ended::Output,
            |_, job| with(job, |l| l.output_max_bytes = 64 << 20),
        ),
        limited(
            "fills the disk",
            |g| with(g.attack(&["disk", "40"]), |l| l.work_bytes = 16 << 20),
            Ended::Disk,
            |_, job| with(job, |l| l.work_bytes = 64 << 20),
        ),
        limited(
            "makes files without end",
            |g| g.attack(&["inodes", "900"]),
            Ended::Files,
            |_, job| with(job, |l| l.work_files = 5000),
        ),
        Attack {
            expect: Expect::Ends(Ended::Files),
            ..limited(
                "makes folders ever deeper",
                |g| g.attack(&["depth", "800"]),
                Ended::Files,
                |_, job| with(job, |l| l.work_files = 5000),
            )
        },
        Attack {
            expect: Expect::Held,
            ..limited(
                "opens files without end",
                |g| g.attack(&["descriptors", "400"]),
                Ended::Exited(0),
                |_, job| with(job, |l| l.open_files = 1000),
            )
        },
        refused("starts timers without end", |g| g.attack(&["timers"]), &[Layer::Rlimits]),
        Attack {
            // The runtime can say which overflow it was only where it finds /proc.
            expect: Expect::Judged("a signal", |_, result| {
                result.as_ref().is_ok_and(|o| matches!(o.ended, Ended::Signalled(6 | 11)))
            }),
            ..limited(
                "overflows its stack",
                |g| g.attack(&["overflow", "10000000"]),
                Ended::Signalled(6),
                |_, mut job| {
                    job.args[1] = "10".into();
                    job
                },
            )
        },
    ]
}

fn with(mut job: Job, change: impl FnOnce(&mut sigil_sandbox::Limits)) -> Job {
    change(&mut job.limits);
    job
}

fn processes() -> Vec<Attack> {
    vec![
        full_tier(refused(
            "finds the supervisor",
            |g| g.attack(&["sees", &std::process::id().to_string()]),
            &[Layer::Processes],
        )),
        refused(
            "connects to the machine",
            |g| g.attack(&["connect", &g.port().to_string()]),
            &[Layer::Network, Layer::Seccomp, Layer::Landlock],
        ),
        full_tier(Attack {
            control_expect: Expect::Judged("no report", |_, result| result.is_err()),
            ..refused(
                "kills process 1",
                |g| g.attack(&["kill-parent"]),
                &[Layer::Processes, Layer::Landlock],
            )
        }),
        Attack {
            expect: Expect::Judged("nothing survives", |g, result| {
                result.as_ref().is_ok_and(|o| o.ended == Ended::Exited(0))
                    && sigil_sandbox::leftovers(&g.mark).processes.is_empty()
            }),
            control_expect: Expect::Judged("a process survives", |g, result| {
                result.is_ok() && !sigil_sandbox::leftovers(&g.mark).processes.is_empty()
            }),
            ..refused(
                "leaves a daemon",
                |g| g.attack(&["daemon", &g.mark]),
                &[Layer::Kill, Layer::Processes],
            )
        },
        Attack {
            before: Some(|g| g.attack(&["shm-write"])),
            ..refused(
                "finds shared memory of another job",
                |g| g.attack(&["shm-find"]),
                &[Layer::Seccomp, Layer::Ipc],
            )
        },
    ]
}
