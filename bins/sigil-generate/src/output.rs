//! The file of samples: one JSON object a line, written as samples end, mended and continued.
//!
//! A line is written at once, so a killed program leaves at most its last line torn; that line is
//! cut off when the file is opened again. Rows that were made with another model or other settings
//! are never mixed with new ones.

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{exit::Failure, plain::is_obeyed};

/// One sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The prompt's name.
    pub(crate) id: String,
    /// Number of the sample among those of its prompt, from 0.
    pub(crate) sample: u32,
    /// What the model was given.
    pub(crate) prompt: String,
    /// What it wrote, without the text that stopped it.
    pub(crate) text: String,
    /// The code in that.
    pub(crate) code: String,
    /// Seed that, with prompt and number, makes the sample again.
    pub(crate) seed: u64,
    /// Tokens of the sample.
    pub(crate) tokens: usize,
    /// `stop`, `stop_text`, `length` or `context`.
    pub(crate) finish_reason: String,
    /// Digest of the model's files and of how they are held.
    pub(crate) model: String,
    /// Digest of the settings of sampling.
    pub(crate) settings: String,
}

impl Row {
    /// The line in a file, with its end. It may be shown on a terminal, so that characters which JSON
    /// does not make one write as escapes but a terminal would obey are escaped too.
    pub(crate) fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("texts and numbers serialize");
        let mut line = String::with_capacity(json.len() + 1);
        for c in json.chars() {
            if is_obeyed(c) {
                // All of them have four digits or fewer, and stand inside of texts.
                line.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        line
    }
}

/// What identifies a sample in a file.
pub(crate) type Key = (String, u32);

/// An open file of samples.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    /// Samples that were in it.
    pub(crate) rows: Vec<Row>,
    /// Bytes of a torn line that were cut off.
    pub(crate) torn_bytes: u64,
}

impl Output {
    /// Opens or creates the file, takes it for this process, and reads what is in it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |what: &str, error: &std::io::Error| {
            Failure::new(1, format!("cannot {what} `{}`: {error}", path.display()))
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|error| failed("make the folder of", &error))?;
        }
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| failed("open", &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process writes `{}`", path.display());
                return Err(Failure::new(6, message).hint("wait for it, or use another --output"));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &error)),
        }
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(|error| failed("read", &error))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let torn_bytes = (bytes.len() - whole) as u64;
        if torn_bytes > 0 {
            file.set_len(whole as u64)
                .and_then(|()| file.seek(SeekFrom::End(0)))
                .map_err(|error| failed("mend", &error))?;
        }
        let rows = parse(path, &bytes[..whole])?;
        Ok(Self { path: path.to_owned(), file, rows, torn_bytes })
    }

    /// Refuses rows that another model or other settings made.
    pub(crate) fn check(&self, model: &str, settings: &str, seed: u64) -> Result<(), Failure> {
        let foreign = self
            .rows
            .iter()
            .position(|row| row.model != model || row.settings != settings || row.seed != seed);
        let Some(at) = foreign else { return Ok(()) };
        let what = if self.rows[at].model != model { "another model" } else { "other settings" };
        let place = format!("{}:{}", self.path.display(), at + 1);
        let message = format!("{place}: this sample was made with {what}");
        Err(Failure::new(6, message).hint("use another --output, or remove the file"))
    }

    /// The samples that are there already.
    pub(crate) fn done(&self) -> BTreeSet<Key> {
        self.rows.iter().map(|row| (row.id.clone(), row.sample)).collect()
    }

    /// Appends a row.
    pub(crate) fn append(&mut self, row: &Row) -> Result<(), Failure> {
        self.file.write_all(row.line().as_bytes()).map_err(|error| {
            Failure::new(1, format!("cannot write `{}`: {error}", self.path.display()))
        })
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, Failure> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|error| {
                let place = format!("{}:{}", path.display(), i + 1);
                Failure::new(6, format!("{place}: no sample of sigil-generate: {error}"))
                    .hint("use another --output")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sample: u32) -> Row {
        Row {
            id: "a".to_owned(),
            sample,
            prompt: "fn".to_owned(),
            text: "x\n\u{1b}".to_owned(),
            code: "x\n".to_owned(),
            seed: 3,
            tokens: 2,
            finish_reason: "stop".to_owned(),
            model: "m".to_owned(),
            settings: "s".to_owned(),
        }
    }

    #[test]
    fn a_line_on_a_terminal_only_shows() {
        let text = "\u{1b}[31m\u{9b}2J\u{7f}a\u{202e}é".to_owned();
        let line = Row { text: text.clone(), ..row(0) }.line();
        assert!(line.contains(r"\u001b[31m\u009b2J\u007fa\u202eé"), "{line}");
        let read: Row = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(read.text, text);
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_whole_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/samples.jsonl");
        let mut output = Output::open(&path).expect("created");
        (0..3).for_each(|i| output.append(&row(i)).expect("written"));
        drop(output);
        let bytes = std::fs::read(&path).expect("read");
        assert_eq!(bytes, (0..3).map(|i| row(i).line()).collect::<String>().into_bytes());
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).expect("cut");
            let mut output = Output::open(&path).expect("mended");
            let whole = bytes[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(output.rows.len(), whole, "cut at {length}");
            for i in whole as u32..3 {
                output.append(&row(i)).expect("written");
            }
            drop(output);
            assert_eq!(std::fs::read(&path).expect("read"), bytes, "cut at {length}");
        }
    }

    #[test]
    fn what_is_not_ours_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.jsonl");
        std::fs::write(&path, format!("{}{{\"gen\": 1}}\n", row(0).line())).expect("written");
        let told = format!("{:?}", Output::open(&path).expect_err("refused"));
        assert!(told.contains("samples.jsonl:2"), "{told}");
        std::fs::write(&path, row(0).line()).expect("written");
        let output = Output::open(&path).expect("opened");
        assert!(output.check("m", "s", 3).is_ok());
        let told = format!("{:?}", output.check("other", "s", 3).expect_err("refused"));
        assert!(told.contains("samples.jsonl:1") && told.contains("another model"), "{told}");
        assert!(output.check("m", "t", 3).is_err() && output.check("m", "s", 4).is_err());
        let told = format!("{:?}", Output::open(&path).expect_err("taken"));
        assert!(told.contains("another process"), "{told}");
    }
}
