//! `export`: GGUF files of every family, read back tensor by tensor.

use std::path::Path;

use serde_json::{Value as Json, json};
use sigil_adapter::gguf::{GgufFile, Value};
use sigil_weights::{DecoderConfig, WeightFiles};

use crate::program::{FAMILIES, Workplace, fixture, text};

/// A copy of a family's base with a small tokenizer, since the fixtures have none.
fn base_with_tokenizer(place: &Workplace, family: &str) -> String {
    let folder = place.path().join(format!("{family}-base"));
    std::fs::create_dir(&folder).expect("made");
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture(family, "base").join(name), folder.join(name)).expect("copied");
    }
    let config = DecoderConfig::read(&folder).expect("it reads");
    let is_old = matches!(family, "llama2" | "mistral" | "phi3");
    let tokens: serde_json::Map<String, Json> =
        (0..config.vocab_size - 2).map(|id| (format!("t{id}"), json!(id))).collect();
    let end = config.vocab_size - 2;
    let pre = json!({"type": "ByteLevel", "use_regex": true});
    let tokenizer = json!({
        "added_tokens": [{"id": end, "content": "</s>", "special": true}],
        "pre_tokenizer": if is_old { Json::Null } else { pre },
        "normalizer": {"type": "Prepend", "prepend": "\u{2581}"},
        "model": {"type": "BPE", "byte_fallback": is_old, "vocab": tokens, "merges": ["t1 t2"]},
    });
    let settings = json!({"eos_token": "</s>", "add_bos_token": false, "chat_template": "{{ x }}"});
    for (name, value) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", settings)] {
        std::fs::write(folder.join(name), value.to_string()).expect("written");
    }
    text(&folder)
}

fn open(path: &Path) -> GgufFile {
    GgufFile::open(path).expect("it is whole")
}

#[test]
fn every_family_is_written_and_read_back() {
    let place = Workplace::new();
    for family in FAMILIES {
        let base = base_with_tokenizer(&place, family);
        let adapter = text(&fixture(family, "adapter_after_30_steps"));
        let merged = format!("{family}-merged");
        place.well(&[
            "merge",
            &adapter,
            "--base",
            &base,
            "--output",
            &merged,
            "--dtype",
            "float32",
            "--no-verify",
        ]);
        let weights = WeightFiles::open(&place.path().join(&merged)).expect("it opens");
        let config = DecoderConfig::read(Path::new(&base)).expect("it reads");
        for (kind, largest) in [("f32", 0.0), ("bf16", 4e-3), ("f16", 5e-4), ("q8_0", 1e-2)] {
            let file = format!("{family}-{kind}.gguf");
            place.well(&["export", &adapter, "--base", &base, "--output", &file, "--type", kind]);
            let gguf = open(&place.path().join(&file));
            let arch = match family {
                "llama2" | "llama3" | "mistral" => "llama",
                other => other,
            };
            assert_eq!(gguf.metadata()["general.architecture"].as_text(), Some(arch));
            let layers = Value::U32(config.num_layers as u32);
            assert_eq!(gguf.metadata()[&format!("{arch}.block_count")], layers);
            assert_eq!(gguf.metadata()["tokenizer.chat_template"].as_text(), Some("{{ x }}"));
            let eos = Value::U32(config.vocab_size as u32 - 2);
            assert_eq!(gguf.metadata()["tokenizer.ggml.eos_token_id"], eos);
            let Value::Texts(tokens) = &gguf.metadata()["tokenizer.ggml.tokens"] else {
                panic!("tokens are texts");
            };
            assert_eq!(tokens.len(), config.vocab_size);
            // The down projection keeps its rows in every family.
            let (name, there) = ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight");
            let (wanted, found) =
                (weights.read_f32(name).expect("there"), gguf.values(there).expect("there"));
            let most = wanted.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (wanted, found) in wanted.iter().zip(&found) {
                let off = f64::from((wanted - found).abs() / most);
                assert!(off <= largest, "{family} {kind}: {wanted} {found}");
            }
            let factors = gguf.tensors().iter().any(|tensor| tensor.name == "rope_freqs.weight");
            assert_eq!(factors, family == "llama3", "{family}");
        }
    }
}

#[test]
fn rows_of_queries_change_places_where_llama_cpp_rotates_pairs() {
    let place = Workplace::new();
    for (family, changes) in [("llama2", true), ("mistral", true), ("qwen2", false)] {
        let base = base_with_tokenizer(&place, family);
        let file = format!("{family}.gguf");
        place.well(&["export", &base, "--output", &file, "--type", "f32"]);
        let config = DecoderConfig::read(Path::new(&base)).expect("it reads");
        let weights = WeightFiles::open(Path::new(&base)).expect("it opens");
        let wanted = weights.read_f32("model.layers.1.self_attn.q_proj.weight").expect("there");
        let found = open(&place.path().join(&file)).values("blk.1.attn_q.weight").expect("there");
        assert_eq!(wanted == found, !changes, "{family}");
        if changes {
            let (width, half) = (config.hidden_size, config.head_dim / 2);
            for row in 0..config.num_heads * config.head_dim {
                let (head, within) = (row / config.head_dim, row % config.head_dim);
                let from = head * config.head_dim + (within % 2) * half + within / 2;
                let (a, b) = (row * width, from * width);
                assert_eq!(found[a..a + width], wanted[b..b + width], "{family} row {row}");
            }
        }
    }
}

#[test]
fn what_llama_cpp_would_read_otherwise_is_refused() {
    let place = Workplace::new();
    let base = base_with_tokenizer(&place, "llama3");
    let path = Path::new(&base).join("tokenizer.json");
    let tokenizer = std::fs::read_to_string(&path).expect("there");
    let other = tokenizer.replace("\"type\":\"ByteLevel\"", "\"type\":\"Whitespace\"");
    assert_ne!(other, tokenizer);
    std::fs::write(&path, other).expect("written");
    let (_, err, code) = place.run(&["export", &base, "--output", "x.gguf"]);
    assert!(code == Some(5) && err.contains("--pre"), "{err}");
    assert!(!place.path().join("x.gguf").exists());
    place.well(&["export", &base, "--output", "x.gguf", "--pre", "gpt-2"]);
    let found = place.well(&["inspect", "x.gguf"]);
    assert!(found.contains("tokenizer.ggml.pre") && found.contains("gpt-2"), "{found}");
    let (_, err, code) =
        place.run(&["export", &text(&fixture("llama3", "base")), "--output", "y.gguf"]);
    assert!(code == Some(5) && err.contains("tokenizer.json"), "{err}");
}
