//! The token cache: reuse, rebuild after damage, and what makes a new file.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sigil_data::{
    CacheOutcome, DocumentSet, DocumentSettings, Ledger, Origin, Row, TokenCache, tokenize_cached,
};
use tempfile::TempDir;

use crate::fixture::{rust_texts, tokenizer};

fn rows() -> Vec<Row> {
    let row = |(index, text)| {
        Row::plain(text, Origin::new("test", format!("file-{index}.rs"), 0), "group")
    };
    rust_texts(12).into_iter().enumerate().map(row).collect()
}

struct Run {
    documents: DocumentSet,
    outcome: CacheOutcome,
    ledger: Ledger,
    placed: Vec<PathBuf>,
}

fn run(folder: &TempDir, rows: &[Row], max_seq_len: usize) -> Run {
    run_with(folder, rows, max_seq_len, &|path, bytes| fs::write(path, bytes))
}

fn run_with(
    folder: &TempDir,
    rows: &[Row],
    max_seq_len: usize,
    write: &dyn Fn(&Path, &[u8]) -> io::Result<()>,
) -> Run {
    let placed = RefCell::new(Vec::new());
    let place_file = |path: &Path, bytes: &[u8]| {
        placed.borrow_mut().push(path.to_owned());
        write(path, bytes)
    };
    let cache = TokenCache { folder: folder.path().join("tokens"), place_file: &place_file };
    let mut ledger = Ledger::new();
    let settings = DocumentSettings::new(max_seq_len);
    let (documents, outcome) =
        tokenize_cached(rows, &tokenizer(), &settings, &cache, &mut ledger).expect("rows encode");
    Run { documents, outcome, ledger, placed: placed.take() }
}

#[test]
fn the_second_load_reads_what_the_first_wrote() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let first = run(&folder, &rows(), 64);
    let second = run(&folder, &rows(), 64);
    assert_eq!((first.outcome, second.outcome), (CacheOutcome::Built, CacheOutcome::Reused));
    assert_eq!(first.documents, second.documents);
    assert_eq!(first.documents.digest(), second.documents.digest());
    assert_eq!(first.ledger, second.ledger, "the account is the same from the cache");
    assert!(second.placed.is_empty());
}

#[test]
fn other_rows_and_settings_have_other_files() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut weighted = rows();
    weighted[3].weight = 2.0;
    let mut reordered = rows();
    reordered.swap(0, 1);
    for rows in [&rows()[..], &rows()[1..], &weighted, &reordered] {
        assert_eq!(run(&folder, rows, 64).outcome, CacheOutcome::Built);
    }
    assert_eq!(run(&folder, &rows(), 65).outcome, CacheOutcome::Built);
}

#[test]
fn a_damaged_file_is_rebuilt_with_a_note() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let first = run(&folder, &rows(), 64);
    let path = &first.placed[0];
    let good = fs::read(path).expect("the cache file is there");
    for damaged in [&good[..good.len() / 2], &[][..], &[0; 4096]] {
        fs::write(path, damaged).expect("the file can be overwritten");
        let again = run(&folder, &rows(), 64);
        assert_eq!(again.outcome, CacheOutcome::Rebuilt);
        assert_eq!(again.documents, first.documents);
        assert!(again.ledger.notes()[0].contains("was rebuilt"), "{:?}", again.ledger.notes());
        assert_eq!(fs::read(path).expect("the file was replaced"), good);
    }
}

#[test]
fn a_full_disk_is_a_note_and_not_a_failure() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let full = |_: &Path, _: &[u8]| Err(io::Error::from(io::ErrorKind::StorageFull));
    let run = run_with(&folder, &rows(), 64, &full);
    assert_eq!(run.outcome, CacheOutcome::Built);
    assert!(run.ledger.notes()[0].contains("was not written"), "{:?}", run.ledger.notes());
}
