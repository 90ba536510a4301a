//! A safetensors file, alone and as a shard of an index; 4-bit weights inside it.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use sigil_weights::WeightFiles;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("model.safetensors"), bytes).expect("room for a small file");
    if bytes.first() == Some(&b'{') {
        let index = folder.path().join("model.safetensors.index.json");
        fs::write(index, bytes).expect("room for a small file");
    }
    let Ok(files) = WeightFiles::open(folder.path()) else { return };
    for name in files.names() {
        drop(files.read_f32(name));
        drop(files.read_bf16(name));
        files.release(name);
    }
    if let Ok(Some(matrix)) = files.quantized("m") {
        assert_eq!(matrix.dequantize().len(), matrix.len());
    }
});
