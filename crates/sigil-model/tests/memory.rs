//! Memory while a base is quantized: read piece by piece, never held whole in 16 bits.
//!
//! A test program of its own, because it reads this process's anonymous memory.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use sigil_kernels::{Cpu, DType};
use sigil_model::{
    LoadOptions, Mode,
    load::{Source, load},
};
use sigil_weights::{DecoderConfig, FourBit, WeightFiles, nf4::stored_bytes};

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 2048, "hidden_size": 1024,
    "intermediate_size": 2816, "num_hidden_layers": 12, "num_attention_heads": 16,
    "num_key_value_heads": 16, "tie_word_embeddings": true}"#;

/// Writes the base in bf16, a shard for each layer, in small pieces: memory that the allocator keeps
/// from here would hide what loading takes.
fn write_base(folder: &Path, config: &DecoderConfig) {
    let hidden = config.hidden_size;
    let mut index = BTreeMap::new();
    for layer in 0..=config.num_layers {
        let prefix = format!("model.layers.{layer}.");
        let mut tensors: Vec<(String, Vec<usize>)> = config
            .linear_modules()
            .iter()
            .filter(|module| module.name.starts_with(&prefix))
            .map(|m| (format!("{}.weight", m.name), vec![m.out_features, m.in_features]))
            .collect();
        if layer == config.num_layers {
            tensors.push(("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden]));
            tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
        } else {
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                tensors.push((format!("{prefix}{norm}.weight"), vec![hidden]));
            }
        }
        let shard = format!("model-{layer:05}.safetensors");
        write_shard(&folder.join(&shard), &tensors).expect("room");
        for (name, _) in tensors {
            index.insert(name, shard.clone());
        }
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": index});
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).expect("room");
}

/// Writes one safetensors file of small numbers of both signs: bf16 0x3cXX and 0xbcXX.
fn write_shard(path: &Path, tensors: &[(String, Vec<usize>)]) -> std::io::Result<()> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({
            "dtype": "BF16", "shape": shape, "data_offsets": [begin, end],
        });
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::Value::from(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let sign = |i: usize| if i.is_multiple_of(3) { 0xbc } else { 0x3c };
    let piece: Vec<u8> = (0..8192).flat_map(|i| [(i % 251) as u8, sign(i)]).collect();
    let mut file = fs::File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    while end > 0 {
        let now = end.min(piece.len());
        file.write_all(&piece[..now])?;
        end -= now;
    }
    Ok(())
}

/// Anonymous resident memory of this process, in bytes.
fn anonymous_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux 4.5");
    let kibibytes = line.split_whitespace().nth(1).expect("a number");
    kibibytes.parse::<u64>().expect("a number") * 1024
}

#[test]
fn quantizing_needs_the_quantized_model_and_two_tensors() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("c")).expect("good");
    write_base(folder.path(), &config);
    let modules = config.linear_modules();
    let elements = |m: &sigil_weights::config::LinearModule| m.in_features * m.out_features;
    let quantized: usize = modules.iter().map(|m| stored_bytes(elements(m), true)).sum();
    let embedding = config.vocab_size * config.hidden_size * 2;
    let largest = modules.iter().map(elements).max().expect("there are some") * 2;
    let unquantized = modules.iter().map(elements).sum::<usize>() * 2;

    let files = WeightFiles::open(folder.path()).expect("whole");
    let options = LoadOptions {
        mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
        adapter: None,
        max_sequence_length: 64,
        compute: DType::F32,
        seed: 0,
    };
    let before = anonymous_bytes();
    let peak = AtomicU64::new(before);
    let done = AtomicBool::new(false);
    let model = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                peak.fetch_max(anonymous_bytes(), Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let device = Default::default();
        let model = load::<Cpu>(&config, Source::Files(&files), &options, &device, &mut |_, _| {});
        done.store(true, Ordering::Release);
        model.expect("good")
    });
    let used = peak.load(Ordering::Relaxed) - before;
    let allowed = (quantized + embedding + 2 * largest) as u64;
    let held = anonymous_bytes() - before;
    assert_eq!(model.0.layers.len(), config.num_layers);
    assert!(held as usize >= quantized, "{held} bytes held, {quantized} expected: not measured");
    assert!(used <= allowed, "{used} bytes at the peak, {allowed} allowed");
    assert!(allowed < unquantized as u64, "a reader that held the whole base would pass");
}
