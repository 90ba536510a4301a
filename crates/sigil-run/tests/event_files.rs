//! TensorBoard event files: the bytes the tensorboard package writes, and an independent decoder.
//!
//! The golden file was written by `tests/peers/read_tensorboard.py --write-golden` with tensorboard
//! 2.21. The decoder here shares no code with the crate: its CRC-32C is bit by bit.

use std::error::Error;
use std::fs;
use std::path::Path;

use sigil_run::EventFileWriter;
use sigil_run::storage::RealStorage;

type TestResult = Result<(), Box<dyn Error>>;

const GOLDEN: &[u8] = include_bytes!("fixtures/tensorboard-2.21.tfevents");

#[test]
fn bytes_are_those_of_the_tensorboard_package() -> TestResult {
    let folder = tempfile::tempdir()?;
    let time = 1_600_000_000.25;
    // A second file in a folder announces from which step on it replaces the first.
    drop(EventFileWriter::create(&RealStorage, folder.path(), 0, time)?);
    let mut events = EventFileWriter::create(&RealStorage, folder.path(), 5, time)?;
    let values = [("train/loss", 1.75), ("train/learning_rate", 1e-4), ("eval/loss", 0.0)];
    let values = values.map(|(tag, value)| (tag.to_owned(), value));
    events.append(300, time + 1.0, &values)?;
    events.append(0, time + 2.0, &[(format!("train/{}", "x".repeat(200)), -3.5)])?;

    let files = files_of(folder.path())?;
    assert_eq!(files.len(), 2);
    assert_eq!(fs::read(&files[1])?, GOLDEN);
    Ok(())
}

#[test]
fn an_independent_decoder_accepts_every_record() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut events = EventFileWriter::create(&RealStorage, folder.path(), 0, 10.0)?;
    for step in 1..100 {
        events.append(step, 10.0, &[("train/loss".to_owned(), 1.0 / step as f64)])?;
    }
    let bytes = fs::read(&files_of(folder.path())?[0])?;
    let records = decode(&bytes)?;
    assert_eq!(records.len(), 100);
    // Event.wall_time (field 1, double) comes first in each.
    let mut wall_time = vec![0x09];
    wall_time.extend_from_slice(&10.0_f64.to_le_bytes());
    assert!(records.iter().all(|record| record.starts_with(&wall_time)));
    assert_eq!(decode(GOLDEN)?.len(), 4);
    Ok(())
}

#[test]
fn the_decoder_of_this_test_notices_a_flipped_bit() {
    for at in 0..GOLDEN.len() {
        let mut bytes = GOLDEN.to_vec();
        bytes[at] ^= 0x10;
        assert!(decode(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn files_sort_in_the_order_they_were_made_even_if_the_clock_goes_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut names = Vec::new();
    for wall_time in [1_700_000_000.0, 1_700_000_000.9, 1_600_000_000.0, f64::NAN, 1_700_000_001.0]
    {
        drop(EventFileWriter::create(&RealStorage, folder.path(), 0, wall_time)?);
        let files = files_of(folder.path())?;
        let newest = files.last().expect("one was just made").clone();
        assert!(!names.contains(&newest), "{wall_time}: the new file is not the last by name");
        names.push(newest);
    }
    Ok(())
}

fn files_of(folder: &Path) -> Result<Vec<std::path::PathBuf>, Box<dyn Error>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

fn decode(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or("torn length")?;
        let rest = checked(length, rest)?;
        let length = usize::try_from(u64::from_le_bytes(*length))?;
        let (data, rest) = rest.split_at_checked(length).ok_or("torn data")?;
        bytes = checked(data, rest)?;
        records.push(data.to_vec());
    }
    Ok(records)
}

/// Compares the checksum at the front of `rest` with that of `data`; returns what follows it.
fn checked<'a>(data: &[u8], rest: &'a [u8]) -> Result<&'a [u8], Box<dyn Error>> {
    let (stored, rest) = rest.split_first_chunk::<4>().ok_or("torn checksum")?;
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    let unmasked = u32::from_le_bytes(*stored).wrapping_sub(0xa282_ead8).rotate_left(15);
    if unmasked == !crc { Ok(rest) } else { Err("wrong checksum".into()) }
}
