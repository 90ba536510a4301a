//! What values of a wrong type, size or spelling are answered, word for word.

use expect_test::{Expect, expect};
use sigil_config::Layers;

fn check(name: &str, text: &str, expected: Expect) {
    let errors = Layers::new().file(name, text).load();
    expected.assert_eq(&errors.expect_err("the values are wrong").to_string());
}

#[test]
fn wrong_types() {
    check(
        "run.toml",
        "[model]\nname = 5\n[train]\nnum_steps = \"many\"\nepochs = true\n[dataset]\nnames = [1, 'a']\nuse_cache = 1\ncolumns = 'text'\n[lora]\nr = 2024-01-01\n",
        expect![[r#"
            error: `model.name` takes a text, not the integer `5`
              --> run.toml:2:8
              |
            2 | name = 5
              |        ^

            error: `train.num_steps` takes an integer of at least 1, not the text `many`
              --> run.toml:4:13
              |
            4 | num_steps = "many"
              |             ^^^^^^

            error: `train.epochs` takes a number above 0, not the boolean `true`
              --> run.toml:5:10
              |
            5 | epochs = true
              |          ^^^^

            error: `dataset.names` takes a text, not the integer `1`
              --> run.toml:7:10
              |
            7 | names = [1, 'a']
              |          ^

            error: `dataset.use_cache` takes `true` or `false`, not the integer `1`
              --> run.toml:8:13
              |
            8 | use_cache = 1
              |             ^

            error: `dataset.columns` takes a section, not the text `text`
              --> run.toml:9:11
              |
            9 | columns = 'text'
              |           ^^^^^^

            error: `lora.r` takes an integer of at least 1, not the date `2024-01-01`
              --> run.toml:11:5
               |
            11 | r = 2024-01-01
               |     ^^^^^^^^^^

            7 problems in the configuration"#]],
    );
}

#[test]
fn out_of_range() {
    check(
        "run.toml",
        "[model]\nname = ''\n[lora]\nr = 0\ndropout = 1.0\ntarget_modules = []\n[train]\nlearning_rate = 0\nnum_steps = 2.5\nmicro_batch_size = -1\nadam_beta1 = nan\n",
        expect![[r#"
            error: `model.name` takes a text that is not empty, not an empty text
              --> run.toml:2:8
              |
            2 | name = ''
              |        ^^

            error: `lora.r` takes an integer of at least 1, not the integer `0`
              --> run.toml:4:5
              |
            4 | r = 0
              |     ^

            error: `lora.dropout` takes a number of at least 0 and below 1, not the number `1.0`
              --> run.toml:5:11
              |
            5 | dropout = 1.0
              |           ^^^

            error: `lora.target_modules` takes a list that is not empty, not an empty list
              --> run.toml:6:18
              |
            6 | target_modules = []
              |                  ^^

            error: `train.learning_rate` takes a number above 0, not the integer `0`
              --> run.toml:8:17
              |
            8 | learning_rate = 0
              |                 ^

            error: `train.num_steps` takes an integer of at least 1, not the number `2.5`
              --> run.toml:9:13
              |
            9 | num_steps = 2.5
              |             ^^^

            error: `train.micro_batch_size` takes an integer of at least 1, not the integer `-1`
              --> run.toml:10:20
               |
            10 | micro_batch_size = -1
               |                    ^^

            error: `train.adam_beta1` takes a number of at least 0 and below 1, not the number `NaN`
              --> run.toml:11:14
               |
            11 | adam_beta1 = nan
               |              ^^^

            8 problems in the configuration"#]],
    );
}

#[test]
fn wrong_choices() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\nmode = 'qlorra'\n[train]\nlr_scheduler_type = 'Cosine'\noptimizer = 'lamb'\n[run]\ndevice = 'gpu'\n[hub]\nendpoint = 'hub.example'\n",
        expect![[r#"
            error: `model.mode` takes `qlora`, `lora` or `full`, not `qlorra`
              --> run.toml:3:8
              |
            3 | mode = 'qlorra'
              |        ^^^^^^^^
              hint: did you mean `qlora`?

            error: `train.lr_scheduler_type` takes `constant`, `linear`, `cosine`, `cosine_with_min_lr`, `inverse_sqrt` or `polynomial`, not `Cosine`
              --> run.toml:5:21
              |
            5 | lr_scheduler_type = 'Cosine'
              |                     ^^^^^^^^
              hint: did you mean `cosine`?

            error: `train.optimizer` takes `adamw`, not `lamb`
              --> run.toml:6:13
              |
            6 | optimizer = 'lamb'
              |             ^^^^^^

            error: `run.device` takes `auto`, `cpu` or `cuda:N`, not the text `gpu`
              --> run.toml:8:10
              |
            8 | device = 'gpu'
              |          ^^^^^

            error: `hub.endpoint` takes an `https://` address without a user name, not the text `hub.example`
              --> run.toml:10:12
               |
            10 | endpoint = 'hub.example'
               |            ^^^^^^^^^^^^^

            5 problems in the configuration"#]],
    );
}
