//! From the committed list to cleaned texts: opens every crate, cleans, drops copies, shuffles.
//!
//! The result depends on the list, the benchmarks and the crates to keep away from, and on nothing
//! else: crates are taken in the list's order and files in path order, then shuffled with a seed.
//! Not here: the tokenizer and the ids. Next: `clean.rs`.

use std::path::Path;

use rayon::prelude::*;

use super::archive;
use super::benchmarks::Benchmarks;
use super::clean::clean;
use super::corpus_list::Listed;
use super::duplicates::Seen;
use super::error::Error;
use super::fetch::Downloads;
use super::ledger::Ledger;
use super::lock::Locked;
use super::shuffle::shuffle;
use super::texts::Text;

const SHUFFLE_SEED: u64 = 20_260_101;
/// No crate gives more than this, so that none sets the tone.
const CRATE_LIMIT_BYTES: usize = 2_500_000;
/// One crate in this many is held out.
const HELD_OUT_ONE_IN: u8 = 32;
/// Crates opened at a time, to bound the memory.
const CRATES_AT_ONCE: usize = 32;

/// The cleaned corpus.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// In the order of training.
    pub(super) train: Vec<Text>,
    /// From crates that are not in `train`, in the list's order.
    pub(super) held_out: Vec<Text>,
    pub(super) ledger: Ledger,
}

/// Crates that the corpus is kept away from: those the quickstart trains and evaluates on.
#[derive(Debug)]
pub(super) struct Avoid {
    pub(super) locked: Vec<Locked>,
    pub(super) downloads: Downloads,
}

/// Tells whether a crate is held out: by its name alone, so that a longer list moves no crate.
fn is_held_out(name: &str) -> bool {
    blake3::hash(name.as_bytes()).as_bytes()[0].is_multiple_of(HELD_OUT_ONE_IN)
}

/// One crate's files: the text or the reason why it is left out, each with its size as found.
struct Opened {
    files: Vec<(String, usize, Result<String, &'static str>)>,
}

fn open(path: &Path, sha256: &str, benchmarks: &Benchmarks) -> Result<Opened, Error> {
    let files = archive::open(path, sha256)?.sources.into_iter().map(|source| {
        let size = source.bytes.as_ref().map_or(archive::FILE_LIMIT_BYTES as usize, Vec::len);
        let cleaned = clean(&source).and_then(|text| {
            if benchmarks.touch(&text) { Err("touches a benchmark") } else { Ok(text) }
        });
        (source.path, size, cleaned)
    });
    Ok(Opened { files: files.collect() })
}

/// Leaves out files of a crate over the limit, chosen by the hash of their path.
fn limit(opened: &mut Opened) {
    let mut order: Vec<usize> =
        (0..opened.files.len()).filter(|&i| opened.files[i].2.is_ok()).collect();
    order.sort_by_key(|&i| *blake3::hash(opened.files[i].0.as_bytes()).as_bytes());
    let mut taken = 0;
    for index in order {
        let cleaned = &mut opened.files[index].2;
        let size = cleaned.as_ref().map_or(0, String::len);
        if taken + size > CRATE_LIMIT_BYTES {
            *cleaned = Err("crate over its share");
        } else {
            taken += size;
        }
    }
}

/// Prepares the texts of the listed crates, away from the lines of the crates in `avoid`.
///
/// # Errors
/// A listed crate that is not there, is damaged or is not the pinned one.
pub(super) fn prepare(
    listed: &[Listed],
    downloads: &Downloads,
    avoid: Option<&Avoid>,
    benchmarks: &Benchmarks,
) -> Result<Prepared, Error> {
    let mut prepared = Prepared::default();
    let mut seen = Seen::default();
    if let Some(avoid) = avoid {
        prepared.ledger.avoided_crates = keep_away(&mut seen, avoid)?;
    }
    for chunk in listed.chunks(CRATES_AT_ONCE) {
        let opened: Vec<Result<Opened, Error>> = chunk
            .par_iter()
            .map(|entry| {
                let path = downloads.require(&entry.name, &entry.version)?;
                let mut opened = open(&path, &entry.sha256, benchmarks)?;
                limit(&mut opened);
                Ok(opened)
            })
            .collect();
        for (entry, opened) in chunk.iter().zip(opened) {
            prepared.take(entry, opened?, &mut seen);
        }
    }
    shuffle(&mut prepared.train, SHUFFLE_SEED);
    Ok(prepared)
}

impl Prepared {
    fn take(&mut self, entry: &Listed, opened: Opened, seen: &mut Seen) {
        let held_out = is_held_out(&entry.name);
        self.ledger.crates += 1;
        for (path, size, cleaned) in opened.files {
            let taken = cleaned.and_then(|text| seen.take(&text).map(|()| text));
            match taken {
                Err(reason) => self.ledger.leave_out(reason, size),
                Ok(text) => {
                    self.ledger.take(&entry.licence, held_out, text.len());
                    let text = Text {
                        package: format!("{}-{}", entry.name, entry.version),
                        path,
                        licence: entry.licence.clone(),
                        text,
                    };
                    if held_out { self.held_out.push(text) } else { self.train.push(text) }
                }
            }
        }
    }
}

/// Makes the lines of crates count as seen, as far as they are on this machine.
fn keep_away(seen: &mut Seen, avoid: &Avoid) -> Result<usize, Error> {
    let mut crates = 0;
    for package in &avoid.locked {
        let Some(path) = avoid.downloads.find(&package.name, &package.version) else { continue };
        for source in archive::open(&path, &package.sha256)?.sources {
            if let Ok(text) = clean(&source) {
                seen.avoid(&text);
            }
        }
        crates += 1;
    }
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::{pack, sha256};
    use super::*;

    /// A file of ordinary lines about `subject`.
    fn source(subject: &str) -> String {
        let words = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];
        let function = |word: &&str| {
            format!(
                "/// Returns the {word} {subject}.\npub fn {word}_{subject}() -> String {{\n    String::from(\"the {word} {subject} of all\")\n}}\n"
            )
        };
        words.iter().map(function).collect()
    }

    fn publish(home: &Path, name: &str, files: &[(&str, &str)]) -> (Listed, Locked) {
        let folder = home.join("registry/cache/index");
        std::fs::create_dir_all(&folder).expect("the folder is writable");
        let paths: Vec<String> =
            files.iter().map(|(path, _)| format!("{name}-1.0.0/{path}")).collect();
        let manifest = format!("{name}-1.0.0/Cargo.toml");
        let mut entries: Vec<(&str, &[u8])> = vec![(&manifest, b"[package]\nlicense = \"MIT\"")];
        entries.extend(paths.iter().zip(files).map(|(p, (_, text))| (p.as_str(), text.as_bytes())));
        let packed = pack(&entries);
        std::fs::write(folder.join(format!("{name}-1.0.0.crate")), &packed)
            .expect("the folder is writable");
        let (name, version, sha256) = (name.to_owned(), "1.0.0".to_owned(), sha256(&packed));
        let locked =
            Locked { name: name.clone(), version: version.clone(), sha256: sha256.clone() };
        (Listed { name, version, sha256, licence: "MIT".to_owned() }, locked)
    }

    #[test]
    fn copies_and_crates_to_avoid_are_left_out_and_crates_are_not_split() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let apple = source("apple");
        let (own, avoided) = (folder.path().join("own"), folder.path().join("avoided"));
        let (_, locked) = publish(&avoided, "fork-of", &[("src/lib.rs", &source("quince"))]);
        let mut listed = Vec::new();
        for index in 0..64 {
            let name = format!("crate-{index:02}");
            let (pear, plum) = (source(&format!("pear{index}")), source(&format!("plum{index}")));
            let mut files = vec![("src/pear.rs", pear.as_str()), ("src/plum.rs", plum.as_str())];
            if index == 1 || index == 2 {
                files.push(("src/apple.rs", apple.as_str()));
            }
            let quince = source("quince");
            if index == 3 {
                files.push(("src/quince.rs", quince.as_str()));
            }
            listed.push(publish(&own, &name, &files).0);
        }
        let downloads = Downloads::under(&own).expect("a cargo home");
        let avoid = Avoid {
            locked: vec![locked],
            downloads: Downloads::under(&avoided).expect("a cargo home"),
        };
        let run = || {
            prepare(&listed, &downloads, Some(&avoid), &Benchmarks::default())
                .expect("whole crates")
        };
        let prepared = run();
        assert_eq!(prepared.ledger.avoided_crates, 1);
        assert_eq!(prepared.train.len() + prepared.held_out.len(), 64 * 2 + 1);
        let left_out = &prepared.ledger.left_out;
        assert_eq!(left_out["same text as another"].files, 1);
        assert_eq!(left_out["mostly lines of others"].files, 1);
        assert!(!prepared.held_out.is_empty());
        for text in &prepared.held_out {
            assert!(prepared.train.iter().all(|other| other.package != text.package));
        }
        assert_eq!(run().train, prepared.train);
    }

    #[test]
    fn a_crate_over_its_share_keeps_most_of_it() {
        let file = "a".repeat(400_000);
        let files = (0..10).map(|i| (format!("src/{i}.rs"), file.len(), Ok(file.clone())));
        let mut opened = Opened { files: files.collect() };
        limit(&mut opened);
        assert_eq!(opened.files.iter().filter(|(_, _, cleaned)| cleaned.is_ok()).count(), 6);
    }
}
