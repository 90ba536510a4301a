//! The order of the layers, how values from each are read, and what is said about their origin.

use sigil_config::{Layers, Length, Loaded, Settings, Warmup};

const FILE: &str = "
[model]
name = 'a/b'
[train]
num_steps = 100
learning_rate = 2e-4
";

fn base() -> Layers {
    Layers::new().file("base.toml", FILE)
}

fn load(layers: Layers) -> Loaded {
    layers.load().unwrap_or_else(|errors| panic!("{errors}"))
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_later_layer_wins_in_whatever_order_they_are_added() {
    let loaded = load(
        Layers::new()
            .set(["train.weight_decay=0.4"])
            .env(variables(&[
                ("SIGIL_TRAIN__WEIGHT_DECAY", "0.3"),
                ("SIGIL_TRAIN__LEARNING_RATE", "3e-4"),
                ("SIGIL_LORA__R", "4"),
            ]))
            .file("over.toml", "[lora]\nr = 2\nalpha = 3\n")
            .preset("quickstart"),
    );
    assert_eq!(loaded.settings.train.weight_decay, 0.4);
    assert_eq!(loaded.settings.train.learning_rate, 3e-4);
    assert_eq!((loaded.settings.lora.r, loaded.settings.lora.alpha), (4, 3));
    assert_eq!(loaded.settings.model.name, "sigil-base");
    let origin = |key: &str| loaded.provenance[key].to_string();
    assert_eq!(origin("train.weight_decay"), "--set train.weight_decay");
    assert_eq!(origin("lora.r"), "environment SIGIL_LORA__R");
    assert_eq!(origin("lora.alpha"), "over.toml:3:9");
    assert!(origin("model.name").starts_with("preset quickstart:"));
    assert_eq!(origin("train.adam_beta1"), "default");
}

#[test]
fn values_are_read_as_their_setting_wants_them() {
    let settings = load(base().set([
        "model.revision=12345",
        "run.output_dir=2024-01-01",
        "dataset.names=a/b,c/d",
        "dataset.interleave_mode=weighted",
        "dataset.dataset_weights.\"c/d\"=2",
        "dataset.use_cache=false",
        "lora.layers_to_transform=0,3",
        "lora.rank_pattern={ 'layers.0.*' = 8 }",
        "train.num_steps=1e3",
        "train.neftune_noise_alpha=5",
        "train.save_total_limit=null",
        "evaluation.names=[\"e/f\"]",
        "run.device=cuda:1",
    ]))
    .settings;
    assert_eq!(settings.model.revision.as_deref(), Some("12345"));
    assert_eq!(settings.run.output_dir.to_str(), Some("2024-01-01"));
    assert_eq!(settings.dataset.names, ["a/b", "c/d"]);
    assert_eq!(settings.dataset.dataset_weights["c/d"], 2.0);
    assert!(!settings.dataset.use_cache);
    assert_eq!(settings.lora.layers_to_transform, Some(vec![0, 3]));
    assert_eq!(settings.lora.rank_pattern["layers.0.*"], 8);
    assert_eq!(settings.train.num_steps, Some(1000));
    assert_eq!(settings.train.neftune_noise_alpha, Some(5.0));
    assert_eq!(settings.train.save_total_limit, None);
    assert_eq!(settings.evaluation.names, ["e/f"]);
    assert_eq!(settings.run.device.to_string(), "cuda:1");
}

#[test]
fn old_keys_work_in_every_layer() {
    let loaded = load(
        base()
            .env(variables(&[("SIGIL_MISC__OUTPUT_DIR", "2024")]))
            .set(["train.lr=5e-5", "train.bf16=false"]),
    );
    assert_eq!(loaded.settings.train.learning_rate, 5e-5);
    assert_eq!(loaded.settings.run.output_dir.to_str(), Some("2024"));
    assert_eq!(loaded.notes.len(), 3);
}

#[test]
fn the_hubs_own_variables_count_below_ours() {
    let hub = [
        ("HF_TOKEN", "hf_one"),
        ("HF_HUB_OFFLINE", "1"),
        ("HF_ENDPOINT", ""),
        ("PATH", "/bin"),
        ("SIGIL_PARITY_DIR", "x"),
    ];
    let settings = load(base().env(variables(&hub))).settings;
    let token =
        |settings: &Settings| settings.hub.token.as_ref().map(|token| token.reveal().to_owned());
    assert_eq!(token(&settings).as_deref(), Some("hf_one"));
    assert!(settings.hub.offline);
    assert_eq!(settings.hub.endpoint, "https://huggingface.co");
    let both = [("HF_TOKEN", "hf_one"), ("SIGIL_HUB__TOKEN", "hf_two")];
    let settings = load(base().env(variables(&both))).settings;
    assert_eq!(token(&settings).as_deref(), Some("hf_two"));
}

#[test]
fn the_later_of_steps_and_epochs_counts_and_is_said() {
    let loaded = load(base().set(["train.epochs=2"]));
    assert_eq!(loaded.settings.train.length(), Length::Epochs(2.0));
    assert_eq!(loaded.settings.train.num_steps, None);
    assert_eq!(loaded.notes.len(), 1, "{:?}", loaded.notes);
    // The built-in default steps aside without a word.
    let text = "model: {name: a/b}\ntrain: {epochs: 1}\n";
    let loaded = load(Layers::new().file("epochs.yaml", text));
    assert_eq!(loaded.settings.train.length(), Length::Epochs(1.0));
    assert_eq!(loaded.settings.train.warmup(), Warmup::Ratio(0.02));
    assert_eq!(loaded.notes, []);
}

#[test]
fn defaults_fit_short_runs() {
    let train = load(base()).settings.train;
    assert_eq!((train.warmup_steps, train.save_every), (Some(10), 100));
    let train = load(base().set(["train.num_steps=20000"])).settings.train;
    assert_eq!((train.warmup_steps, train.save_every), (Some(250), 1000));
    let train = load(base().set(["train.num_steps=null"])).settings.train;
    assert_eq!(train.length(), Length::Steps(12_000));
}

#[test]
fn home_is_expanded_in_paths_and_sources() {
    let settings = load(base().home("/home/someone").set([
        "hub.cache_dir=~/hub",
        "dataset.names=local:~/rows.jsonl",
        "model.name=~/model",
    ]))
    .settings;
    assert_eq!(
        settings.hub.cache_dir.as_deref().and_then(|path| path.to_str()),
        Some("/home/someone/hub")
    );
    assert_eq!(settings.dataset.names, ["local:/home/someone/rows.jsonl"]);
    assert_eq!(settings.model.name, "/home/someone/model");
}

#[test]
fn settings_survive_their_own_text() -> Result<(), Box<dyn std::error::Error>> {
    for name in sigil_config::preset_names() {
        let loaded = load(Layers::new().preset(name));
        let again: Settings = toml::from_str(&loaded.settings.to_toml())?;
        assert_eq!(again, loaded.settings);
        let printed = load(Layers::new().file("printed.toml", loaded.print_config()));
        assert_eq!(printed.settings, loaded.settings);
    }
    Ok(())
}

#[test]
fn what_is_printed_names_origins_and_hides_secrets() {
    let loaded = load(
        base()
            .env(variables(&[("HF_TOKEN", "hf_verysecret")]))
            .set(["lora.rank_pattern={ 'a.b' = 4 }"]),
    );
    let page = loaded.print_config();
    for line in [
        "learning_rate = 0.0002  # base.toml:6:17",
        "num_steps = 100  # base.toml:5:13",
        "warmup_steps = 10  # default for this train.num_steps",
        "adam_beta1 = 0.9  # default",
        "# token = ***  # environment HF_TOKEN",
        "# epochs is not set",
        "[lora.rank_pattern]",
        "\"a.b\" = 4  # --set lora.rank_pattern",
    ] {
        assert!(page.lines().any(|printed| printed == line), "{line}\n{page}");
    }
    for text in [page, loaded.settings.to_toml(), format!("{loaded:?}")] {
        assert!(!text.contains("verysecret"), "{text}");
    }
}

#[test]
fn a_token_in_a_file_is_shown_nowhere() {
    let text = "model: {name: a/b}\nhub:\n  token:\n    my-own-secret\n";
    let layers = Layers::new().file("run.yml", text);
    assert!(!format!("{layers:?}").contains("my-own"));
    let loaded = load(layers);
    assert_eq!(
        loaded.settings.hub.token.as_ref().map(|token| token.reveal()),
        Some("my-own-secret")
    );
    assert!(!format!("{loaded:?}{}", loaded.print_config()).contains("my-own"));
    let wrong = text.replace("my-own", "- my-own");
    let errors = Layers::new().file("run.yml", wrong).load().expect_err("a list");
    assert!(!format!("{errors}{errors:?}").contains("my-own"), "{errors}");
}

#[test]
fn sources_and_adapters_that_are_not_there_are_told_when_asked() {
    let layers = || {
        base().set([
            "dataset.names=local:no/such.jsonl,parquet:no/such/*.parquet",
            "model.load_from=./no/such/adapter",
        ])
    };
    load(layers());
    let errors = layers().check_paths().load().expect_err("two are missing");
    assert_eq!(errors.problems().len(), 2, "{errors}");
}
