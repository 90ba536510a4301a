//! Configurations that are damaged, incomplete or not computed here: each is named in its error.

use std::path::Path;

use serde_json::{Value, json};
use sigil_weights::config::{BitsAndBytes, ModelDtype, Projection, RopeKind};
use sigil_weights::{ConfigError, DecoderConfig, Family, FourBit, GenerationConfig};

fn base(family: &str) -> Value {
    json!({
        "model_type": family, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    })
}

fn parse(config: &Value) -> Result<DecoderConfig, ConfigError> {
    DecoderConfig::parse(config.to_string().as_bytes(), Path::new("config.json"))
}

fn with(family: &str, changes: Value) -> Result<DecoderConfig, ConfigError> {
    let mut config = base(family);
    for (key, value) in changes.as_object().expect("changes are an object") {
        config[key] = value.clone();
    }
    parse(&config)
}

#[test]
fn bad_values_are_named() {
    let cases = [
        ("llama", json!({ "model_type": "gemma2" }), "`model_type` = \"gemma2\""),
        ("llama", json!({ "model_type": null }), "lacks `model_type`"),
        ("llama", json!({ "vocab_size": null }), "lacks `vocab_size`"),
        ("llama", json!({ "hidden_size": "4096" }), "`hidden_size` in `config.json` must be"),
        ("llama", json!({ "num_hidden_layers": 0 }), "`num_hidden_layers` in `config.json` is 0"),
        ("llama", json!({ "intermediate_size": 1.5 }), "`intermediate_size`"),
        ("llama", json!({ "num_key_value_heads": 3 }), "must divide num_attention_heads"),
        ("llama", json!({ "head_dim": null, "hidden_size": 30 }), "must be a multiple"),
        ("llama", json!({ "hidden_act": "gelu" }), "`hidden_act` = \"gelu\""),
        ("llama", json!({ "num_local_experts": 8 }), "`num_local_experts` = 8"),
        ("llama", json!({ "attention_dropout": 0.1 }), "`attention_dropout` = 0.1"),
        ("llama", json!({ "rms_norm_eps": -1e-5 }), "`rms_norm_eps`"),
        ("llama", json!({ "torch_dtype": "float8_e4m3fn" }), "`torch_dtype`"),
        ("llama", json!({ "eos_token_id": ["x"] }), "`eos_token_id`"),
        (
            "llama",
            json!({ "partial_rotary_factor": 0.5 }),
            "`rope_parameters.partial_rotary_factor`",
        ),
        (
            "llama",
            json!({ "rope_scaling": { "type": "mrope" } }),
            "`rope_scaling.type` = \"mrope\"",
        ),
        (
            "llama",
            json!({ "rope_scaling": { "rope_type": "linear" } }),
            "lacks `rope_scaling.factor`",
        ),
        (
            "llama",
            json!({ "rope_parameters": { "full_attention": {} } }),
            "`rope_parameters.full_attention`",
        ),
        (
            "llama",
            json!({ "rope_scaling": {
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1
            } }),
            "must be above low_freq_factor",
        ),
        ("phi3", json!({ "rope_scaling": { "type": "linear", "factor": 2 } }), "for phi3"),
        (
            "phi3",
            json!({ "rope_scaling": {
                "type": "longrope", "short_factor": [1.0], "long_factor": [1.0, 1.0, 1.0, 1.0]
            } }),
            "`rope_scaling.short_factor`",
        ),
        ("qwen2", json!({ "layer_types": ["full_attention"] }), "num_hidden_layers is 3"),
        (
            "qwen3",
            json!({ "layer_types": ["full_attention", "linear_attention", "full_attention"] }),
            "\"linear_attention\"",
        ),
        (
            "qwen2",
            json!({ "layer_types": ["full_attention", "sliding_attention", "full_attention"] }),
            "there is no window",
        ),
        ("qwen2", json!({ "use_mrope": true }), "`use_mrope`"),
        (
            "llama",
            json!({ "quantization_config": { "quant_method": "gptq", "bits": 4 } }),
            "`quantization_config.quant_method` = \"gptq\"",
        ),
        (
            "llama",
            json!({ "quantization_config": { "quant_method": "bitsandbytes", "load_in_8bit": true } }),
            "`quantization_config.load_in_8bit`",
        ),
    ];
    for (family, changes, expected) in cases {
        let error = with(family, changes.clone()).expect_err("it must be refused");
        let message = error.to_string();
        assert!(message.contains(expected), "{changes}: {message}");
        assert!(message.contains("config.json"), "{changes}: the file is named in {message}");
    }
}

#[test]
fn text_that_is_no_object_is_named_with_its_place() {
    let error =
        DecoderConfig::parse(b"{\n  \"a\": ,\n}", Path::new("c.json")).expect_err("no JSON");
    assert_eq!(error.to_string(), "`c.json` is not valid JSON (line 2, column 8)");
    assert!(error.hint().is_some());
    let error = DecoderConfig::parse(b"[]", Path::new("c.json")).expect_err("no object");
    assert_eq!(error.to_string(), "`c.json` does not hold a JSON object");
    let error = DecoderConfig::read(Path::new("no/such/folder")).expect_err("no file");
    assert!(matches!(error, ConfigError::Read { .. }) && error.hint().is_some());
}

#[test]
fn windows_follow_the_family() {
    let windows = |family, changes| with(family, changes).expect("valid").sliding_windows;
    assert_eq!(windows("llama", json!({ "sliding_window": 5 })), [None; 3]);
    assert_eq!(windows("mistral", json!({})), [Some(4096); 3]);
    assert_eq!(windows("mistral", json!({ "sliding_window": null })), [None; 3]);
    assert_eq!(windows("phi3", json!({ "sliding_window": 2047 })), [Some(2047); 3]);
    assert_eq!(windows("phi3", json!({})), [None; 3]);
    let off = json!({ "sliding_window": 9, "use_sliding_window": false, "max_window_layers": 0 });
    assert_eq!(windows("qwen2", off), [None; 3]);
    let on = json!({ "sliding_window": 9, "use_sliding_window": true, "max_window_layers": 2 });
    assert_eq!(windows("qwen2", on), [None, None, Some(9)]);
    let listed = json!({
        "sliding_window": 9, "use_sliding_window": true, "max_window_layers": 28,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    });
    assert_eq!(windows("qwen3", listed.clone()), [Some(9), None, Some(9)]);
    let config = with("qwen3", listed).expect("valid");
    let again = config.to_json().expect("qwen3 can list layers");
    let again = DecoderConfig::parse(again.as_bytes(), Path::new("again")).expect("our own");
    assert_eq!(again, config);
}

#[test]
fn absent_keys_take_the_defaults_of_transformers() {
    let llama = with("llama", json!({ "num_key_value_heads": null })).expect("valid");
    assert_eq!((llama.num_kv_heads, llama.max_position_embeddings), (4, 2048));
    assert_eq!((llama.bos_token_id, llama.eos_token_ids), (Some(1), vec![2]));
    assert_eq!((llama.rms_norm_eps, llama.rope.theta), (1e-6, 10_000.0));
    assert_eq!(llama.rope.kind, RopeKind::Default);
    let qwen = with("qwen3", json!({ "num_attention_heads": 32, "num_key_value_heads": 8 }));
    let mut text = base("qwen3");
    text.as_object_mut().expect("object").remove("head_dim");
    assert_eq!((qwen.expect("valid").head_dim, parse(&text).expect("valid").head_dim), (8, 128));
    let first = with("llama", json!({ "pad_token_id": -1, "eos_token_id": [7, 9] }));
    let first = first.expect("valid");
    assert_eq!((first.pad_token_id, first.eos_token_ids), (None, vec![7, 9]));
    let both = json!({ "dtype": "float16", "torch_dtype": "bfloat16" });
    assert_eq!(with("llama", both).expect("valid").dtype, Some(ModelDtype::Float16));
}

#[test]
fn biases_and_projections_follow_the_family() {
    let biases = |family, changes| {
        let config = with(family, changes).expect("valid");
        (config.attention_bias, config.output_bias, config.mlp_bias, config.qk_norm)
    };
    let on = json!({ "attention_bias": true, "mlp_bias": true });
    assert_eq!(biases("llama", on.clone()), (true, true, true, false));
    assert_eq!(biases("mistral", on.clone()), (false, false, false, false));
    assert_eq!(biases("qwen2", json!({})), (true, false, false, false));
    assert_eq!(biases("qwen3", on), (true, true, false, true));
    let phi3 = with("phi3", json!({})).expect("valid");
    let names: Vec<Projection> = phi3.projections().into_iter().map(|found| found.0).collect();
    let fused =
        [Projection::QueryKeyValue, Projection::Output, Projection::GateUp, Projection::Down];
    assert_eq!(names, fused);
    assert_eq!(phi3.linear_modules()[4].name, "model.layers.1.self_attn.qkv_proj");
}

#[test]
fn a_quantized_checkpoint_says_how() {
    let text = json!({ "quantization_config": {
        "quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": true, "llm_int8_skip_modules": ["lm_head"],
    } });
    let expected = BitsAndBytes {
        kind: FourBit::Nf4,
        double_quant: true,
        skip_modules: vec!["lm_head".to_owned()],
    };
    assert_eq!(with("llama", text).expect("valid").quantization, Some(expected));
}

#[test]
fn a_family_that_cannot_express_a_trait_says_so() {
    let mut config = with("llama", json!({})).expect("valid");
    assert_eq!(config.family, Family::Llama);
    config.sliding_windows = vec![Some(8); 3];
    let error = config.to_json().expect_err("llama has no windows");
    assert_eq!(error.to_string(), "a llama config.json cannot express sliding windows");
    config.family = Family::Mistral;
    config.sliding_windows[1] = None;
    assert!(config.to_json().is_err());
}

#[test]
fn generation_settings_are_optional_but_checked() {
    let parse = |text: &str| GenerationConfig::parse(text.as_bytes(), Path::new("g.json"));
    assert_eq!(parse("{}").expect("empty is fine"), GenerationConfig::default());
    let read = parse(r#"{"eos_token_id": [1, 2], "temperature": 0.7, "top_p": 0.8, "top_k": 20}"#);
    let read = read.expect("valid");
    assert_eq!((read.eos_token_ids, read.top_k), (vec![1, 2], Some(20)));
    assert!(parse(r#"{"top_p": 1.5}"#).is_err());
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(GenerationConfig::read(empty.path()).expect("absent is fine"), None);
}
