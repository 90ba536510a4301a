//! What processes say to each other: a mark, two lengths, a header as JSON, numbers as bytes.
//!
//! Floats that must arrive exactly are written as their bits, large arrays of f32 as little-endian bytes
//! behind the header. Nothing is trusted: a mark, lengths and a header are checked before memory is
//! taken for what they announce.

use std::{
    fmt,
    io::{Read, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sigil_data::Batch;

/// Begins every message.
const MARK: [u8; 8] = *b"sigil-01";
/// Longest header: the batches of one process in one step.
const MOST_HEADER_BYTES: u64 = 1 << 28;
/// Numbers that are read or written at a time.
const CHUNK_NUMBERS: usize = 1 << 16;

/// Why processes cannot go on together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RanksError {
    /// The other side of a channel is gone.
    #[error("process {rank} of {ranks} has ended before the run did")]
    Gone {
        /// Its number.
        rank: usize,
        /// How many there are.
        ranks: usize,
    },
    /// What came is not what is expected.
    #[error("process {rank} of {ranks} sent {what}")]
    Unexpected {
        /// Its number.
        rank: usize,
        /// How many there are.
        ranks: usize,
        /// What it is.
        what: String,
    },
    /// A process reports a failure.
    #[error("process {rank} of {ranks}: {message}")]
    Failed {
        /// Its number.
        rank: usize,
        /// How many there are.
        ranks: usize,
        /// Its words.
        message: String,
    },
    /// Two processes no longer hold the same parameters.
    #[error("the parameters of process {rank} of {ranks} are no longer those of process 0")]
    Diverged {
        /// Its number.
        rank: usize,
        /// How many there are.
        ranks: usize,
    },
}

impl RanksError {
    /// What a user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Gone { .. } => {
                "its own last words are above, if it had any; the newest checkpoint set is whole, and \
                 `--resume` goes on from it"
            }
            Self::Diverged { .. } => {
                "devices of different kinds compute different bits: use devices of one kind, or \
                 `run.processes = 1`; `--resume` goes on from the newest checkpoint set"
            }
            Self::Unexpected { .. } | Self::Failed { .. } => {
                "the newest checkpoint set is whole: `--resume` goes on from it, with \
                 `run.processes = 1` if this comes again"
            }
        }
    }
}

/// A connection to one other process.
pub struct Channel {
    from: Box<dyn Read + Send>,
    to: Box<dyn Write + Send>,
    /// The process at the other end, and how many there are: for messages.
    other: [usize; 2],
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

/// The first message to a follower: what it loads, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loading {
    /// All settings of the run, as TOML.
    pub settings: String,
    /// Folder of the base's files.
    pub folder: PathBuf,
    /// CUDA device, or none for the CPU.
    pub cuda_device: Option<usize>,
    /// What each layer keeps, by name.
    pub policy: String,
    /// Threads for the CPU's work.
    pub threads: Option<usize>,
}

/// One micro-batch as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SentBatch {
    /// Its number in the step.
    pub(super) number: u64,
    pub(super) tokens: Vec<u32>,
    pub(super) targets: Vec<i32>,
    pub(super) document_starts: Vec<u32>,
}

impl SentBatch {
    pub(super) fn new(number: usize, batch: &Batch) -> Self {
        Self {
            number: number as u64,
            tokens: batch.tokens.clone(),
            targets: batch.targets.clone(),
            document_starts: batch.document_starts.clone(),
        }
    }

    /// The batch without the names of its rows; `None` where it is none for a vocabulary of this size.
    pub(super) fn into_batch(self, vocabulary: usize) -> Option<Batch> {
        let Self { tokens, targets, document_starts: starts, .. } = self;
        let rises = starts.windows(2).all(|pair| pair[0] < pair[1]);
        let covers = starts.first() == Some(&0) && starts.last() == Some(&(tokens.len() as u32));
        let known = |token: u64| token < vocabulary as u64;
        let all_known = tokens.iter().all(|&token| known(token.into()))
            && targets.iter().all(|&target| u64::try_from(target).map_or(target == -1, known));
        if !(rises && covers && all_known && targets.len() == tokens.len() && !tokens.is_empty()) {
            return None;
        }
        Some(Batch { tokens, targets, document_starts: starts, ..Batch::default() })
    }
}

/// What the first process tells the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Parameters, first and second moments follow, as f32 in their order.
    Begin { numbers: u64, optimizer_steps: u64 },
    /// Join a group of devices and try a sum.
    Join { id: Vec<u8>, rank: usize, ranks: usize },
    /// Gradients are summed by devices, or in host memory.
    SumsByDevices(bool),
    /// Compute the gradients of these micro-batches.
    Step {
        seed: u64,
        index: u64,
        scale_bits: u32,
        neftune_bits: Option<u64>,
        batches: Vec<SentBatch>,
    },
    /// Sum the gradients over the devices now.
    Sum,
    /// Take the optimizer's step; the summed gradients follow unless devices have summed them.
    Apply { learning_rate_bits: u64, gradient_scale_bits: u64 },
    /// Forget the gradients of this step.
    Drop,
    /// Compute the losses of a batch without gradients.
    Score { batch: SentBatch },
    /// Say what the parameters are.
    Digest,
    /// The run has ended.
    End,
}

/// What they answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The model is loaded; so many numbers are trained.
    Loaded { numbers: u64 },
    /// Whether the group of devices works, and what the trial sum was.
    Joined { error: Option<String> },
    /// The losses of the micro-batches; the gradients follow where devices do not sum them.
    Gradients { losses: Vec<MicroLoss> },
    /// Devices have summed.
    Summed,
    /// Losses of each position follow.
    Scores,
    /// Digest of the parameters.
    Digest { digest: [u8; 32] },
    /// Something went wrong, in words.
    Failed { message: String },
}

/// Loss of one micro-batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MicroLoss {
    /// Its number in the step.
    pub(crate) number: u64,
    /// Bits of the sum of its losses, f64.
    pub(crate) sum_bits: u64,
    /// Documents with a loss that is not finite.
    pub(crate) guilty: Vec<u32>,
}

impl MicroLoss {
    /// Sum of the losses, in nats.
    pub(crate) fn sum(&self) -> f64 {
        f64::from_bits(self.sum_bits)
    }
}

impl Channel {
    /// A connection with process `rank` of `ranks` over two streams of bytes.
    pub fn new(
        from: impl Read + Send + 'static,
        to: impl Write + Send + 'static,
        rank: usize,
        ranks: usize,
    ) -> Self {
        Self { from: Box::new(from), to: Box::new(to), other: [rank, ranks] }
    }

    /// Sends what a follower is to load.
    ///
    /// # Errors
    /// It is gone.
    pub fn send_loading(&mut self, loading: &Loading) -> Result<(), RanksError> {
        self.send(loading, &[])
    }

    /// Receives what this process is to load.
    ///
    /// # Errors
    /// The first process is gone, or sent something else.
    pub fn receive_loading(&mut self) -> Result<Loading, RanksError> {
        self.receive(0).map(|(loading, _)| loading)
    }

    /// Tells the first process why this one ends; it may be gone itself.
    pub fn send_failure(&mut self, message: &str) {
        let _gone = self.send(&Answer::Failed { message: message.to_owned() }, &[]);
    }

    /// The other process is gone.
    fn gone(&self) -> RanksError {
        let [rank, ranks] = self.other;
        RanksError::Gone { rank, ranks }
    }

    /// The other process sent something else than is expected.
    pub(super) fn unexpected(&self, what: impl Into<String>) -> RanksError {
        let [rank, ranks] = self.other;
        RanksError::Unexpected { rank, ranks, what: what.into() }
    }

    /// The other process reports a failure.
    pub(super) fn failed(&self, message: String) -> RanksError {
        let [rank, ranks] = self.other;
        RanksError::Failed { rank, ranks, message }
    }

    /// The other process holds other parameters.
    pub(super) fn diverged(&self) -> RanksError {
        let [rank, ranks] = self.other;
        RanksError::Diverged { rank, ranks }
    }

    pub(super) fn send<T: Serialize>(
        &mut self,
        header: &T,
        numbers: &[f32],
    ) -> Result<(), RanksError> {
        let header = serde_json::to_vec(header).expect("plain data serializes");
        let mut write = || -> std::io::Result<()> {
            self.to.write_all(&MARK)?;
            self.to.write_all(&(header.len() as u64).to_le_bytes())?;
            self.to.write_all(&(numbers.len() as u64).to_le_bytes())?;
            self.to.write_all(&header)?;
            let mut bytes = Vec::with_capacity(4 * numbers.len().min(CHUNK_NUMBERS));
            for chunk in numbers.chunks(CHUNK_NUMBERS) {
                bytes.clear();
                bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
                self.to.write_all(&bytes)?;
            }
            self.to.flush()
        };
        write().map_err(|_| self.gone())
    }

    /// Receives a header with at most `most` numbers behind it.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        most: usize,
    ) -> Result<(T, Vec<f32>), RanksError> {
        let mut mark = [0; MARK.len()];
        self.fill(&mut mark)?;
        if mark != MARK {
            let text = String::from_utf8_lossy(&mark).into_owned();
            return Err(self.unexpected(format!("{text:?} where a message should begin")));
        }
        let [header_bytes, numbers] = [self.length()?, self.length()?];
        if header_bytes > MOST_HEADER_BYTES || numbers > most as u64 {
            let what = format!("a message of {header_bytes} bytes and {numbers} numbers");
            return Err(self.unexpected(what));
        }
        // Memory grows with what has come, not with what was announced.
        let mut header = vec![];
        let read = (&mut self.from).take(header_bytes).read_to_end(&mut header);
        if read.map_or(true, |read| read as u64 != header_bytes) {
            return Err(self.gone());
        }
        let header = serde_json::from_slice(&header)
            .map_err(|error| self.unexpected(format!("a message that cannot be read: {error}")))?;
        let mut values = vec![];
        let mut bytes = vec![];
        while values.len() < numbers as usize {
            let now = (numbers as usize - values.len()).min(CHUNK_NUMBERS);
            bytes.resize(4 * now, 0);
            self.fill(&mut bytes)?;
            values.extend(
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            );
        }
        Ok((header, values))
    }

    fn length(&mut self) -> Result<u64, RanksError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RanksError> {
        self.from.read_exact(bytes).map_err(|_| self.gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: Vec<u8>) -> Result<(Answer, Vec<f32>), RanksError> {
        Channel::new(std::io::Cursor::new(bytes), std::io::sink(), 2, 4).receive(1000)
    }

    fn sent(answer: &Answer, numbers: &[f32]) -> Vec<u8> {
        let (mut there, here) = std::io::pipe().expect("a pipe");
        let mut channel = Channel::new(std::io::empty(), here, 2, 4);
        channel.send(answer, numbers).expect("the pipe is open and large enough");
        drop(channel);
        let mut bytes = vec![];
        there.read_to_end(&mut bytes).expect("it was written");
        bytes
    }

    #[test]
    fn numbers_arrive_to_the_bit() {
        let numbers = [0.1, -0.0, f32::NAN, f32::INFINITY, 1e-42];
        let (answer, back) = received(sent(&Answer::Scores, &numbers)).expect("a message");
        assert!(matches!(answer, Answer::Scores));
        let bits: Vec<u32> = back.iter().map(|number| number.to_bits()).collect();
        assert_eq!(bits, numbers.map(f32::to_bits));
    }

    #[test]
    fn foreign_bytes_are_refused_and_take_no_memory() {
        let said = |bytes| received(bytes).expect_err("no message").to_string();
        let gone = "process 2 of 4 has ended before the run did";
        assert_eq!(said(vec![]), gone);
        let hello = said(b"hello from a print\n".to_vec());
        assert_eq!(hello, "process 2 of 4 sent \"hello fr\" where a message should begin");
        let good = sent(&Answer::Loaded { numbers: 3 }, &[1.0, 2.0]);
        for cut in 0..good.len() {
            assert_eq!(said(good[..cut].to_vec()), gone, "cut at {cut}");
        }
        for byte in 0..good.len() {
            for bit in 0..8 {
                let mut other = good.clone();
                other[byte] ^= 1 << bit;
                // Anything but a panic or a message with other numbers behind it.
                if let Ok((_, numbers)) = received(other) {
                    assert!(numbers.len() <= 2);
                }
            }
        }
        let mut huge = good;
        huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(said(huge).contains("sent a message of 18446744073709551615 bytes"));
    }

    #[test]
    fn a_batch_is_checked_before_a_device_sees_it() {
        let good = SentBatch {
            number: 0,
            tokens: vec![1, 2, 3],
            targets: vec![2, -1, -1],
            document_starts: vec![0, 2, 3],
        };
        assert!(good.clone().into_batch(4).is_some());
        let wrong: [fn(&mut SentBatch); 6] = [
            |batch| batch.tokens[0] = 4,
            |batch| batch.targets[0] = 4,
            |batch| batch.targets[0] = -2,
            |batch| batch.document_starts = vec![0, 2, 4],
            |batch| batch.document_starts = vec![0, 2, 2, 3],
            |batch| batch.targets.truncate(2),
        ];
        for change in wrong {
            let mut batch = good.clone();
            change(&mut batch);
            assert!(batch.into_batch(4).is_none());
        }
    }
}
