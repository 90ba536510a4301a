//! Every setting with values it takes and values it does not. A setting that is missing in the
//! table fails the last test.

use std::collections::BTreeSet;

use sigil_config::{Layers, json_schema};

/// Setting, values it takes, values it refuses; all as they stand behind `--set key=`.
const ELEMENTS: &[(&str, &[&str], &[&str])] = &[
    ("model.name", &["a/b", "./folder", "sigil-base"], &["", "''"]),
    ("model.revision", &["main", "null", "12345"], &[]),
    ("model.load_from", &["out/x", "a/b"], &[]),
    ("model.mode", &["qlora", "lora", "full", "'full'"], &["QLORA", "", "4bit", "null"]),
    (
        "dataset.names",
        &["a/b", "['a/b', 'c/d']", "a/b,c/d", "registry:Cargo.lock"],
        &["[]", "", "[1]", "local:", "[", "null"],
    ),
    ("dataset.split", &["train"], &[""]),
    (
        "dataset.columns",
        &["{ text = 'body' }", "{}"],
        &["body", "{ txt = 'body' }", "{ text = 1 }"],
    ),
    ("dataset.columns.text", &["body", "null"], &[]),
    ("dataset.columns.prompt", &["question"], &[]),
    ("dataset.columns.completion", &["answer"], &[]),
    ("dataset.columns.messages", &["turns", "null"], &[]),
    ("dataset.columns.path", &["file"], &[]),
    ("dataset.use_cache", &["true", "false", "1", "0"], &["yes", "2", "", "null"]),
    ("dataset.cache_dir", &["~/cache", "/cache", "null"], &[]),
    ("dataset.max_rows_per_group", &["1", "null"], &["0", "-1"]),
    ("dataset.min_length", &["1", "64"], &["0", "-1", "1.5", "many", "300000"]),
    ("dataset.max_length", &["64", "1000000"], &["0", "63"]),
    ("dataset.exclude_tests", &["true", "false"], &["maybe"]),
    ("dataset.test_code", &["reject", "strip", "keep"], &["cut", "true"]),
    ("dataset.exclude_examples", &["true", "false"], &["maybe"]),
    ("dataset.exclude_benches", &["true", "false"], &["maybe"]),
    ("dataset.prefer_idiomatic", &["true", "false"], &["maybe"]),
    ("dataset.prefer_documented", &["true", "false"], &["maybe"]),
    ("dataset.idiomatic_quality_ratio", &["2", "0.5"], &["0", "-1", "inf", "nan"]),
    ("dataset.shuffle_seed", &["0", "42", "null"], &["-1", "x"]),
    ("dataset.shuffle", &["auto", "full", "buffer"], &["none", "2"]),
    ("dataset.shuffle_buffer", &["1", "10000"], &["0", "-1", "1.5"]),
    ("dataset.near_duplicates", &["true", "false"], &["maybe"]),
    ("dataset.compared_rows", &["1", "5000000", "null"], &["0", "x"]),
    ("dataset.benchmarks", &["a.jsonl", "[\"a.jsonl\", \"b.jsonl\"]", "[]"], &["[1]"]),
    ("dataset.max_bad_fraction", &["0", "0.01", "1"], &["-0.1", "1.1", "nan"]),
    ("dataset.max_expanded_bytes", &["1", "100000000000"], &["0", "x"]),
    ("dataset.licences", &["MIT", "[\"MIT\", \"Apache-2.0\"]", "[]"], &["[1]"]),
    ("dataset.min_pass_rate", &["0", "0.5", "1"], &["-0.1", "1.1", "nan"]),
    ("dataset.revisions", &["{ 'a/b' = 'v1' }", "{}"], &["{ 'a/b' = 1 }", "{ 'c/d' = 'v1' }"]),
    (
        "dataset.interleave_stop",
        &["first_exhausted", "all_exhausted", "all_exhausted_without_replacement"],
        &["last"],
    ),
    ("dataset.interleave_mode", &["sequential", "round_robin", "weighted"], &["roundrobin"]),
    (
        "dataset.dataset_weights",
        &["{}", "null"],
        &["{ 'a/b' = -1 }", "{ 'a/b' = 'x' }", "{ 'unknown/name' = 1 }", "1"],
    ),
    ("dataset.task_weights", &["{ code_generation = 2.5, x = 0 }", "{}"], &["{ x = -0.5 }", "[1]"]),
    ("evaluation.fraction", &["0", "0.02", "0.999"], &["1", "1.5", "-0.1"]),
    ("evaluation.groups", &["serde", "[\"serde\", \"arrow-ord\"]", "[]"], &["[1]"]),
    ("evaluation.hold_out_by", &["group", "row"], &["crate"]),
    ("evaluation.names", &["c/d", "[]"], &["[1]"]),
    ("evaluation.seed", &["0", "7"], &["-7"]),
    ("evaluation.every_steps", &["null"], &["0", "50"]),
    ("evaluation.max_rows", &["1", "null"], &["0"]),
    ("evaluation.early_stopping_patience", &["null"], &["0", "3"]),
    ("evaluation.early_stopping_min_delta", &["0", "0.001"], &["-0.001"]),
    ("sequence.max_length", &["2", "4096", "4e3"], &["1", "0", "40.5"]),
    ("sequence.pack", &["true", "false"], &["2"]),
    ("sequence.long_rows", &["split", "truncate"], &["drop"]),
    ("sequence.overlap", &["1", "64"], &["0", "1.5", "4096"]),
    ("sequence.chat_template", &["conversations", "always", "never"], &["on"]),
    ("sequence.fim_rate", &["0", "0.5", "1"], &["-0.1", "1.1"]),
    ("sequence.fim_spans", &["random", "syntax"], &["tree"]),
    ("sequence.fim_spm_rate", &["0", "0.5", "1"], &["-0.1", "1.1"]),
    ("lora.r", &["1", "64"], &["0", "-8", "1.5", "99999999999999999999"]),
    ("lora.alpha", &["1", "32"], &["0"]),
    ("lora.dropout", &["0", "0.1"], &["1", "-0.1"]),
    (
        "lora.target_modules",
        &["all-linear", "q_proj;v_proj", "['q_proj']", "self_attn.q_proj"],
        &["", "[]", ";", "q", "lm_head", "all-linear,q_proj"],
    ),
    ("lora.use_rslora", &["true", "false"], &["sqrt"]),
    ("lora.layers_to_transform", &["[0, 1]", "3", "null"], &["[]", "[-1]", "x"]),
    ("lora.rank_pattern", &["{ 'layers.0.q_proj' = 4 }"], &["{ q_proj = 0 }"]),
    ("lora.alpha_pattern", &["{ '^.*k_proj' = 4 }"], &["{ q_proj = 1.5 }"]),
    ("train.micro_batch_size", &["1", "64"], &["0", "10000000"]),
    ("train.gradient_accumulation", &["1", "64"], &["0", "18446744073709551616"]),
    ("train.learning_rate", &["1e-4", "1"], &["0", "-1e-4", "inf", "1e-4x"]),
    ("train.weight_decay", &["0", "0.1"], &["-0.1"]),
    ("train.num_steps", &["1", "12000", "1e3"], &["0", "0.5"]),
    ("train.epochs", &["1", "0.5", "null"], &["0", "-1"]),
    ("train.warmup_steps", &["0", "250"], &["-1", "12001"]),
    ("train.warmup_ratio", &["0", "0.03", "1"], &["1.1", "-0.1"]),
    (
        "train.lr_scheduler_type",
        &["constant", "linear", "cosine", "inverse_sqrt", "polynomial", "constant_with_warmup"],
        &["cosine_with_min_lr", "cosine_with_restarts", "sine"],
    ),
    ("train.min_lr_ratio", &["0"], &["0.1", "1.5"]),
    ("train.polynomial_power", &["1"], &["2", "0"]),
    (
        "train.optimizer",
        &["adamw", "paged_adamw_8bit", "adamw_torch", "adamw_hf"],
        &["sgd", "adam"],
    ),
    ("train.adam_beta1", &["0", "0.9"], &["1", "-0.1"]),
    ("train.adam_beta2", &["0", "0.999"], &["1"]),
    ("train.adam_epsilon", &["1e-8"], &["0"]),
    ("train.max_grad_norm", &["0", "1.0"], &["-1"]),
    ("train.neftune_noise_alpha", &["5", "null"], &["-5"]),
    ("train.completion_only_loss", &["true", "false"], &["x"]),
    (
        "train.checkpoint_policy",
        &["none", "minimal", "inputs", "offload", "auto"],
        &["true", "full"],
    ),
    ("train.on_non_finite", &["stop", "skip"], &["ignore"]),
    ("train.max_skipped_steps", &["0", "10"], &["-1"]),
    ("train.logging_steps", &["1"], &["0"]),
    ("train.log_backend", &["tensorboard", "jsonl", "none"], &["wandb", "csv"]),
    ("train.save_every", &["1", "1000"], &["0", "12001"]),
    ("train.save_total_limit", &["1", "null"], &["0"]),
    ("train.load_best_model_at_end", &["false"], &["true", "x"]),
    ("quantization.quant_type", &["nf4", "fp4"], &["none", "int8", "NF4"]),
    ("quantization.use_double_quant", &["true", "false"], &["x"]),
    ("quantization.compute_dtype", &["auto", "bfloat16", "float32"], &["float16", "bf16"]),
    ("run.output_dir", &["out/x", "~/x"], &["", "''"]),
    ("run.logging_dir", &["logs", "null"], &[]),
    ("run.log_file", &["run.log", "null"], &[]),
    ("run.seed", &["0", "42"], &["-1", "9223372036854775808"]),
    ("run.device", &["auto", "cpu", "cuda", "cuda:3"], &["gpu", "mps", "cuda:x", ""]),
    ("run.processes", &["1"], &["0", "65", "x"]),
    ("run.deterministic", &["true", "false"], &["x"]),
    ("run.threads", &["1", "null"], &["0"]),
    ("run.model_card_frequency", &["1"], &["0"]),
    (
        "run.sweep_metadata",
        &["{ run_id = 'x', params = { lr = 1e-4, list = [1, 'a', true] } }", "{}"],
        &["x"],
    ),
    (
        "hub.endpoint",
        &["https://hub.example", "http://localhost:8080"],
        &["hub.example", "https://me:pw@hub.example", ""],
    ),
    ("hub.token", &["abc", "null"], &[]),
    ("hub.offline", &["true", "0"], &["x"]),
    ("hub.cache_dir", &["~/hub", "null"], &[]),
];

fn load(key: &str, value: &str) -> Result<sigil_config::Loaded, sigil_config::ConfigErrors> {
    Layers::new()
        .file("base.toml", "[model]\nname = 'a/b'\n[dataset]\nnames = ['a/b']\n")
        .set([format!("{key}={value}")])
        .load()
}

#[test]
fn every_setting_takes_what_it_should() {
    let mut refused = Vec::new();
    for (key, good, _) in ELEMENTS {
        for value in *good {
            match load(key, value) {
                // Whatever loads can also be shown and stored.
                Ok(loaded) => {
                    assert!(loaded.print_config().len() > loaded.settings.to_toml().len());
                }
                Err(errors) => refused.push(format!("{key}={value}\n{errors}\n")),
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.concat());
}

#[test]
fn every_setting_refuses_what_it_should_by_name() {
    let mut unexpected = Vec::new();
    for (key, _, bad) in ELEMENTS {
        let section = key.split('.').next().unwrap_or_default();
        for value in *bad {
            let answer = match load(key, value) {
                Ok(_) => "taken".to_owned(),
                Err(errors) => errors.to_string(),
            };
            if !answer.contains(&format!("--set {section}")) || !answer.contains(key) {
                unexpected.push(format!("{key}={value}\n{answer}\n"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.concat());
}

#[test]
fn every_setting_is_in_the_table() {
    fn visit(path: &str, schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if path.contains('.') {
                found.insert(path.clone());
            }
            visit(&path, field, found);
        }
    }
    let mut found = BTreeSet::new();
    visit("", &json_schema(), &mut found);
    let listed: BTreeSet<String> = ELEMENTS.iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(listed, found);
}
