//! Takes the output files after the program and all its children are dead.
//!
//! A file is opened without following any link or leaving `/box`, must be a plain file, and goes to
//! the supervisor as a descriptor; nothing is copied here.

use crate::init::kernel::{self, Fd};
use crate::init::reader::Reader;
use crate::init::wire::taken;

/// Files of one job at most.
pub(crate) const MAX: usize = 16;

/// Opens what the plan asks for; how many entries were filled.
pub(crate) fn collect(
    mut outputs: Reader<'_>,
    work: Fd,
    words: &mut [u64; MAX],
    files: &mut [Fd; MAX],
) -> u32 {
    let mut count = 0;
    while count < MAX && !outputs.is_done() {
        let (Some(path), Some(most)) = (outputs.text(), outputs.long()) else { break };
        words[count] = match open_one(work, path, most) {
            Ok(file) => {
                files[count] = file;
                taken::FILE
            }
            Err(word) => word,
        };
        count += 1;
    }
    count as u32
}

fn open_one(work: Fd, path: &core::ffi::CStr, most: u64) -> Result<Fd, u64> {
    // O_RDONLY | O_NOFOLLOW | O_NONBLOCK (a pipe must not hold us) | O_CLOEXEC.
    let file = match kernel::open_beneath(work, path, 0o2_404_000) {
        Ok(file) => file as Fd,
        Err(kernel::ENOENT | kernel::ENOTDIR) => return Err(taken::MISSING),
        Err(kernel::ELOOP | kernel::EXDEV | _) => return Err(taken::NOT_A_FILE),
    };
    let word = match kernel::stat(file) {
        Ok((mode, _)) if mode & 0o170_000 != 0o100_000 => taken::NOT_A_FILE,
        Ok((_, length)) if length > most => length,
        Ok(_) => return Ok(file),
        Err(_) => taken::MISSING,
    };
    kernel::close(file);
    Err(word)
}
