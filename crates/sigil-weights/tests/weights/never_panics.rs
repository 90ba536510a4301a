//! Noise and mutated real files: every parser answers with a value or an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sigil_weights::peft::resolve_targets;
use sigil_weights::tensor_files::{TensorToWrite, write_safetensors};
use sigil_weights::{Adapter, AdapterConfig, DecoderConfig, Dtype, GenerationConfig, WeightFiles};

const CONFIG: &str = r#"{"model_type": "phi3", "vocab_size": 64, "hidden_size": 32,
    "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "sliding_window": 7, "eos_token_id": [1, 2],
    "rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2]},
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}}"#;

const ADAPTER: &str = r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
    "rank_pattern": {"a.*b": 2}, "layers_to_transform": [0, 1], "layers_pattern": "layers"}"#;

/// Overwrites some bytes, cuts the end off.
fn mutated(text: &[u8], changes: &[(u16, u8)], keep: u16) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for (at, byte) in changes {
        let len = bytes.len();
        bytes[usize::from(*at) % len] = *byte;
    }
    bytes.truncate(bytes.len() - usize::from(keep) % (bytes.len() / 8 + 1));
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(u16, u8)>> {
    // Digits, signs and punctuation of JSON hit more branches than arbitrary bytes.
    let byte = prop_oneof![Just(b'9'), Just(b'-'), Just(b'0'), Just(b'.'), Just(b'"'), any::<u8>()];
    proptest::collection::vec((any::<u16>(), byte), 0..4)
}

fn config(bytes: &[u8]) {
    if let Ok(config) = DecoderConfig::parse(bytes, Path::new("c")) {
        for max_len in [1, 5000] {
            let frequencies = config.rope.frequencies(config.head_dim, max_len);
            assert_eq!(frequencies.inv_freq.len() * 2, frequencies.rotary_dim);
        }
        let written = config.to_json().expect("what was read can be written");
        DecoderConfig::parse(written.as_bytes(), Path::new("c")).map_or_else(
            |error| assert!(config.quantization.is_some(), "what was written can be read: {error}"),
            |mut again| {
                again.quantization.clone_from(&config.quantization);
                assert_eq!(again, config);
            },
        );
    }
    drop(GenerationConfig::parse(bytes, Path::new("g")));
}

fn adapter(bytes: &[u8]) {
    if let Ok(config) = AdapterConfig::parse(bytes, Path::new("a")) {
        drop(resolve_targets(&config, &["model.layers.0.self_attn.q_proj"]));
        let written = config.to_json();
        let again = AdapterConfig::parse(written.as_bytes(), Path::new("a"));
        assert_eq!(again.expect("what was written can be read"), config);
    }
}

/// A small file as bitsandbytes saves one weight.
fn quantized_file() -> Vec<u8> {
    let state = br#"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [2, 64],
        "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5}"#;
    let bytes = |name: &str, shape: &[usize], bytes: &[u8]| TensorToWrite {
        name: format!("m.weight{name}"),
        dtype: Dtype::U8,
        shape: shape.to_vec(),
        bytes: bytes.to_vec().into(),
    };
    let tensors = [
        bytes("", &[64, 1], &[0x77; 64]),
        bytes(".absmax", &[2], &[3, 4]),
        bytes(".quant_state.bitsandbytes__nf4", &[state.len()], state),
        TensorToWrite::f32("m.weight.quant_map", &[16], &[0.5; 16]),
        TensorToWrite::f32("m.weight.nested_absmax", &[1], &[2.0]),
        TensorToWrite::f32("m.weight.nested_quant_map", &[256], &[0.25; 256]),
    ];
    write_safetensors(&tensors, &BTreeMap::new()).expect("consistent")
}

fn read_all(folder: &Path) {
    let Ok(files) = WeightFiles::open(folder) else { return };
    for name in files.names() {
        drop(files.read_f32(name));
        drop(files.read_bf16(name));
        files.release(name);
    }
    if let Ok(Some(matrix)) = files.quantized("m") {
        assert_eq!(matrix.dequantize().len(), matrix.len());
    }
}

#[test]
fn the_unmutated_files_are_good() {
    DecoderConfig::parse(CONFIG.as_bytes(), Path::new("c")).expect("good");
    AdapterConfig::parse(ADAPTER.as_bytes(), Path::new("a")).expect("good");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("model.safetensors"), quantized_file()).expect("room");
    let files = WeightFiles::open(folder.path()).expect("good");
    let matrix = files.quantized("m").expect("good").expect("quantized");
    // Every value is 0.5 * (0.25 * 2.0 + 0.5).
    assert_eq!(matrix.dequantize(), [0.5; 128]);
}

proptest! {
    #[test]
    fn on_noise(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        config(&bytes);
        adapter(&bytes);
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("model.safetensors"), &bytes).expect("room");
        read_all(folder.path());
        fs::write(folder.path().join("model.safetensors.index.json"), &bytes).expect("room");
        read_all(folder.path());
    }

    #[test]
    fn on_mutated_configs(changes in changes(), keep in any::<u16>(), cut in any::<bool>()) {
        let keep = if cut { keep } else { 0 };
        config(&mutated(CONFIG.as_bytes(), &changes, keep));
        adapter(&mutated(ADAPTER.as_bytes(), &changes, keep));
    }

    #[test]
    fn on_mutated_weight_files(changes in changes(), keep in any::<u16>(), cut in any::<bool>()) {
        let keep = if cut { keep } else { 0 };
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = mutated(&quantized_file(), &changes, keep);
        fs::write(folder.path().join("model.safetensors"), bytes).expect("room");
        read_all(folder.path());
    }

    #[test]
    fn on_mutated_adapter_folders(changes in changes(), index in changes()) {
        let folder = tempfile::tempdir().expect("a folder");
        let a = [0.5; 4];
        let name = |ending: &str| format!("base_model.model.model.layers.0.q_proj.lora_{ending}.weight");
        let tensors = [
            TensorToWrite::f32(name("A"), &[4, 1], &a),
            TensorToWrite::f32(name("B"), &[1, 4], &a),
        ];
        let bytes = write_safetensors(&tensors, &BTreeMap::new()).expect("consistent");
        fs::write(folder.path().join("adapter_config.json"), ADAPTER).expect("room");
        let file = folder.path().join("adapter_model.safetensors");
        fs::write(&file, mutated(&bytes, &changes, 0)).expect("room");
        drop(Adapter::read(folder.path()));

        let text = br#"{"weight_map": {"a": "adapter_model.safetensors"}}"#;
        let index = mutated(text, &index, 0);
        fs::write(folder.path().join("model.safetensors.index.json"), index).expect("room");
        read_all(folder.path());
    }
}
