//! `adapter_config.json` of a PEFT folder.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sigil_weights::{AdapterConfig, peft::resolve_targets};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = AdapterConfig::parse(bytes, Path::new("adapter_config.json")) {
        drop(resolve_targets(&config, &["model.layers.0.self_attn.q_proj"]));
        let again = AdapterConfig::parse(config.to_json().as_bytes(), Path::new("again"));
        assert_eq!(again.expect("what was written can be read"), config);
    }
});
