//! A container engine's command, and the way of using it that works here: found by starting a container.
//!
//! Engines differ in what a machine lets them do (who their users are, which runtime takes this mixture
//! of control groups, whether they may limit anything), and what they say about it beforehand is not
//! to be relied on. So a container with the helper in it is started in each way until one answers, and
//! jobs are run in that way. What a job asks for is in `container.rs`.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, getrlimit};

use crate::foreign::{PrivateFolder, first_line};
use crate::native::FIRST_OUTER_ID;
use crate::{Infra, Limits, Link, Unavailable, embedded::short_digest, owner};

/// Begins the names of images. They are made by `import`, hold symbolic links and nothing else, no layer
/// of anybody, and are never asked of a registry.
const IMAGE: &str = "sigil-sandbox-links";

/// Most processes that podman is asked to allow a user. Its own limit is lower than that of who starts it,
/// and this is far above what a job may have.
const MOST_PROCESSES: i64 = 16_384;

/// `docker` or `podman`, and how to use it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) command: &'static str,
    /// The engine belongs to an ordinary user, who can be no more than the few users given to them.
    pub(crate) rootless: bool,
    /// The runtime to ask for; `None` leaves it to the engine.
    runtime: Option<&'static str>,
    /// Whether the engine may set limits of its own, a second wall behind the helper's.
    pub(crate) limits: bool,
}

impl Engine {
    /// Finds the way that works, or says what each way failed with.
    pub(crate) fn find(command: &'static str) -> Result<Self, Unavailable> {
        let rootless = is_rootless(command)?;
        let mut engine = Self { command, rootless, runtime: None, limits: true };
        sweep(command);
        let failed = |error: Infra| Unavailable { reason: error.to_string(), mend: MEND };
        let image = engine.image(&[]).map_err(failed)?;
        let folder = PrivateFolder::make().map_err(failed)?;
        let helper = folder.write_helper().map_err(failed)?;
        let mut said: Vec<String> = Vec::new();
        for (runtime, limits) in ways(command) {
            (engine.runtime, engine.limits) = (runtime, limits);
            match engine.try_container(&image, &helper) {
                Ok(()) => return Ok(engine),
                // The other ways without limits mostly fail with the same words.
                Err(message) if said.contains(&message) => {}
                Err(message) => said.push(message),
            }
        }
        let reason = format!("`{command}` starts no container: {}", said.join("; "));
        Err(Unavailable { reason, mend: MEND })
    }

    /// The user that programs of a slot are, as the engine counts users: somebody who owns nothing.
    pub(crate) fn user(&self, slot: u32) -> u32 {
        if self.rootless {
            // Other supervisors of this user share these; resource limits count per user.
            1000 + (std::process::id().wrapping_mul(61).wrapping_add(slot)) % 60_000
        } else {
            FIRST_OUTER_ID + slot
        }
    }

    /// `docker run` as far as it is the same for all containers; mounts, image and words follow.
    pub(crate) fn run(&self, name: &str, user: u32, limits: &Limits) -> Command {
        let mut command = Command::new(self.command);
        if let Some(runtime) = self.runtime {
            command.args(["--runtime", runtime]);
        }
        command
            .args(["run", "--rm", "--pull", "never", "--name", name])
            .args(["--network", "none", "--read-only", "--cap-drop", "ALL"])
            .args(["--security-opt", "no-new-privileges"])
            // The engine's filter knows no Landlock; the helper's own is stricter and comes later.
            .args(["--security-opt", "seccomp=unconfined"])
            .args(["--hostname", "sandbox", "--user", &format!("{user}:{user}")])
            .args(["--log-driver", "none", "--workdir", "/", "--entrypoint", "/.helper"]);
        if self.limits {
            command
                .args(["--pids-limit", &(limits.processes + 4).to_string()])
                .args(["--memory", &(limits.memory_bytes + (64 << 20)).to_string()]);
        }
        if self.command == "podman" {
            // A `/tmp` that Landlock closes, where compilers would believe that they may write.
            command.arg("--read-only-tmpfs=false");
            // By itself it asks for more than a supervisor without the right to raise limits has.
            let most = |resource| getrlimit(resource).maximum.map_or(i64::MAX, |most| most as i64);
            let files = most(Resource::Nofile).min(i64::from(u32::MAX));
            let processes = most(Resource::Nproc).min(MOST_PROCESSES);
            for (name, most) in [("nofile", files), ("nproc", processes)] {
                command.args(["--ulimit", &format!("{name}={most}:{most}")]);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
        command
    }

    /// Adds a read-only mount.
    pub(crate) fn mount(command: &mut Command, host: &Path, inside: &Path) {
        let mut volume = host.as_os_str().to_owned();
        volume.push(":");
        volume.push(inside);
        volume.push(":ro");
        command.arg("--volume").arg(volume);
    }

    /// Adds the image and what the helper is told.
    pub(crate) fn helper(command: &mut Command, image: &str, words: &[&str]) {
        command.arg(image).args(words);
    }

    /// Removes a container, whatever it does.
    pub(crate) fn remove(&self, name: &str) {
        remove(self.command, name);
    }

    /// Starts the helper in a container, to say which Landlock it finds there.
    fn try_container(&self, image: &str, helper: &Path) -> Result<(), String> {
        let name = owner::name(u64::MAX);
        let mut command = self.run(&name, self.user(0), &Limits::default());
        Self::mount(&mut command, helper, Path::new("/.helper"));
        Self::helper(&mut command, image, &["probe"]);
        let output = command.stdout(Stdio::piped()).output().map_err(|error| error.to_string())?;
        match std::str::from_utf8(&output.stdout).map(str::parse::<u32>) {
            Ok(Ok(version)) if version > 0 => Ok(()),
            Ok(Ok(_)) => Err("there is no Landlock inside".to_owned()),
            _ => {
                // A container that was made and could not be started.
                self.remove(&name);
                let said = String::from_utf8_lossy(&output.stderr);
                Err(said.lines().last().unwrap_or("it says nothing").trim().to_owned())
            }
        }
    }

    /// The image with these links and nothing else; made if it is not there.
    pub(crate) fn image(&self, links: &[Link]) -> Result<String, Infra> {
        let failed = |message| Infra::Command { command: self.command, message };
        let archive = links_archive(links).map_err(|error| failed(error.to_string()))?;
        let image = format!("{IMAGE}:{}", short_digest(archive.iter()));
        if first_line(self.command, &["image", "inspect", "--format", "{{.Id}}", &image]).is_some()
        {
            return Ok(image);
        }
        let folder = PrivateFolder::make()?;
        let archive = folder.write("links.tar", &archive, 0o444)?;
        let output = Command::new(self.command)
            .arg("import")
            .arg(archive)
            .arg(&image)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(image);
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// A tar archive of symbolic links, the same bytes for the same links.
fn links_archive(links: &[Link]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for Link { path, target } in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        let path = path.strip_prefix("/").unwrap_or(path);
        archive.append_link(&mut header, path, target)?;
    }
    archive.into_inner()
}

const MEND: &str = "install the engine and start its service; an ordinary user needs to be in Docker's \
                    group, or lines in /etc/subuid and /etc/subgid for Podman; where its runtime does \
                    not know this machine's control groups, install runc";

/// Whether the engine answers, and whose it is.
fn is_rootless(command: &'static str) -> Result<bool, Unavailable> {
    let format = match command {
        "docker" => "{{.SecurityOptions}}",
        _ => "{{.Host.Security.Rootless}}",
    };
    match first_line(command, &["info", "--format", format]) {
        Some(said) => Ok(said == "true" || said.contains("rootless")),
        None => Err(Unavailable {
            reason: format!("`{command} info` gets no answer from an engine"),
            mend: MEND,
        }),
    }
}

/// The ways to start a container: runtime and whether the engine sets limits, best first.
fn ways(command: &str) -> Vec<(Option<&'static str>, bool)> {
    match command {
        // Its service knows its runtime.
        "docker" => vec![(None, true), (None, false)],
        _ => {
            let runtimes = [None, Some("runc"), Some("crun")];
            let with = |limits| runtimes.map(|runtime| (runtime, limits));
            with(true).into_iter().chain(with(false)).collect()
        }
    }
}

/// Removes containers whose supervisor was killed before it could. One that ran has ended by then, since
/// its helper ends with the supervisor; one that was made and not started stays.
fn sweep(command: &'static str) {
    let filter = format!("name={}", owner::PREFIX);
    let output = Command::new(command)
        .args(["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else { return };
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in names.lines().map(str::trim).filter(|name| owner::is_abandoned(name)) {
        remove(command, name);
    }
}

fn remove(command: &str, name: &str) {
    // If there is none, that is what was wanted.
    let _ = Command::new(command).args(["rm", "--force", name]).stdin(Stdio::null()).output();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_holds_the_links_of_a_root() {
        let links = [("/bin", "usr/bin"), ("/etc/alternatives/cc", "/usr/bin/gcc")]
            .map(|(path, target)| Link { path: path.into(), target: target.into() });
        let bytes = links_archive(&links).expect("short names");
        assert_eq!(bytes, links_archive(&links).expect("short names"));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<Link> = archive
            .entries()
            .expect("an archive")
            .map(|entry| {
                let entry = entry.expect("whole");
                let path = Path::new("/").join(entry.path().expect("a path"));
                let target = entry.link_name().expect("a name").expect("a link").into_owned();
                Link { path, target }
            })
            .collect();
        assert_eq!(found, links);
    }
}
