//! `merge`: every family, checked by the program itself and again here, weight by weight.

use serde_json::Value;
use sigil_adapter::AdapterError;
use sigil_adapter::merge::check_space;
use sigil_weights::peft::resolve_targets;
use sigil_weights::{Adapter, DecoderConfig, Dtype, WeightFiles};

use crate::program::{FAMILIES, Workplace, fixture, text};

#[test]
fn every_family_computes_the_same_after_merging() {
    let place = Workplace::new();
    for family in FAMILIES {
        for dtype in ["float32", "bfloat16", "float16"] {
            let output = format!("{family}-{dtype}");
            let out = place.well(&[
                "merge",
                &text(&fixture(family, "adapter_after_30_steps")),
                "--base",
                &text(&fixture(family, "base")),
                "--output",
                &output,
                "--dtype",
                dtype,
                "--json",
            ]);
            let report: Value = serde_json::from_str(&out).expect("stdout is JSON");
            let verified = &report["verified"];
            let number = |key: &str| verified[key].as_f64().expect("a number");
            eprintln!(
                "{family:8} {dtype:9} off {:.1e} of {:.0e}, effect {:.1e}, kept {:.4}",
                number("relative_difference"),
                number("tolerance"),
                number("adapter_effect"),
                number("effect_kept")
            );
            assert!(number("adapter_effect") > 1e-3, "the adapter must matter: {verified}");
        }
    }
}

#[test]
fn merged_weights_are_base_plus_scaled_product() {
    let place = Workplace::new();
    let (base, adapter) = (fixture("qwen2", "base"), fixture("qwen2", "adapter_after_30_steps"));
    place.well(&[
        "merge",
        &text(&adapter),
        "--base",
        &text(&base),
        "--output",
        "m",
        "--dtype",
        "float32",
        "--no-verify",
    ]);
    let merged = WeightFiles::open(&place.path().join("m")).expect("it opens");
    let original = WeightFiles::open(&base).expect("it opens");
    assert_eq!(merged.names().collect::<Vec<_>>(), original.names().collect::<Vec<_>>());
    let adapter = Adapter::read(&adapter).expect("it reads");
    let names: Vec<&String> = adapter.modules.keys().collect();
    let targets = resolve_targets(&adapter.config, &names).expect("they fit").modules;
    for ((module, pair), target) in adapter.modules.iter().zip(targets) {
        let scaling = target.expect("it is adapted").scaling;
        let name = format!("{module}.weight");
        let (before, after) =
            (original.read_f32(&name).expect("there"), merged.read_f32(&name).expect("there"));
        for row in 0..pair.out_features {
            for column in 0..pair.in_features {
                let product: f64 = (0..pair.rank)
                    .map(|k| {
                        f64::from(pair.b[row * pair.rank + k])
                            * f64::from(pair.a[k * pair.in_features + column])
                    })
                    .sum();
                let at = row * pair.in_features + column;
                let wanted = f64::from(before[at]) + scaling * product;
                assert!((f64::from(after[at]) - wanted).abs() < 1e-6, "{name} at {at}");
            }
        }
    }
    for name in original.names().filter(|name| !name.contains("_proj.weight")) {
        let (before, after) = (original.read_f32(name), merged.read_f32(name));
        assert!(before.expect("there") == after.expect("there"), "{name} is another");
    }
}

#[test]
fn shards_have_an_index_and_the_config_says_the_type() {
    let place = Workplace::new();
    let base = fixture("llama3", "base");
    std::fs::copy(base.join("config.json"), place.path().join("c.json")).expect("copied");
    let run = place.run_folder("run", "llama3", &[5]);
    place.well(&[
        "merge",
        &text(&run),
        "--base",
        &text(&base),
        "--output",
        "out/m",
        "--shard-mib",
        "1",
    ]);
    let folder = place.path().join("out/m");
    let index = std::fs::read(folder.join("model.safetensors.index.json"));
    let weights = WeightFiles::open(&folder).expect("index and shards belong together");
    // Half of the 1.2 MB of f32.
    let small = index.is_err();
    assert_eq!(weights.files().count() == 1, small);
    assert!(weights.names().all(|name| weights.get(name).expect("there").dtype == Dtype::BF16));
    let config = std::fs::read_to_string(folder.join("config.json")).expect("written");
    assert!(config.contains("\"dtype\": \"bfloat16\""), "{config}");
    assert_eq!(
        DecoderConfig::read(&folder).expect("it reads").num_layers,
        DecoderConfig::read(&base).expect("it reads").num_layers
    );
    assert!(folder.join("generation_config.json").is_file());
    let card = std::fs::read_to_string(folder.join("README.md")).expect("written");
    assert!(card.contains("merged with step-00000005"), "{card}");
}

#[test]
fn a_quantized_base_and_the_weights_of_qlora_can_be_merged_onto() {
    let place = Workplace::new();
    let adapter = text(&fixture("llama3", "adapter_after_30_steps"));
    for (base, onto, output) in
        [("bnb-nf4-nested", "base", "a"), ("bnb-nf4", "base", "b"), ("base", "nf4", "c")]
    {
        let base = text(&fixture("llama3", base));
        place.well(&["merge", &adapter, "--base", &base, "--onto", onto, "--output", output]);
        let config = std::fs::read_to_string(place.path().join(output).join("config.json"))
            .expect("written");
        assert!(!config.contains("quantization_config"), "{config}");
    }
    let open = |name: &str| WeightFiles::open(&place.path().join(name)).expect("it opens");
    let name = "model.layers.0.mlp.up_proj.weight";
    let (a, c) = (open("a"), open("c"));
    assert_eq!(a.get(name).expect("there").bytes, c.get(name).expect("there").bytes);
}

#[test]
fn what_cannot_be_merged_is_told_and_leaves_nothing() {
    let place = Workplace::new();
    let adapter = text(&fixture("llama3", "adapter"));
    let check = |arguments: &[&str], code: i32, wanted: &str| {
        let (_, err, found) = place.run(arguments);
        assert!(found == Some(code) && err.contains(wanted), "{arguments:?}: {found:?} {err}");
    };
    let qwen = text(&fixture("qwen2", "base"));
    check(&["merge", &adapter, "--base", &qwen, "-o", "m"], 5, "LoRA matrices of");
    check(&["merge", &adapter, "--base", "no/such/folder", "-o", "m"], 5, "no folder");
    check(&["merge", &qwen, "--base", &qwen, "-o", "m"], 2, "a whole model");
    std::fs::write(place.path().join("there"), "mine").expect("written");
    let llama = text(&fixture("llama3", "base"));
    check(&["merge", &adapter, "--base", &llama, "-o", "there"], 6, "exists already");
    assert_eq!(std::fs::read_to_string(place.path().join("there")).expect("kept"), "mine");
    check(&["merge", &adapter, "-o", "m"], 5, "base");
    let names: Vec<_> = std::fs::read_dir(place.path())
        .expect("listed")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    assert_eq!(names, ["there"], "nothing is left");
}

#[test]
fn what_does_not_fit_on_the_disk_is_told_before_anything_is_written() {
    let place = Workplace::new();
    // The space is that of the nearest folder that is there.
    let target = place.path().join("not/yet/there");
    check_space(&target, 1).expect("a byte fits");
    let free = sigil_run::free_space(place.path()).expect("known");
    for needed in [free.saturating_mul(2), u64::MAX] {
        let error = check_space(&target, needed).expect_err("it cannot fit");
        let AdapterError::NoSpace { path, .. } = &error else { panic!("{error}") };
        assert_eq!(path, place.path());
        assert!(error.hint().is_some_and(|hint| hint.contains("another disk")), "{error}");
    }
    assert!(!place.path().join("not").exists(), "nothing is made");
}
