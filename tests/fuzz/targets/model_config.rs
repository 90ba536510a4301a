//! `config.json` and `generation_config.json` of a model folder.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sigil_weights::{DecoderConfig, GenerationConfig};

fuzz_target!(|bytes: &[u8]| {
    drop(GenerationConfig::parse(bytes, Path::new("generation_config.json")));
    if let Ok(config) = DecoderConfig::parse(bytes, Path::new("config.json")) {
        // A head of billions of features is refused with the weights, not here.
        if config.head_dim <= 1024 {
            let frequencies = config.rope.frequencies(config.head_dim, 64);
            assert_eq!(frequencies.inv_freq.len() * 2, frequencies.rotary_dim);
        }
        config.to_json().expect("what was read can be written");
    }
});
