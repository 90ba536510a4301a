//! Where this process stands in the machine's control groups: reading `/proc/self/cgroup` and
//! `/proc/self/mountinfo`. Makes nothing; `cgroup.rs` does.

use std::fs;
use std::path::{Path, PathBuf};

/// Which version a controller is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    V1,
    V2,
}

/// A folder under which groups with a controller may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupPlace {
    pub(crate) folder: PathBuf,
    pub(crate) hierarchy: Hierarchy,
}

/// Mounted hierarchies, and this process's group in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CgroupMap {
    /// Controllers, where the hierarchy is mounted, and this process's folder in it. Version 2 has no
    /// controllers here.
    entries: Vec<(Vec<String>, PathBuf, PathBuf)>,
}

impl CgroupMap {
    /// Reads this process's.
    pub(crate) fn read() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Some(Self::parse(&own, &mounts))
    }

    /// Reads both files; lines that make no sense are passed over.
    pub(crate) fn parse(own: &str, mounts: &str) -> Self {
        let mut entries = Vec::new();
        for line in own.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
            let controllers: Vec<String> =
                controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            if let Some((mount, root)) = find_mount(mounts, &controllers) {
                // Inside a container the mount may show only a part of the hierarchy.
                let below = Path::new(group).strip_prefix(&root).unwrap_or(Path::new(""));
                let folder = mount.join(below.strip_prefix("/").unwrap_or(below));
                entries.push((controllers, mount, folder));
            }
        }
        Self { entries }
    }

    /// Where groups with this controller may be made, nearest first: version 1 below this process's
    /// own group; version 2 in the nearest group that hands the controller to its children.
    pub(crate) fn place(&self, controller: &str) -> Option<GroupPlace> {
        let old =
            self.entries.iter().find(|(names, ..)| names.iter().any(|name| name == controller));
        if let Some((.., folder)) = old {
            return Some(GroupPlace { folder: folder.clone(), hierarchy: Hierarchy::V1 });
        }
        let (_, mount, own) = self.entries.iter().find(|(names, ..)| names.is_empty())?;
        let mut folder = own.as_path();
        loop {
            if hands_down(folder, "memory") && hands_down(folder, "pids") {
                return Some(GroupPlace { folder: folder.to_owned(), hierarchy: Hierarchy::V2 });
            }
            if folder == mount {
                return None;
            }
            folder = folder.parent()?;
        }
    }
}

/// Whether children of a version-2 group have a controller, or can be given it, and can be made.
fn hands_down(folder: &Path, controller: &str) -> bool {
    let file = folder.join("cgroup.subtree_control");
    let has = |text: String| text.split_whitespace().any(|name| name == controller);
    fs::read_to_string(&file).is_ok_and(has)
        || (fs::write(&file, format!("+{controller}")).is_ok()
            && fs::read_to_string(&file).is_ok_and(has))
}

/// Mount point and root of the hierarchy with these controllers.
fn find_mount(mounts: &str, controllers: &[String]) -> Option<(PathBuf, PathBuf)> {
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut left = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (left.next(), left.next()) else { continue };
        let mut right = right.split(' ');
        let (kind, _, options) = (right.next(), right.next(), right.next().unwrap_or_default());
        let matches = match kind {
            Some("cgroup2") => controllers.is_empty(),
            Some("cgroup") => {
                !controllers.is_empty()
                    && controllers
                        .iter()
                        .all(|name| options.split(',').any(|option| option == name))
            }
            _ => false,
        };
        if matches {
            return Some((unescape(point), unescape(root)));
        }
    }
    None
}

/// `mountinfo` writes spaces, tabs, newlines and backslashes as octal.
fn unescape(text: &str) -> PathBuf {
    let plain = text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    PathBuf::from(plain.replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HYBRID: &str = "\
31 23 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn each_controller_of_a_hybrid_machine_is_found_by_itself() {
        let own = "4:memory:/user/one\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/x\n";
        let map = CgroupMap::parse(own, HYBRID);
        let place = |controller| map.place(controller).map(|place| place.folder);
        assert_eq!(place("memory"), Some("/sys/fs/cgroup/memory/user/one".into()));
        assert_eq!(place("cpuacct"), Some("/sys/fs/cgroup/cpu,cpuacct".into()));
    }

    #[test]
    fn a_container_sees_its_part_of_the_hierarchy() {
        let mounts = "31 23 0:26 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let map = CgroupMap::parse("4:memory:/docker/abc/x\n", mounts);
        assert_eq!(
            map.place("memory").map(|place| place.folder),
            Some("/sys/fs/cgroup/memory/x".into())
        );
    }

    #[test]
    fn version_2_takes_the_nearest_group_that_hands_down() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let own = folder.path().join("user/shell");
        fs::create_dir_all(&own).expect("it is empty");
        // The shell's own group cannot hand anything down: the file refuses to be written.
        fs::create_dir(own.join("cgroup.subtree_control")).expect("it is empty");
        fs::write(folder.path().join("user/cgroup.subtree_control"), "cpu memory pids")
            .expect("it is ours");
        let mounts = format!("1 2 0:3 / {} rw - cgroup2 cgroup2 rw\n", folder.path().display());
        let map = CgroupMap::parse("0::/user/shell\n", &mounts);
        let place = map.place("memory").expect("the user's group hands memory down");
        assert_eq!(place.folder, folder.path().join("user"));
        assert_eq!(place.hierarchy, Hierarchy::V2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(own in "\\PC{0,80}", mounts in "[ -~\n]{0,200}") {
            let map = CgroupMap::parse(&own, &mounts);
            prop_assert!(map.entries.len() <= own.lines().count());
        }
    }
}
