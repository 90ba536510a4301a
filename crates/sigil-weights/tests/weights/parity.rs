//! What transformers, PEFT and bitsandbytes wrote, against what this crate reads and computes.
//!
//! The fixtures are in `tests/fixtures/parity`; `SIGIL_PARITY_DIR` points at another folder laid
//! out in the same way. Model arithmetic is tested elsewhere.

use std::path::{Path, PathBuf};

use half::bf16;
use sigil_weights::nf4::dynamic_map;
use sigil_weights::{
    Adapter, AdapterConfig, DecoderConfig, FourBit, GenerationConfig, QuantizedMatrix, Scales,
    WeightFiles,
};

fn parity() -> PathBuf {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/parity");
    std::env::var_os("SIGIL_PARITY_DIR").map_or_else(|| own.into(), PathBuf::from)
}

fn families() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(parity()).expect("the fixtures are there");
    let mut folders: Vec<PathBuf> =
        folders.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 6, "all families are there: {folders:?}");
    folders
}

fn open(path: &Path) -> WeightFiles {
    WeightFiles::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn ulps(a: f32, b: f32) -> u32 {
    let ordered = |x: f32| {
        let bits = x.to_bits() as i32;
        if bits < 0 { i32::MIN - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

#[test]
fn one_weight_of_every_family_quantizes_as_bitsandbytes_does() {
    for family in families() {
        let files = open(&family.join("expected.safetensors"));
        let f32s = |name: &str| files.read_f32(&format!("nf4.linear.{name}")).expect("present");
        let u8s = |name: &str| files.get(&format!("nf4.linear.{name}")).expect("present").bytes;
        let weight = files.get("nf4.linear.weight").expect("present");
        let matrix =
            QuantizedMatrix::quantize_tensor(&weight, FourBit::Nf4, true).expect("finite weights");
        let at = family.display();

        assert_eq!(matrix.packed, u8s("packed"), "{at}: codes");
        let Scales::Nested { codes, absmax, offset, code, block_size } = &matrix.scales else {
            panic!("asked for nested scales");
        };
        assert_eq!(*block_size, 256);
        assert_eq!(codes, u8s("absmax_u8"), "{at}: 8-bit scale codes");
        assert_eq!(code.as_slice(), f32s("nested_code"), "{at}: dynamic map");
        // torch sums absmax in f32 in an order of its own; that may cost two units in the last place.
        assert!(ulps(*offset, f32s("offset")[0]) <= 2, "{at}: offset {offset}");
        for (ours, theirs) in absmax.iter().zip(f32s("nested_absmax")) {
            assert!(ulps(*ours, theirs) <= 2, "{at}: nested absmax {ours} against {theirs}");
        }

        let theirs = f32s("dequant");
        let ours = matrix.dequantize();
        assert_eq!(ours.len(), theirs.len());
        // A scale one unit off can move a value across a bf16 rounding boundary, hence one bf16 step.
        let close = |(ours, theirs): (&f32, &f32)| {
            let rounded = bf16::from_f32(*ours).to_f32();
            rounded == *theirs || (rounded - theirs).abs() <= theirs.abs() / 128.0
        };
        assert!(ours.iter().zip(&theirs).all(close), "{at}: decoded weights");
        let exact = ours.iter().zip(&theirs).filter(|(a, b)| bf16::from_f32(**a).to_f32() == **b);
        let (exact, all) = (exact.count(), theirs.len());
        assert!(exact * 1000 >= all * 999, "{at}: {exact} of {all} decoded weights are equal");
    }
}

#[test]
fn checkpoints_saved_by_bitsandbytes_hold_what_we_compute_from_the_base() {
    let folder = parity().join("llama3");
    let base = open(&folder.join("base"));
    let kinds = [
        ("bnb-nf4-nested", FourBit::Nf4, true),
        ("bnb-nf4", FourBit::Nf4, false),
        ("bnb-fp4-nested", FourBit::Fp4, true),
    ];
    for (name, kind, nested) in kinds {
        let config = DecoderConfig::read(&folder.join(name)).expect("a readable config");
        let claimed = config.quantization.clone().expect("it is quantized");
        assert_eq!((claimed.kind, claimed.double_quant), (kind, nested), "{name}");
        let files = open(&folder.join(name));
        for module in config.linear_modules() {
            let at = format!("{name} {}", module.name);
            let read = files.quantized(&module.name).expect("readable").expect("quantized");
            assert_eq!(read.shape, [module.out_features, module.in_features], "{at}");
            assert_eq!(read.code, *kind.code(), "{at}: quant_map");
            let weight = base.get(&format!("{}.weight", module.name)).expect("present");
            let ours = QuantizedMatrix::quantize_tensor(&weight, kind, nested).expect("finite");
            assert_eq!(read.packed, ours.packed, "{at}: codes");
            match (&read.scales, &ours.scales) {
                (Scales::Plain(read), Scales::Plain(ours)) => assert_eq!(read, ours, "{at}"),
                (Scales::Nested { codes: read, code, .. }, Scales::Nested { codes: ours, .. }) => {
                    assert_eq!(read, ours, "{at}: 8-bit scale codes");
                    assert_eq!(&**code, dynamic_map(), "{at}: nested_quant_map");
                }
                _ => panic!("{at}: one is nested, the other not"),
            }
            let (read, ours) = (read.dequantize(), ours.dequantize());
            let largest = ours.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let worst = read.iter().zip(&ours).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // The offset may differ by two units in the last place.
            assert!(worst <= 1e-6 * largest, "{at}: {worst}");
            files.release_quantized(&module.name);
        }
        assert!(files.quantized("lm_head").expect("readable").is_none(), "the head is left alone");
    }
}

#[test]
fn both_spellings_of_a_config_say_the_same() {
    for family in families() {
        let base = family.join("base");
        let new = DecoderConfig::read(&base).expect("the new spelling");
        let old = DecoderConfig::read(&base.join("config.legacy.json")).expect("the old spelling");
        assert_eq!(new, old, "{}", family.display());
        let written = new.to_json().expect("its own family");
        let again = DecoderConfig::parse(written.as_bytes(), Path::new("written"));
        assert_eq!(again.expect("what we write we read"), new, "{}", family.display());
        let generation = GenerationConfig::read(&base).expect("readable").expect("present");
        assert_eq!(generation.eos_token_ids, new.eos_token_ids);
    }
}

#[test]
fn every_base_holds_the_tensors_its_config_promises() {
    for family in families() {
        let config = DecoderConfig::read(&family.join("base")).expect("a readable config");
        let files = open(&family.join("base"));
        for module in config.linear_modules() {
            let weight = files.get(&format!("{}.weight", module.name)).expect("present");
            weight.expect_shape(&[module.out_features, module.in_features]).expect("its shape");
            assert_eq!(files.contains(&format!("{}.bias", module.name)), module.bias);
            assert_eq!(weight.to_f32().expect("bf16").len(), weight.len());
            files.release(weight.name);
            // Released pages come back with the same content.
            assert_eq!(files.read_bf16(weight.name).expect("bf16").len(), weight.len());
        }
        assert_eq!(files.contains("lm_head.weight"), !config.tie_word_embeddings);
    }
}

#[test]
fn adapters_written_by_peft_come_back_unchanged() {
    for family in families() {
        let model = DecoderConfig::read(&family.join("base")).expect("a readable config");
        for name in ["adapter", "adapter_after_30_steps"] {
            let folder = family.join(name);
            let adapter = Adapter::read(&folder).expect("an adapter");
            adapter.check_model(&model.linear_modules()).expect("it fits its base");
            assert_eq!((adapter.config.rank, adapter.config.alpha), (8, 16.0));

            let target = tempfile::tempdir().expect("a folder");
            for (file, bytes) in adapter.to_files().expect("consistent") {
                std::fs::write(target.path().join(file), bytes).expect("room");
            }
            assert_eq!(Adapter::read(target.path()).expect("our own"), adapter);
            let theirs = open(&folder.join("adapter_model.safetensors"));
            let ours = open(&target.path().join("adapter_model.safetensors"));
            assert!(theirs.names().eq(ours.names()), "{}: names", folder.display());
            for tensor in theirs.names() {
                let (a, b) = (theirs.get(tensor).expect("there"), ours.get(tensor).expect("there"));
                assert_eq!((a.dtype, a.shape, a.bytes), (b.dtype, b.shape, b.bytes), "{tensor}");
            }
            let text = adapter.config.to_json();
            let again = AdapterConfig::parse(text.as_bytes(), Path::new("written"));
            assert_eq!(again.expect("our own"), adapter.config);
        }
    }
}
