//! `doctor`: what this machine has, and whether training can run here.

use std::{path::Path, process::ExitCode};

use serde_json::{Value, json};
use sigil_kernels::device::probe_cuda;
use sigil_places::{Places, built_in_base, variables};

/// One finding.
struct Finding {
    name: &'static str,
    ok: bool,
    /// Training cannot run without it.
    needed: bool,
    text: String,
    value: Value,
}

/// Prints the findings; success means that training can run.
pub(crate) fn run(as_json: bool) -> ExitCode {
    let places = Places::find();
    let findings =
        [cpu(), memory(), disk(), cuda(&places), base(), registry(&places), token(), sandbox()];
    let can_train = findings.iter().all(|finding| finding.ok || !finding.needed);
    if as_json {
        let map: serde_json::Map<String, Value> = findings
            .iter()
            .map(|f| {
                let value =
                    json!({ "ok": f.ok, "needed": f.needed, "text": f.text, "value": f.value });
                (f.name.to_owned(), value)
            })
            .collect();
        println!("{}", json!({ "can_train": can_train, "findings": map }));
    } else {
        for finding in &findings {
            let mark = match (finding.ok, finding.needed) {
                (true, _) => "ok  ",
                (false, false) => "no  ",
                (false, true) => "FAIL",
            };
            println!("{mark}  {:10} {}", finding.name, finding.text);
        }
        let verdict = if can_train { "training can run" } else { "training cannot run" };
        println!("\n{verdict}");
    }
    if can_train { ExitCode::SUCCESS } else { ExitCode::from(8) }
}

fn cpu() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wide = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    let names: Vec<&str> = wide.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    let text = format!("{cores} cores, {}", names.join(" "));
    Finding {
        name: "cpu",
        ok: true,
        needed: true,
        text,
        value: json!({ "cores": cores, "features": names }),
    }
}

fn memory() -> Finding {
    let available = sigil_qlora::memory::available_bytes();
    let ok = available.is_none_or(|bytes| bytes > 1 << 29);
    let text = available.map_or("unknown".to_owned(), |bytes| format!("{} available", gib(bytes)));
    Finding {
        name: "memory",
        ok,
        needed: true,
        text,
        value: json!({ "available_bytes": available }),
    }
}

fn disk() -> Finding {
    let free = sigil_run::free_space(Path::new("."));
    let ok = free.as_ref().is_ok_and(|&bytes| bytes > 1 << 28);
    let text = match &free {
        Ok(bytes) => format!("{} free in this folder", gib(*bytes)),
        Err(error) => error.to_string(),
    };
    Finding { name: "disk", ok, needed: true, text, value: json!({ "free_bytes": free.ok() }) }
}

fn cuda(places: &Places) -> Finding {
    match probe_cuda(places.cuda_path.as_deref()) {
        Ok(devices) => {
            let names: Vec<String> = devices
                .iter()
                .map(|d| {
                    let (major, minor) = d.compute_capability;
                    format!(
                        "{} (sm_{major}{minor}, {} free of {})",
                        d.name,
                        gib(d.memory_free_bytes),
                        gib(d.memory_total_bytes)
                    )
                })
                .collect();
            let value = json!(names);
            Finding {
                name: "cuda",
                ok: !devices.is_empty(),
                needed: false,
                text: names.join("; "),
                value,
            }
        }
        Err(error) => {
            let text = format!("{error}; {} (the CPU is used)", error.hint());
            Finding { name: "cuda", ok: false, needed: false, text, value: Value::Null }
        }
    }
}

fn base() -> Finding {
    let folder = built_in_base();
    let ok = folder.is_some();
    let text = folder.as_ref().map_or_else(
        || "the small base is not beside this program (other models can be named)".to_owned(),
        |folder| folder.display().to_string(),
    );
    Finding { name: "sigil-base", ok, needed: false, text, value: json!(folder) }
}

fn registry(places: &Places) -> Finding {
    let folder = places.cargo_home.as_ref().map(|home| home.join("registry/src"));
    let ok = folder.as_ref().is_some_and(|folder| folder.is_dir());
    let text = match &folder {
        Some(folder) if ok => folder.display().to_string(),
        _ => "cargo's registry sources are not here (the quickstart trains on them)".to_owned(),
    };
    Finding { name: "registry", ok, needed: false, text, value: json!(folder) }
}

fn token() -> Finding {
    let ok = variables().any(|(name, value)| name == "HF_TOKEN" && !value.is_empty());
    let text =
        if ok { "HF_TOKEN is set" } else { "HF_TOKEN is not set (needed for gated models only)" };
    Finding { name: "hub token", ok, needed: false, text: text.to_owned(), value: json!(ok) }
}

fn sandbox() -> Finding {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let user_namespaces = read("/proc/sys/user/max_user_namespaces")
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|most| most > 0);
    let landlock = read("/sys/kernel/security/lsm").is_some_and(|list| list.contains("landlock"));
    let cgroup2 = Path::new("/sys/fs/cgroup/cgroup.controllers").is_file();
    let seccomp = read("/proc/sys/kernel/seccomp/actions_avail").is_some();
    let word = |has: bool| if has { "yes" } else { "no" };
    let text = format!(
        "user namespaces {}, landlock {}, seccomp {}, cgroup v2 {} (for judging generated code)",
        word(user_namespaces),
        word(landlock),
        word(seccomp),
        word(cgroup2)
    );
    let value = json!({ "user_namespaces": user_namespaces, "landlock": landlock, "seccomp": seccomp, "cgroup_v2": cgroup2 });
    Finding { name: "sandbox", ok: user_namespaces && seccomp, needed: false, text, value }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
