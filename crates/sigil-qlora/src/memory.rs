//! How much memory this process holds and may still take.
//!
//! Linux's own figures; where a file is missing the answer is "not known", and nothing is refused
//! for it. What a run needs is counted in `memory_plan.rs`.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// The peak resident size in bytes as Linux counts it (`VmHWM`); none elsewhere.
pub fn peak_resident_bytes() -> Option<u64> {
    kibibytes(&read("/proc/self/status")?, "VmHWM:")
}

/// Memory that could be taken now, in bytes: the least of what the system has (`MemAvailable`), what
/// the control group leaves, and what `ulimit -v` leaves. None where nothing says so.
pub fn available_bytes() -> Option<u64> {
    let system = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemAvailable:"));
    let group = read("/proc/self/cgroup").and_then(|text| group_leaves(&text));
    [system, group, address_space_leaves()].into_iter().flatten().min()
}

/// Reads `KEY   1234 kB`.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What `RLIMIT_AS` leaves.
fn address_space_leaves() -> Option<u64> {
    let limit = getrlimit(Resource::As).current?;
    let used = kibibytes(&read("/proc/self/status")?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// The least that this process's control groups (v1 or v2) leave, from the group up to the root.
fn group_leaves(cgroup: &str) -> Option<u64> {
    let mut least: Option<u64> = None;
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (mount, limit, usage) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            _ => continue,
        };
        let mut folder = Some(Path::new(path));
        while let Some(group) = folder {
            let place = PathBuf::from(mount).join(group.strip_prefix("/").unwrap_or(group));
            let number = |name: &str| read(place.join(name))?.trim().parse::<u64>().ok();
            if let (Some(limit), Some(usage)) = (number(limit), number(usage)) {
                let leaves = limit.saturating_sub(usage);
                least = Some(least.map_or(leaves, |least| least.min(leaves)));
            }
            folder = group.parent();
        }
    }
    least
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_system_are_read() {
        assert_eq!(kibibytes("VmHWM:\t    12 kB\nVmSize: 99 kB\n", "VmSize:"), Some(99 * 1024));
        assert_eq!(kibibytes("VmHWM:\tmany kB\n", "VmHWM:"), None);
        let (peak, free) = (peak_resident_bytes(), available_bytes());
        assert!(peak.is_none_or(|bytes| bytes > 1 << 20), "{peak:?}");
        assert!(free.is_none_or(|bytes| bytes > 1 << 20), "{free:?}");
        assert_eq!(group_leaves("nonsense\n7:cpu:/x\n0::/no/such/group/anywhere-at-all\n"), {
            group_leaves("0::/\n")
        });
    }
}
