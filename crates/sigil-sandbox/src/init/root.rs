//! Builds the read-only root that all jobs of a slot share, and moves into it.
//!
//! A small tmpfs with bind mounts of the machine's folders, links, made-up files and five devices; the
//! machine's own tree is then detached, so that nothing of it has a name any more. What belongs to one
//! job alone (`/box`, `/in`) is mounted over empty folders in `job.rs`.

use core::ffi::CStr;

use crate::init::kernel::{self, AT_FDCWD, Fd};
use crate::init::reader::Reader;
use crate::init::slot::{Failed, SlotPlan, at};
use crate::init::wire::{Step, without};

const READ_ONLY: u64 = 1;
const NO_SUID: u64 = 2;
const NO_DEVICES: u64 = 4;
const NO_EXECUTE: u64 = 8;

/// The new root grows here: a folder that exists everywhere and holds nothing a root could want.
const PLACE: &[u8] = b"/proc";

/// A path below [`PLACE`], or anywhere, with its final zero.
pub(crate) struct Place {
    bytes: [u8; 4352],
    length: usize,
}

impl Place {
    /// `path` inside the new root, which is absolute.
    fn inside(path: &CStr) -> Option<Self> {
        let mut place = Self { bytes: [0; 4352], length: 0 };
        place.push(PLACE)?;
        place.push(path.to_bytes())?;
        Some(place)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len())?;
        // One byte stays for the zero.
        if end + 1 >= self.bytes.len() {
            return None;
        }
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// Makes all folders above `path`, whose parts start after `from` bytes.
pub(crate) fn make_parents(at: Fd, path: &CStr, from: usize, mode: u32) -> Result<(), i32> {
    let mut part = [0u8; 4352];
    let bytes = path.to_bytes();
    for (index, byte) in bytes.iter().enumerate().skip(from + 1) {
        if *byte == b'/' {
            part.get_mut(..index).ok_or(36)?.copy_from_slice(&bytes[..index]);
            part[index] = 0;
            let text = CStr::from_bytes_until_nul(&part).map_err(|_| 36)?;
            match kernel::make_dir(at, text, mode) {
                Ok(_) | Err(kernel::EEXIST) => {}
                // Inside a mount that is read-only already: the folder is there or the mount fails.
                Err(30) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Builds the root as the rest of the plan says, and moves into it.
pub(crate) fn build(plan: &mut Reader<'_>, head: &SlotPlan<'_>) -> Result<(), Failed> {
    // MS_REC | MS_PRIVATE: nothing done here is seen outside, and nothing outside here.
    at(Step::NewRoot, kernel::mount(c"none", c"/", c"", 0x4000 | 0x4_0000, c""))?;
    let options = c"size=8m,nr_inodes=8k,mode=755";
    at(Step::NewRoot, kernel::mount(c"tmpfs", c"/proc", c"tmpfs", NO_SUID | NO_DEVICES, options))?;
    let count = word(plan)?;
    for index in 0..count {
        one_mount(plan, head).map_err(|failed| Failed { index, ..failed })?;
    }
    for index in 0..word(plan)? {
        let (path, target) = (text(plan)?, text(plan)?);
        let place = inside(path)?;
        let made = make_parents(AT_FDCWD, place.text(), PLACE.len(), 0o755)
            .and_then(|()| kernel::make_link(target, place.text()));
        made.map_err(|errno| Failed { step: Step::MakeFile, errno, index })?;
    }
    for index in 0..word(plan)? {
        let (path, bytes) = (text(plan)?, plan.block().ok_or(BAD)?);
        let made = write_file(&inside(path)?, bytes);
        made.map_err(|errno| Failed { step: Step::MakeFile, errno, index })?;
    }
    devices()?;
    for folder in [c"/proc/box", c"/proc/in", c"/proc/proc"] {
        at(Step::MakeFile, kernel::make_dir(AT_FDCWD, folder, 0o755))?;
    }
    at(Step::MakeFile, kernel::make_link(c"box/.tmp", c"/proc/tmp"))?;
    if let Some(loaded) = &head.loaded {
        let options = c"size=2m,nr_inodes=8,mode=755";
        let mounted = kernel::mount(c"none", c"/proc/box", c"tmpfs", NO_SUID | NO_DEVICES, options);
        at(Step::LoadAhead, mounted)?;
        let place = inside(c"/box/ahead.so")?;
        at(Step::LoadAhead, write_file(&place, loaded.library))?;
        let sealed = READ_ONLY | NO_SUID | NO_DEVICES;
        at(Step::LoadAhead, kernel::set_mount_attributes(AT_FDCWD, c"/proc/box", sealed))?;
    }
    if head.proc {
        let flags = NO_SUID | NO_DEVICES | NO_EXECUTE;
        at(Step::Proc, kernel::mount(c"proc", c"/proc/proc", c"proc", flags, c""))?;
    }
    at(Step::Pivot, kernel::change_dir(c"/proc"))?;
    at(Step::Pivot, kernel::pivot_root(c".", c"."))?;
    at(Step::Pivot, kernel::detach(c"."))?;
    at(Step::Pivot, kernel::change_dir(c"/"))?;
    if head.without & without::READ_ONLY == 0 {
        let sealed = READ_ONLY | NO_SUID | NO_DEVICES | NO_EXECUTE;
        at(Step::Pivot, kernel::set_mount_attributes(AT_FDCWD, c"/", sealed))?;
    }
    Ok(())
}

fn one_mount(plan: &mut Reader<'_>, head: &SlotPlan<'_>) -> Result<(), Failed> {
    let (host, path) = (text(plan)?, text(plan)?);
    let (folder, execute) = (word(plan)? != 0, word(plan)? != 0);
    let place = inside(path)?;
    at(Step::MakeFile, make_parents(AT_FDCWD, place.text(), PLACE.len(), 0o755))?;
    if folder {
        match kernel::make_dir(AT_FDCWD, place.text(), 0o755) {
            Ok(_) | Err(kernel::EEXIST) => {}
            Err(errno) => return Err(Failed { step: Step::MakeFile, errno, index: 0 }),
        }
    } else {
        at(Step::MakeFile, empty_file(&place))?;
    }
    let mut attributes = NO_SUID | NO_DEVICES;
    if head.without & without::READ_ONLY == 0 {
        attributes |= READ_ONLY;
    }
    if !execute {
        attributes |= NO_EXECUTE;
    }
    bind(host, &place, attributes, Step::Mount)
}

fn bind(host: &CStr, place: &Place, attributes: u64, step: Step) -> Result<(), Failed> {
    let tree = at(step, kernel::clone_tree(host))? as Fd;
    at(Step::MountAttributes, kernel::set_mount_attributes(tree, c"", attributes))?;
    at(step, kernel::attach_tree(tree, place.text()))?;
    kernel::close(tree);
    Ok(())
}

fn devices() -> Result<(), Failed> {
    at(Step::MakeFile, kernel::make_dir(AT_FDCWD, c"/proc/dev", 0o755))?;
    for device in [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/random", c"/dev/urandom"] {
        let place = inside(device)?;
        at(Step::MakeFile, empty_file(&place))?;
        bind(device, &place, READ_ONLY | NO_SUID | NO_EXECUTE, Step::Device)?;
    }
    Ok(())
}

fn empty_file(place: &Place) -> Result<(), i32> {
    // O_CREAT | O_WRONLY | O_CLOEXEC.
    let file = kernel::open(AT_FDCWD, place.text(), 0o2_000_101, 0o444)?;
    kernel::close(file as Fd);
    Ok(())
}

fn write_file(place: &Place, bytes: &[u8]) -> Result<(), i32> {
    make_parents(AT_FDCWD, place.text(), PLACE.len(), 0o755)?;
    let file = kernel::open(AT_FDCWD, place.text(), 0o2_000_301, 0o444)? as Fd;
    let written = kernel::write_all(file, bytes);
    kernel::close(file);
    written
}

const BAD: Failed = Failed { step: Step::ReadPlan, errno: kernel::EBADMSG, index: 0 };

fn word(plan: &mut Reader<'_>) -> Result<u32, Failed> {
    plan.word().ok_or(BAD)
}

fn text<'a>(plan: &mut Reader<'a>) -> Result<&'a CStr, Failed> {
    plan.text().ok_or(BAD)
}

fn inside(path: &CStr) -> Result<Place, Failed> {
    Place::inside(path).ok_or(BAD)
}
