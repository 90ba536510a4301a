//! The table of settings in docs/guides/migrating.md is what the loader does with each old key.
//!
//! `UPDATE_EXPECT=1 cargo test -p sigil-config` rewrites it after a change of the mapping.

use std::fmt::Write as _;
use std::path::Path;

use sigil_config::{Layers, NoteKind, Settings};

const PAGE: &str = "docs/guides/migrating.md";
const BEGIN: &str = "<!-- begin: settings -->\n";
const END: &str = "<!-- end: settings -->";

/// Every key of the predecessor's schema and those that its programs read besides: the key, its default
/// there, and a value that the schema takes, with what the rules want beside it.
const KEYS: &[(&str, &str, &str)] = &[
    ("model_name", "has to be set", "a/b"),
    ("max_seq_len", "4096", "4096"),
    ("pack", "true", "true"),
    ("dataset_name", "not set", "a/b"),
    ("dataset.names", "[\"ammarnasr/the-stack-rust-clean\"]", "[a/b]"),
    ("dataset.use_cache", "true", "true"),
    ("dataset.min_length", "64", "64"),
    ("dataset.max_length", "200000", "200000"),
    ("dataset.exclude_tests", "true", "true"),
    ("dataset.exclude_examples", "false", "false"),
    ("dataset.exclude_benches", "true", "true"),
    ("dataset.prefer_idiomatic", "false", "false"),
    ("dataset.prefer_documented", "false", "false"),
    ("dataset.idiomatic_quality_ratio", "2.0", "2.0"),
    ("dataset.shuffle_seed", "not set", "42"),
    ("dataset.interleave_mode", "\"sequential\"", "sequential"),
    ("dataset.dataset_weights", "not set", "{a/b: 1.0}, names: a/b, interleave_mode: weighted"),
    ("dataset.task_weights", "not set", "{code_generation: 2.5}"),
    ("dataset.cache_dir", "not set", "cache"),
    ("lora.r", "16", "16"),
    ("lora.alpha", "16", "16"),
    ("lora.dropout", "0.05", "0.05"),
    ("lora.target_modules", "seven projections", "'q_proj;v_proj'"),
    ("train.micro_batch_size", "8", "8"),
    ("train.gradient_accumulation", "6", "6"),
    ("train.lr", "0.0001", "1e-4"),
    ("train.weight_decay", "0.0", "0.0"),
    ("train.num_steps", "12000", "12000"),
    ("train.warmup_steps", "250", "250"),
    ("train.logging_steps", "10", "10"),
    ("train.save_every", "1000", "1000"),
    ("train.bf16", "true", "true"),
    ("train.grad_checkpointing", "true", "true"),
    ("train.max_grad_norm", "1.0", "1.0"),
    ("train.log_backend", "\"tensorboard\"", "tensorboard"),
    ("train.lr_scheduler_type", "\"cosine\"", "cosine"),
    ("train.optimizer", "\"paged_adamw_8bit\"", "paged_adamw_8bit"),
    ("train.save_total_limit", "3", "3"),
    ("train.load_best_model_at_end", "false", "false"),
    ("train.use_flash_attention", "false", "true"),
    ("train.dataloader_num_workers", "2", "48"),
    ("train.dataloader_pin_memory", "true", "true"),
    ("train.dataloader_prefetch_factor", "2", "4"),
    ("train.clear_cache_every_n_steps", "100", "500"),
    ("bnb_4bit.quant_type", "\"nf4\"", "nf4"),
    ("bnb_4bit.compute_dtype", "\"bfloat16\"", "bfloat16"),
    ("bnb_4bit.use_double_quant", "true", "true"),
    ("misc.output_dir", "\"out/llama8b-rust-qlora-phase1\"", "out/x"),
    ("misc.logging_dir", "{output_dir}/logs", "logs"),
    ("misc.seed", "42", "42"),
    ("misc.load_from", "not set", "out/a"),
    ("misc.log_file", "not set", "run.log"),
    ("misc.deterministic", "false", "false"),
    ("misc.model_card_frequency", "1", "1"),
    ("misc.sweep_metadata", "not set", "{run_id: run_001}"),
];

/// One row: what loading a file with this one key does.
fn row(key: &str, there: &str, sample: &str, defaults: &toml::Value) -> String {
    let mut file = if key == "model_name" { String::new() } else { "model_name: a/b\n".to_owned() };
    match key.split_once('.') {
        Some((section, name)) => {
            let _ = writeln!(file, "{section}: {{{name}: {sample}}}");
        }
        None => {
            let _ = writeln!(file, "{key}: {sample}");
        }
    }
    let loaded = match Layers::new().file("old.yml", file.as_str()).load() {
        Ok(loaded) => loaded,
        Err(errors) => panic!("{key} is not accepted:\n{errors}"),
    };
    let notes: Vec<_> = loaded.notes.iter().filter(|note| note.key == key).collect();
    let mut here = Vec::new();
    let mut name = key.to_owned();
    for note in &notes {
        // The name here is the second one that the sentence quotes.
        let quoted: Vec<&str> = note.message.split('`').skip(1).step_by(2).collect();
        match note.kind {
            NoteKind::Renamed => {
                name = quoted[1].split(" = ").next().unwrap_or(quoted[1]).to_owned();
                here.push(format!("`{}`", quoted[1]));
            }
            NoteKind::Mapped => here.push(format!("`{}` for `{sample}`", quoted[1])),
            NoteKind::NoMeaning => {
                name.clear();
                here.push(note.message.split_once(" here: ").map_or("", |(_, why)| why).to_owned());
            }
            kind => panic!("{key}: {kind:?}"),
        }
    }
    if !notes.iter().any(|note| note.kind != NoteKind::Mapped) {
        here.insert(0, "the same".to_owned());
    }
    let mut at = Some(defaults);
    for part in name.split('.') {
        at = at.and_then(|table| table.get(part));
    }
    let default = match at {
        _ if name.is_empty() => "–".to_owned(),
        Some(_) if name == "model.name" => "has to be set".to_owned(),
        Some(value) if name == "lora.target_modules" => {
            assert_eq!(value.as_array().map(Vec::len), Some(7));
            "the same seven".to_owned()
        }
        Some(value) => format!("`{value}`"),
        None => "not set".to_owned(),
    };
    let there = match there {
        words if words.starts_with("not ") || words.contains(' ') => words.to_owned(),
        value => format!("`{value}`"),
    };
    format!("| `{key}` | {there} | {} | {default} |\n", here.join(", "))
}

#[test]
fn the_committed_table_is_what_the_loader_does() {
    let defaults = toml::Value::try_from(Settings::default()).expect("settings are TOML");
    let mut table = "| key there | default | here | default |\n|---|---|---|---|\n".to_owned();
    for (key, there, sample) in KEYS {
        table += &row(key, there, sample, &defaults);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the guide is part of the repository");
    let (before, rest) = page.split_once(BEGIN).expect("the mark is there");
    let (_, after) = rest.split_once(END).expect("the mark is there");
    let wanted = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &wanted).expect("written");
    } else {
        assert_eq!(page, wanted, "run `UPDATE_EXPECT=1 cargo test -p sigil-config`");
    }
}

#[test]
fn every_key_of_the_predecessors_own_files_is_in_the_table() {
    for file in ["llama8b-phase1.yml", "llama8b-phase2.yml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/predecessor-configs")
            .join(file);
        let text = std::fs::read_to_string(path).expect("the fixture is part of the repository");
        let mut section = String::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', '-'])) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let is_inside = name.starts_with(' ');
            let value = value.split('#').next().unwrap_or_default().trim();
            if !is_inside && value.is_empty() {
                section = name.to_owned();
                continue;
            }
            let key =
                if is_inside { format!("{section}.{}", name.trim()) } else { name.to_owned() };
            // A list under a key is no section.
            assert!(KEYS.iter().any(|(known, ..)| *known == key), "{file}: {key}");
        }
    }
}
