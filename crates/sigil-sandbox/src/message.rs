//! Messages between the supervisor and helpers: descriptors out, reports in.
//!
//! A report comes from process 1 of a sandbox. Nothing can forge one, but what it says is checked like
//! any other foreign bytes.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::job::MAX_OUTPUTS;
use crate::supervise::failed;
use crate::wire::{REPORT_MAGIC, REPORT_WORDS, Report, taken};
use crate::{Infra, OutputFile, TakenFile};

/// Sends descriptors with a message of two bytes.
pub(crate) fn send_fds(
    socket: &OwnedFd,
    words: [u8; 2],
    fds: &[BorrowedFd<'_>],
) -> Result<(), Infra> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(24))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(failed("send descriptors")(rustix::io::Errno::TOOBIG));
    }
    let parts = [IoSlice::new(&words)];
    sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL).map_err(failed("send a job"))?;
    Ok(())
}

/// A report and what came with it.
pub(crate) struct Received {
    pub(crate) report: Report,
    words: Vec<u64>,
    files: Vec<OwnedFd>,
}

/// Receives a report; `None` if the other side went away without one.
pub(crate) fn receive_report(socket: &OwnedFd) -> Result<Option<Received>, Infra> {
    let mut bytes = [0u8; 8 * (REPORT_WORDS + MAX_OUTPUTS)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(24))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = match recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
        Ok(received) => received.bytes,
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(errno) => return Err(failed("receive a report")(errno)),
    };
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            files.extend(fds);
        }
    }
    if received == 0 {
        return Ok(None);
    }
    let (report, words) = parse_report(&bytes[..received])
        .ok_or_else(|| Infra::NoReport("it makes no sense".to_owned()))?;
    Ok(Some(Received { report, words, files }))
}

/// Reads a report, and one word for each of its files.
fn parse_report(bytes: &[u8]) -> Option<(Report, Vec<u64>)> {
    let words: Vec<u64> = bytes
        .chunks(8)
        .map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)))
        .collect::<Option<_>>()?;
    let (head, files) = words.split_at_checked(REPORT_WORDS)?;
    let small = |index: usize| u32::try_from(head[index]).ok();
    if small(0)? != REPORT_MAGIC {
        return None;
    }
    let report = Report {
        stage: small(1)?,
        errno: small(2)?,
        index: small(3)?,
        status: small(4)?,
        reason: small(5)?,
        user_micros: head[6],
        system_micros: head[7],
        wall_micros: head[8],
        peak_memory: head[9],
        peak_processes: head[10] & 0xffff,
        peak_work: head[10] >> 16,
        files: small(11)?,
    };
    (report.files as usize == files.len()).then(|| (report, files.to_vec()))
}

impl Received {
    /// Reads the files that came along, in the order of `outputs`.
    pub(crate) fn take_files(self, outputs: &[OutputFile]) -> Vec<TakenFile> {
        let mut files = self.files.into_iter();
        let take = |(word, output): (&u64, &OutputFile)| match *word {
            taken::FILE => files.next().map_or(TakenFile::Missing, |file| read_file(file, output)),
            taken::MISSING => TakenFile::Missing,
            taken::NOT_A_FILE => TakenFile::NotAFile,
            bytes => TakenFile::TooLarge { bytes },
        };
        self.words.iter().zip(outputs).map(take).collect()
    }
}

fn read_file(file: OwnedFd, output: &OutputFile) -> TakenFile {
    let mut bytes = Vec::new();
    // All writers are dead, but a promise about memory should not rest on that.
    let mut limited = File::from(file).take(output.max_bytes.saturating_add(1));
    match limited.read_to_end(&mut bytes) {
        Ok(length) if length as u64 > output.max_bytes => {
            TakenFile::TooLarge { bytes: length as u64 }
        }
        Ok(_) => TakenFile::Bytes(bytes),
        Err(_) => TakenFile::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_report(&bytes).is_none());
        }

        #[test]
        fn a_report_comes_back_as_sent(numbers in any::<[u32; 5]>(), times in any::<[u64; 4]>(), files in proptest::collection::vec(any::<u64>(), 0..16)) {
            let report = Report {
                stage: numbers[0], errno: numbers[1], index: numbers[2], status: numbers[3],
                reason: numbers[4], user_micros: times[0], system_micros: times[1],
                wall_micros: times[2], peak_memory: times[3], peak_processes: 77,
                peak_work: times[0] >> 16, files: files.len() as u32,
            };
            let head = [
                u64::from(REPORT_MAGIC), numbers[0].into(), numbers[1].into(), numbers[2].into(),
                numbers[3].into(), numbers[4].into(), times[0], times[1], times[2], times[3],
                77 | report.peak_work << 16, files.len() as u64,
            ];
            let words = head.into_iter().chain(files.iter().copied());
            let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
            prop_assert_eq!(parse_report(&bytes), Some((report, files)));
        }
    }
}
