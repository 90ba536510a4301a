//! What jobs could have left behind on this machine, for tests, soaks and suspicious users: nothing.

use std::fs;
use std::path::Path;

/// Things of jobs that are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Processes whose command line holds the mark.
    pub processes: Vec<u32>,
    /// Mounts of this process's namespace whose line holds the mark.
    pub mounts: Vec<String>,
    /// Shared memory segments, message queues and semaphores of this machine.
    pub ipc_objects: usize,
    /// Files in `/dev/shm` whose name holds the mark.
    pub shared_files: Vec<String>,
}

/// Looks for what carries `mark` in its name or arguments. What ends just now is not counted: a process
/// without a command line is a zombie or the kernel's.
pub fn leftovers(mark: &str) -> Leftovers {
    let mut found = Leftovers::default();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        if pid != std::process::id() && contains(&line, mark.as_bytes()) {
            found.processes.push(pid);
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.mounts = mounts.lines().filter(|line| line.contains(mark)).map(str::to_owned).collect();
    for list in ["shm", "msg", "sem"] {
        let text = fs::read_to_string(Path::new("/proc/sysvipc").join(list)).unwrap_or_default();
        // The first line names the columns.
        found.ipc_objects += text.lines().count().saturating_sub(1);
    }
    let names = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    found.shared_files = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(mark))
        .collect();
    found.processes.sort_unstable();
    found.shared_files.sort();
    found
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}
