//! Files of a run folder that another program may have damaged: manifests and metrics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_run::{Manifest, MetricsFile};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_bytes(), bytes, "a manifest has one spelling");
    }
    let metrics = MetricsFile::parse(bytes);
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').count();
    assert_eq!(metrics.rows.len() + metrics.bad_lines.len(), lines);
});
