//! What wrong keys, values and texts are answered, word for word.

use expect_test::{Expect, expect};
use sigil_config::Layers;

fn check(name: &str, text: &str, expected: Expect) {
    told(Layers::new().file(name, text), expected);
}

fn told(layers: Layers, expected: Expect) {
    let errors = layers.load().expect_err("the configuration is wrong");
    expected.assert_eq(&errors.to_string());
}

fn with_model() -> Layers {
    Layers::new().file("model.toml", "[model]\nname = 'a/b'\n")
}

#[test]
fn unknown_keys_in_toml() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n\n[train]\nlearnign_rate = 1e-4\nr = 8\n\n[quantisation]\nx = 1\n",
        expect![[r#"
            error: unknown key `train.learnign_rate`
              --> run.toml:5:1
              |
            5 | learnign_rate = 1e-4
              | ^^^^^^^^^^^^^
              hint: did you mean `train.learning_rate`?

            error: unknown key `train.r`
              --> run.toml:6:1
              |
            6 | r = 8
              | ^
              hint: did you mean `lora.r`?

            error: unknown key `quantisation`
              --> run.toml:8:2
              |
            8 | [quantisation]
              |  ^^^^^^^^^^^^
              hint: did you mean `quantization`?

            3 problems in the configuration"#]],
    );
}

#[test]
fn unknown_keys_in_yaml() {
    check(
        "run.yml",
        "model_name: a/b\ntrain:\n  lrr: 1.0e-4 # too\n  xyzzy: 1\nmisc:\n  ouput_dir: x\n",
        expect![[r#"
            error: unknown key `train.lrr`
              --> run.yml:3:3
              |
            3 |   lrr: 1.0e-4 # too
              |   ^^^
              hint: did you mean `train.learning_rate`?

            error: unknown key `train.xyzzy`
              --> run.yml:4:3
              |
            4 |   xyzzy: 1
              |   ^^^^^

            error: unknown key `misc.ouput_dir`
              --> run.yml:6:3
              |
            6 |   ouput_dir: x
              |   ^^^^^^^^^
              hint: did you mean `run.output_dir`?

            3 problems in the configuration"#]],
    );
}

#[test]
fn refused_values() {
    check(
        "run.yml",
        "model_name: a/b\ntrain: {log_backend: wandb, lr_scheduler_type: cosine_with_restarts, fp16: true}\nbnb_4bit: {compute_dtype: float16}\nlora: {use_dora: true, bias: all, modules_to_save: [lm_head]}\n",
        expect![[r#"
            error: `train.log_backend = wandb` is refused: sigil sends nothing to a service while it trains
              --> run.yml:2:22
              |
            2 | train: {log_backend: wandb, lr_scheduler_type: cosine_with_restarts, fp16: true}
              |                      ^^^^^
              hint: set it to `tensorboard` or `jsonl`; tests/peers/wandb_from_run.py brings a run's `metrics.jsonl` there, afterwards or while it trains

            error: `train.lr_scheduler_type = cosine_with_restarts` is refused: sigil does not implement it
              --> run.yml:2:48
              |
            2 | train: {log_backend: wandb, lr_scheduler_type: cosine_with_restarts, fp16: true}
              |                                                ^^^^^^^^^^^^^^^^^^^^
              hint: use `constant`, `linear`, `cosine`, `cosine_with_min_lr`, `inverse_sqrt` or `polynomial`

            error: `train.fp16 = true` is refused: float16 overflows without loss scaling, which sigil does not do
              --> run.yml:2:76
              |
            2 | train: {log_backend: wandb, lr_scheduler_type: cosine_with_restarts, fp16: true}
              |                                                                            ^^^^
              hint: leave it out: activations are bfloat16 on CUDA and float32 on the CPU

            error: `bnb_4bit.compute_dtype = float16` is refused: float16 overflows without loss scaling, which sigil does not do
              --> run.yml:3:27
              |
            3 | bnb_4bit: {compute_dtype: float16}
              |                           ^^^^^^^
              hint: set it to `bfloat16` (or `float32` on a GPU without bfloat16)

            error: `lora.use_dora = true` is refused: sigil does not implement it
              --> run.yml:4:18
              |
            4 | lora: {use_dora: true, bias: all, modules_to_save: [lm_head]}
              |                  ^^^^
              hint: leave it out; `lora.use_rslora` or a higher `lora.r` are the options there are

            error: `lora.bias = all` is refused: only the adapters are trained, not the biases
              --> run.yml:4:30
              |
            4 | lora: {use_dora: true, bias: all, modules_to_save: [lm_head]}
              |                              ^^^
              hint: set it to `none`, or train every parameter with `model.mode = "full"`

            error: `lora.modules_to_save = [lm_head]` is refused: modules outside the adapters stay frozen
              --> run.yml:4:52
              |
            4 | lora: {use_dora: true, bias: all, modules_to_save: [lm_head]}
              |                                                    ^^^^^^^^^
              hint: leave it out, or train every parameter with `model.mode = "full"`

            7 problems in the configuration"#]],
    );
}

#[test]
fn duplicate_keys() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\nname = 'c/d'\n[train]\nlr = 1e-4\nlearning_rate = 2e-4\n",
        expect![[r#"
            error: duplicate key
              --> run.toml:3:1
              |
            3 | name = 'c/d'
              | ^^^^

            error: `train.learning_rate` is set twice: also as `train.lr`
              --> run.toml:6:1
              |
            6 | learning_rate = 2e-4
              | ^^^^^^^^^^^^^
              hint: remove one of the two

            2 problems in the configuration"#]],
    );
    check(
        "run.yml",
        "model_name: a/b\ntrain:\n  lr: 1.0e-4\n  lr: 2.0e-4\n  bf16: false\nbnb_4bit:\n  compute_dtype: bfloat16\n",
        expect![[r#"
            error: duplicate key `lr`
              --> run.yml:4:3
              |
            4 |   lr: 2.0e-4
              |   ^^

            error: `train.bf16` is set twice: also as `bnb_4bit.compute_dtype`
              --> run.yml:5:3
              |
            5 |   bf16: false
              |   ^^^^
              hint: remove one of the two

            2 problems in the configuration"#]],
    );
}

#[test]
fn broken_syntax() {
    check(
        "run.toml",
        "[model\nname = \n[train]\nnum_steps = 5\n",
        expect![[r#"
            error: unclosed table, expected `]`
              --> run.toml:1:7
              |
            1 | [model
              |       ^

            1 problem in the configuration"#]],
    );
    check(
        "run.yml",
        "model_name: a/b\ntrain:\n\tlr: 1\n",
        expect![[r#"
        error: tabs disallowed within this context (block indentation)
          --> run.yml:3:2
          |
        3 |  lr: 1
          |  ^

        1 problem in the configuration"#]],
    );
    check(
        "run.yml",
        "- just\n- a list\n",
        expect![[r#"
            error: settings are sections with keys, not a list
              --> run.yml:1:1
              |
            1 | - just
              | ^^^^^^

            1 problem in the configuration"#]],
    );
}

#[test]
fn environment_and_command_line() {
    let variables = [
        ("SIGIL_TRIAN__NUM_STEP", "5"),
        ("SIGIL_TRAIN__NUM_STEPS", "five"),
        ("SIGIL_LORA__DROPOUT", "2"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let arguments = ["train.log_backend=wandb", "train.lrr=1", "learning_rate", "lora.r="];
    told(
        with_model().env(variables).set(arguments),
        expect![[r#"
            error: `lora.dropout` takes a number of at least 0 and below 1, not the integer `2`
              --> environment SIGIL_LORA__DROPOUT

            error: `train.num_steps` takes an integer of at least 1, not the text `five`
              --> environment SIGIL_TRAIN__NUM_STEPS

            error: unknown key `trian`
              --> environment SIGIL_TRIAN__NUM_STEP
              hint: did you mean `train`?

            error: `train.log_backend = wandb` is refused: sigil sends nothing to a service while it trains
              --> --set train.log_backend
              hint: set it to `tensorboard` or `jsonl`; tests/peers/wandb_from_run.py brings a run's `metrics.jsonl` there, afterwards or while it trains

            error: unknown key `train.lrr`
              --> --set train.lrr
              hint: did you mean `train.learning_rate`?

            error: `learning_rate` is not of the form `section.key=value`
              hint: write it like `--set train.learning_rate=5e-5`

            error: `lora.r` takes an integer of at least 1, not an empty text
              --> --set lora.r

            7 problems in the configuration"#]],
    );
}

#[test]
fn presets_and_files_that_are_none() {
    told(
        Layers::new().preset("quikstart").preset("gpt-4"),
        expect![[r#"
            error: there is no preset `quikstart`
              hint: did you mean `quickstart`?

            error: there is no preset `gpt-4`
              hint: there are `llama-3.1-8b-phase1`, `llama-3.1-8b-phase2`, `quickstart`, `qwen2.5-coder-0.5b`, `qwen2.5-coder-1.5b` or `qwen2.5-coder-7b`

            2 problems in the configuration"#]],
    );
    check(
        "run.ini",
        "",
        expect![[r#"
        error: `run.ini` has no ending that tells its syntax
          hint: name it `.toml`, `.yml`, `.yaml` or `.json`

        error: `model.name` is not set
          hint: set it to a Hub id, a local folder, or `sigil-base` for the small model that comes with sigil

        2 problems in the configuration"#]],
    );
}

#[test]
fn nothing_at_all() {
    told(
        Layers::new(),
        expect![[r#"
        error: `model.name` is not set
          hint: set it to a Hub id, a local folder, or `sigil-base` for the small model that comes with sigil

        1 problem in the configuration"#]],
    );
}

#[test]
fn tokens_are_never_quoted() {
    let text = "[model]\nname = 'a/b'\nrevision = ['hf_abcdefghijkl']\n[hub]\ntoken = 123456\ntokn = 'my-own-secret'\n[lora]\nr = 'hf_abcdefghijkl'\n";
    let layers = Layers::new()
        .file("run.toml", text)
        .env([("HF_TOKEN".to_owned(), String::new())])
        .set(["hub.tokne=my-own-secret", "token my-own-secret"]);
    let errors = layers.load().expect_err("every one is wrong").to_string();
    for secret in ["my-own-secret", "123456", "abcdefghijkl"] {
        assert!(!errors.contains(secret), "{errors}");
    }
    expect![[r#"
        error: `model.revision` takes a text, not a list
          --> run.toml:3:12
          |
        3 | revision = ['hf_************']
          |            ^^^^^^^^^^^^^^^^^^^

        error: `hub.token` takes a text, not what was given (hidden)
          --> run.toml:5:9

        error: unknown key `hub.tokn`
          --> run.toml:6:1
          hint: did you mean `hub.token`?

        error: `lora.r` takes an integer of at least 1, not the text `hf_************`
          --> run.toml:8:5
          |
        8 | r = 'hf_************'
          |     ^^^^^^^^^^^^^^^^^

        error: unknown key `hub.tokne`
          --> --set hub.tokne
          hint: did you mean `hub.token`?

        error: `***** *************` is not of the form `section.key=value`
          hint: write it like `--set train.learning_rate=5e-5`

        6 problems in the configuration"#]]
    .assert_eq(&errors);
}

#[test]
fn a_faulty_value_is_not_told_twice() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[train]\nnum_steps = 'x'\nwarmup_steps = 20000\n",
        expect![[r#"
            error: `train.num_steps` takes an integer of at least 1, not the text `x`
              --> run.toml:4:13
              |
            4 | num_steps = 'x'
              |             ^^^

            1 problem in the configuration"#]],
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let errors = Layers::new()
        .file("run.yml", "\"\\e[31mred\": 1\n\"a\u{7f}\": 2\n")
        .load()
        .expect_err("unknown keys")
        .to_string();
    assert!(!errors.chars().any(|c| c.is_control() && c != '\n'), "{errors:?}");
}
