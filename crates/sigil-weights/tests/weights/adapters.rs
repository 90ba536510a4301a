//! PEFT's matching rules, and adapters that are refused by name.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sigil_weights::peft::{LoraPair, ModuleSet, TargetModules, resolve_targets};
use sigil_weights::tensor_files::{TensorToWrite, write_safetensors};
use sigil_weights::{Adapter, AdapterConfig, PeftError};

fn names() -> Vec<String> {
    let parts = ["self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj"];
    (0..12).flat_map(|layer| parts.map(|part| format!("model.layers.{layer}.{part}"))).collect()
}

fn targeted(config: &AdapterConfig) -> Vec<String> {
    let names = names();
    let resolved = resolve_targets(config, &names).expect("something is targeted");
    let pairs = names.into_iter().zip(resolved.modules);
    pairs.filter(|(_, target)| target.is_some()).map(|(name, _)| name).collect()
}

fn by_name(list: &[&str]) -> AdapterConfig {
    let names = list.iter().map(|name| (*name).to_owned()).collect();
    AdapterConfig { target_modules: TargetModules::Names(names), ..AdapterConfig::default() }
}

#[test]
fn names_match_whole_dotted_ends() {
    assert_eq!(targeted(&AdapterConfig::default()).len(), 48);
    assert_eq!(targeted(&by_name(&["q_proj"])).len(), 12);
    assert_eq!(targeted(&by_name(&["mlp.up_proj", "model.layers.3.self_attn.q_proj"])).len(), 13);
    let resolved = resolve_targets(&by_name(&["proj", "q_proj", "c_attn"]), &names());
    assert_eq!(resolved.expect("q_proj matches").unmatched, ["c_attn", "proj"]);
    let error = resolve_targets(&by_name(&["c_attn"]), &names()).expect_err("nothing matches");
    assert!(error.to_string().contains("down_proj, q_proj, up_proj, v_proj"), "{error}");
}

#[test]
fn layers_are_chosen_by_the_first_number() {
    let mut config = by_name(&["q_proj", "model.layers.9.mlp.up_proj"]);
    config.layers_to_transform = Some(vec![1, 11]);
    let expected = [
        "model.layers.1.self_attn.q_proj",
        // A full name is taken whatever its layer is.
        "model.layers.9.mlp.up_proj",
        "model.layers.11.self_attn.q_proj",
    ];
    assert_eq!(targeted(&config), expected);
    config.layers_pattern = vec!["layers".to_owned()];
    assert_eq!(targeted(&config), expected);
    config.layers_pattern = vec!["blocks".to_owned()];
    assert_eq!(targeted(&config), expected[1..2]);
}

#[test]
fn a_string_is_a_regular_expression_for_the_whole_name() {
    let pattern = |text: &str| AdapterConfig {
        target_modules: TargetModules::Pattern(text.to_owned()),
        ..AdapterConfig::default()
    };
    assert_eq!(targeted(&pattern(r".*\.layers\.[0-3]\..*_proj")).len(), 16);
    assert_eq!(targeted(&pattern(r"^(?!.*mlp).*q_proj$")).len(), 12);
    assert!(resolve_targets(&pattern("q_proj"), &names()).is_err(), "it is no search");
    let error = resolve_targets(&pattern("a)(b"), &names()).expect_err("unbalanced");
    assert!(error.to_string().contains("`a)(b` in `target_modules`"), "{error}");
}

#[test]
fn exclusions_come_first() {
    let without = |set| AdapterConfig { exclude_modules: Some(set), ..AdapterConfig::default() };
    let names = ModuleSet::Names(vec!["down_proj".to_owned()]);
    assert_eq!(targeted(&without(names)).len(), 36);
    let pattern = ModuleSet::Pattern(r".*\.mlp\..*".to_owned());
    assert_eq!(targeted(&without(pattern)).len(), 24);
}

#[test]
fn the_first_matching_pattern_decides_rank_and_alpha() {
    let text = json!({
        "peft_type": "LORA", "target_modules": "all-linear", "r": 8, "lora_alpha": 16,
        "use_rslora": true,
    });
    // Written by hand: the order of the patterns is what is tested, and a JSON value would sort it.
    let patterns = r#""rank_pattern": {"self_attn.*": 9, "q_proj": 32, ".*\\.11\\.mlp.up_proj": 2,
        "self_attn.*": 4},
        "alpha_pattern": {"v_proj": 64}"#;
    let text = text.to_string().replacen('{', &format!("{{{patterns},"), 1);
    let config = AdapterConfig::parse(text.as_bytes(), Path::new("a.json")).expect("valid");
    let target = |name: &str| {
        let resolved = resolve_targets(&config, &[name]).expect("all are targeted");
        let target = resolved.modules[0].expect("all-linear");
        (target.rank, target.alpha, target.scaling)
    };
    assert_eq!(target("model.layers.0.self_attn.q_proj"), (4, 16.0, 8.0));
    assert_eq!(target("model.layers.0.self_attn.v_proj"), (4, 64.0, 32.0));
    assert_eq!(target("model.layers.11.mlp.up_proj").0, 2);
    assert_eq!(target("model.layers.1.mlp.up_proj"), (8, 16.0, 16.0 / 8_f64.sqrt()));
    let again = AdapterConfig::parse(config.to_json().as_bytes(), Path::new("again"));
    assert_eq!(again.expect("our own"), config);
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let cases = [
        (json!({ "peft_type": "LOHA" }), "`peft_type` = \"LOHA\""),
        (json!({ "peft_type": null }), "`peft_type`"),
        (json!({ "use_dora": true }), "`use_dora`"),
        (json!({ "bias": "all" }), "`bias` = \"all\""),
        (json!({ "lora_bias": true }), "`lora_bias`"),
        (json!({ "modules_to_save": ["lm_head"] }), "`modules_to_save`"),
        (json!({ "layer_replication": [[0, 2]] }), "`layer_replication`"),
        (json!({ "use_qalora": true }), "`use_qalora`"),
        (json!({ "trainable_token_indices": [1] }), "`trainable_token_indices`"),
        (json!({ "fan_in_fan_out": true }), "`fan_in_fan_out`"),
        (json!({ "init_lora_weights": "pissa" }), "`init_lora_weights` = \"pissa\""),
        (json!({ "some_new_trick": 3 }), "`some_new_trick` = 3"),
        (json!({ "r": 0 }), "`r`"),
        (json!({ "lora_alpha": "big" }), "`lora_alpha`"),
        (json!({ "lora_dropout": 1.0 }), "`lora_dropout`"),
        (json!({ "rank_pattern": { "q_proj": -1 } }), "`rank_pattern`"),
        (json!({ "target_modules": null }), "`target_modules`"),
        (json!({ "target_modules": [1] }), "`target_modules`"),
        (json!({ "target_modules": ".*", "layers_to_transform": [1] }), "`layers_to_transform`"),
        (json!({ "layers_pattern": "layers" }), "`layers_pattern`"),
    ];
    for (changes, expected) in cases {
        let mut config = json!({ "peft_type": "LORA", "target_modules": ["q_proj"], "r": 4 });
        for (key, value) in changes.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let text = config.to_string();
        let error = AdapterConfig::parse(text.as_bytes(), Path::new("adapter_config.json"));
        let message = error.expect_err("it must be refused").to_string();
        assert!(message.contains(expected), "{changes}: {message}");
        assert!(message.contains("adapter_config.json"), "{changes}: {message}");
    }
    // Off is off, whatever the key is.
    let off: Value = json!({
        "peft_type": "LORA", "target_modules": ["q_proj"], "use_dora": false, "kasa_config": null,
        "some_new_trick": false, "megatron_core": "megatron.core", "qalora_group_size": 16,
    });
    AdapterConfig::parse(off.to_string().as_bytes(), Path::new("x")).expect("nothing is on");
}

fn adapter() -> Adapter {
    let pair = LoraPair {
        rank: 2,
        in_features: 3,
        out_features: 4,
        a: (0..6).map(|x| x as f32).collect(),
        b: (0..8).map(|x| x as f32 / 8.0).collect(),
    };
    let config = AdapterConfig { rank: 2, ..by_name(&["q_proj"]) };
    Adapter { config, modules: BTreeMap::from([("model.layers.0.self_attn.q_proj".into(), pair)]) }
}

fn read_with(tensors: &[TensorToWrite<'_>], config: &AdapterConfig) -> Result<Adapter, PeftError> {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = write_safetensors(tensors, &BTreeMap::new()).expect("consistent");
    std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).expect("room");
    std::fs::write(folder.path().join("adapter_config.json"), config.to_json()).expect("room");
    Adapter::read(folder.path())
}

#[test]
fn tensors_that_do_not_belong_are_named() {
    const A: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    const B: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    let (a, b) = ([0.5; 6], [0.25; 8]);
    let pair = || vec![TensorToWrite::f32(A, &[2, 3], &a), TensorToWrite::f32(B, &[4, 2], &b)];
    let config = adapter().config;
    read_with(&pair(), &config).expect("a whole pair");

    let foreign = [
        ("base_model.model.lm_head.weight", "a fully trained weight"),
        ("base_model.model.x.q_proj.lora_magnitude_vector", "a DoRA magnitude"),
        ("base_model.model.model.embed_tokens.lora_embedding_A", "LoRA on an embedding"),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "is missing"),
        ("model.layers.0.self_attn.k_proj.lora_A.weight", "not under base_model.model."),
    ];
    for (name, reason) in foreign {
        let mut tensors = pair();
        tensors.push(TensorToWrite::f32(name, &[2, 3], &a));
        let message = read_with(&tensors, &config).expect_err("foreign").to_string();
        assert!(message.contains(reason), "{name}: {message}");
    }

    let mut other = config.clone();
    other.rank = 3;
    let message = read_with(&pair(), &other).expect_err("rank").to_string();
    assert!(message.contains("rank 2, the configuration says 3"), "{message}");
    let untargeted = by_name(&["v_proj"]);
    assert!(read_with(&pair(), &untargeted).is_err(), "the configuration does not target it");
    let message = read_with(&pair()[..1], &config).expect_err("half a pair").to_string();
    assert!(message.contains("lora_B.weight` is missing"), "{message}");
    let bad = [f32::NAN; 8];
    let tensors = [pair().remove(0), TensorToWrite::f32(B, &[4, 2], &bad)];
    assert!(read_with(&tensors, &config).expect_err("NaN").to_string().contains("not finite"));
}

#[test]
fn an_adapter_that_does_not_fit_the_model_is_refused() {
    let text = json!({
        "model_type": "llama", "vocab_size": 8, "hidden_size": 3, "intermediate_size": 4,
        "num_hidden_layers": 2, "num_attention_heads": 1, "head_dim": 4,
    });
    let model = sigil_weights::DecoderConfig::parse(text.to_string().as_bytes(), Path::new("c"));
    let modules = model.expect("valid").linear_modules();
    let mut adapter = adapter();
    let error = adapter.check_model(&modules).expect_err("layer 1 has none");
    assert!(error.to_string().contains("`model.layers.1.self_attn.q_proj` first"), "{error}");
    adapter.config.layers_to_transform = Some(vec![0]);
    adapter.check_model(&modules).expect("it fits layer 0");
    let pair = adapter.modules.remove("model.layers.0.self_attn.q_proj").expect("there");
    adapter.modules.insert("model.layers.0.mlp.down_proj".into(), pair.clone());
    let error = adapter.check_model(&modules).expect_err("another size");
    assert!(error.to_string().contains("made for a weight of (4, 3)"), "{error}");
    adapter.modules = BTreeMap::from([("model.layers.7.self_attn.q_proj".into(), pair)]);
    assert!(adapter.check_model(&modules).expect_err("no layer 7").to_string().contains("no such"));
}

#[test]
fn a_pickle_or_nothing_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(Adapter::read(folder.path()), Err(PeftError::Read { .. })));
    std::fs::write(folder.path().join("adapter_config.json"), adapter().config.to_json())
        .expect("room");
    std::fs::write(folder.path().join("adapter_model.bin"), b"pickle").expect("room");
    assert!(matches!(Adapter::read(folder.path()), Err(PeftError::Pickle { .. })));
}
