//! Temporary.
use sigil_data::*;
use std::sync::Arc;
use std::time::Instant;
fn main() {
    let t = Instant::now();
    let mut ledger = Ledger::new();
    let settings = ReadSettings { cargo_home: Some("/root/.cargo".into()), max_chars: 60_000, paths: PathRules { exclude_tests: true, exclude_examples: true, exclude_benches: true }, ..ReadSettings::new("/work/main") };
    let rows = read_sources(&["registry:Cargo.lock".into()], &settings, &mut ledger).unwrap();
    let bytes: usize = rows.iter().map(|r| r.text.len()).sum();
    eprintln!("read {} rows {} MB {:?}", rows.len(), bytes / 1_000_000, t.elapsed());
    let t = Instant::now();
    let rows = remove_duplicates(rows, true, &mut ledger);
    eprintln!("dedup {} rows {:?}", rows.len(), t.elapsed());
    let t = Instant::now();
    let split = split_rows(rows, &HeldOut { fraction: 0.05, seed: 1, ..Default::default() }).unwrap();
    let train = remove_near_held_out(split.train, &split.evaluation, &mut ledger);
    eprintln!("split {} {} {:?}", train.len(), split.evaluation.len(), t.elapsed());
    let tok = Tokenizer::load(std::path::Path::new(&std::env::args().nth(1).unwrap())).unwrap();
    let cache = TokenCache { folder: "/tmp/sigil-data-cache".into(), place_file: &|p, b| std::fs::write(p, b) };
    for _ in 0..2 {
        let t = Instant::now();
        let (docs, outcome) = tokenize_cached(&train, &tok, &DocumentSettings::new(512), &cache, &mut ledger).unwrap();
        eprintln!("tokens {} docs {} {outcome:?} {:?}", docs.token_count(), docs.len(), t.elapsed());
        let t = Instant::now();
        let docs = Arc::new(docs);
        let mut s = BatchStream::new(docs.clone(), BatchPlan { micro_batch_size: 4, accumulation: 1, max_seq_len: 512, packing: true, shuffle: true, seed: 1 }).unwrap();
        let n = s.steps_per_epoch();
        eprintln!("steps {n} fill {:.4} {:?}", docs.token_count() as f64 / (n * 4 * 512) as f64, t.elapsed());
        let t = Instant::now();
        let mut k = 0; for _ in 0..n { k += s.next_step()[0].token_count(); }
        eprintln!("streamed {k} {:?}", t.elapsed());
    }
    eprintln!("{ledger}");
}
