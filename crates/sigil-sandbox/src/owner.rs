//! Names for things that outlive a killed supervisor (folders, containers), so that a later one can tell
//! whose they were and clear them away.
//!
//! A process number alone is not enough: it is used again after a while, and another container that
//! shares a folder or an engine has numbers of its own. So a name holds the number's namespace and the
//! time the process began as well, and only what surely belongs to nobody is called abandoned.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// The beginning of every name.
pub(crate) const PREFIX: &str = "sigil-sandbox-";

/// A name of this process's; `number` tells its things apart.
pub(crate) fn name(number: u64) -> String {
    static OWNER: OnceLock<String> = OnceLock::new();
    let owner = OWNER.get_or_init(|| {
        let pid = std::process::id();
        format!("{}-{pid}-{}", namespace(), began(pid).unwrap_or(0))
    });
    format!("{PREFIX}{owner}-{number}")
}

/// Whether this is the name of a process's things that is no more. Names of other namespaces, about
/// which nothing can be said here, and names of other things are not.
pub(crate) fn is_abandoned(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let parts: Vec<u64> = rest.split('-').map_while(|part| part.parse().ok()).collect();
    let &[of, pid, time, _] = parts.as_slice() else { return false };
    let Ok(pid) = u32::try_from(pid) else { return false };
    of != 0 && of == namespace() && began(pid) != Some(time)
}

/// The namespace of process numbers here; 0 if that cannot be known.
fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// When a process began, in ticks since the machine did; `None` if there is none.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold anything, so fields are counted from its end; this is field 22.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn own_names_are_not_abandoned_and_those_of_the_dead_are() {
        assert!(!is_abandoned(&name(7)));
        let (own, pid) = (namespace(), std::process::id());
        let time = began(pid).expect("this process has begun");
        assert!(is_abandoned(&format!("{PREFIX}{own}-{pid}-{}-7", time + 1)));
        assert!(is_abandoned(&format!("{PREFIX}{own}-{}-7-7", u32::MAX)));
        // Of another namespace nothing is known.
        assert!(!is_abandoned(&format!("{PREFIX}{}-{}-7-7", own + 1, u32::MAX)));
    }

    proptest! {
        #[test]
        fn only_whole_names_are_abandoned(text in "[0-9-]{0,20}") {
            let name = format!("{PREFIX}{text}");
            prop_assert!(!is_abandoned(&name) || text.split('-').count() == 4);
        }
    }
}
