//! What settings that do not go together are answered, word for word.

use expect_test::{Expect, expect};
use sigil_config::Layers;

fn check(name: &str, text: &str, expected: Expect) {
    let errors = Layers::new().file(name, text).load();
    let errors = errors.expect_err("the settings do not go together");
    expected.assert_eq(&errors.to_string());
}

#[test]
fn steps_that_do_not_fit() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[train]\nnum_steps = 100\nwarmup_steps = 250\nsave_every = 1000\n[evaluation]\nevery_steps = 500\nfraction = 0.1\n",
        expect![[r#"
            error: `train.warmup_steps` (250) is more than `train.num_steps` (100)
              --> run.toml:5:16
              |
            5 | warmup_steps = 250
              |                ^^^
              hint: the learning rate would never reach its peak: warm up for fewer steps

            error: `train.save_every` (1000) is more than `train.num_steps` (100)
              --> run.toml:6:14
              |
            6 | save_every = 1000
              |              ^^^^
              hint: no checkpoint set would be written before the last step: save more often

            error: `evaluation.every_steps` (500) is more than `train.num_steps` (100)
              --> run.toml:8:15
              |
            8 | every_steps = 500
              |               ^^^
              hint: evaluate more often, or leave it out to evaluate before the first and after the last step

            3 problems in the configuration"#]],
    );
}

#[test]
fn evaluation_without_rows() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[train]\nload_best_model_at_end = true\n[evaluation]\nearly_stopping_patience = 3\n",
        expect![[r#"
            error: `evaluation.early_stopping_patience` needs rows to evaluate on, and none are held out
              --> run.toml:6:27
              |
            6 | early_stopping_patience = 3
              |                           ^
              hint: set `evaluation.fraction` (0.02, say), `evaluation.groups` or `evaluation.names`

            error: `train.load_best_model_at_end` needs rows to evaluate on, and none are held out
              --> run.toml:4:26
              |
            4 | load_best_model_at_end = true
              |                          ^^^^
              hint: set `evaluation.fraction` (0.02, say), `evaluation.groups` or `evaluation.names`

            error: `evaluation.early_stopping_patience` needs evaluations during the run
              --> run.toml:6:27
              |
            6 | early_stopping_patience = 3
              |                           ^
              hint: set `evaluation.every_steps`

            3 problems in the configuration"#]],
    );
}

#[test]
fn sources_and_weights() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[dataset]\nnames = ['a/b', 'c/d', 'a/b', 'local:']\nmin_length = 10\nmax_length = 5\n[dataset.dataset_weights]\n'a/b' = 1\n'c/dd' = 2.5\n'c/d' = -1\n[evaluation]\nnames = ['c/d']\n",
        expect![[r#"
            error: `dataset.dataset_weights."c/d"` takes a number of at least 0, not the integer `-1`
              --> run.toml:10:9
               |
            10 | 'c/d' = -1
               |         ^^

            error: `dataset.min_length` (10) is more than `dataset.max_length` (5): no row would be left
              --> run.toml:5:14
              |
            5 | min_length = 10
              |              ^^

            error: `dataset.names` names `a/b` twice
              --> run.toml:4:9
              |
            4 | names = ['a/b', 'c/d', 'a/b', 'local:']
              |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            error: `dataset.names` has `local:` without a path
              --> run.toml:4:9
              |
            4 | names = ['a/b', 'c/d', 'a/b', 'local:']
              |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: write the path behind the colon

            error: `c/d` would be trained on and evaluated on
              --> run.toml:12:9
               |
            12 | names = ['c/d']
               |         ^^^^^^^
              hint: hold out a part of it with `evaluation.fraction` instead

            error: `dataset.dataset_weights` names `c/dd`, which is not in `dataset.names`
              --> run.toml:7:1
              |
            7 | [dataset.dataset_weights]
              | ^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: did you mean `c/d`?

            error: `dataset.dataset_weights` is used only with `dataset.interleave_mode = "weighted"`
              --> run.toml:7:1
              |
            7 | [dataset.dataset_weights]
              | ^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: set `dataset.interleave_mode = "weighted"`, or remove the weights

            7 problems in the configuration"#]],
    );
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[dataset]\nnames = ['a/b']\ninterleave_mode = 'round_robin'\ndataset_weights = { 'a/b' = 1, 'c/d' = 2 }\n[evaluation]\nnames = 'a/b'\n",
        expect![[r#"
            error: `a/b` would be trained on and evaluated on
              --> run.toml:8:9
              |
            8 | names = 'a/b'
              |         ^^^^^
              hint: hold out a part of it with `evaluation.fraction` instead

            error: `dataset.dataset_weights` names `c/d`, which is not in `dataset.names`
              --> run.toml:6:19
              |
            6 | dataset_weights = { 'a/b' = 1, 'c/d' = 2 }
              |                   ^^^^^^^^^^^^^^^^^^^^^^^^
              hint: write the names as in `dataset.names`

            error: `dataset.dataset_weights` is used only with `dataset.interleave_mode = "weighted"`
              --> run.toml:6:19
              |
            6 | dataset_weights = { 'a/b' = 1, 'c/d' = 2 }
              |                   ^^^^^^^^^^^^^^^^^^^^^^^^
              hint: set `dataset.interleave_mode = "weighted"`, or remove the weights

            3 problems in the configuration"#]],
    );
}

#[test]
fn targets_that_no_layer_has() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\nmode = 'full'\nload_from = 'x'\n[lora]\ntarget_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'\nlayers_to_transform = []\n",
        expect![[r#"
            error: `lora.target_modules` has `q_porj`, which is no projection of a decoder layer
              --> run.toml:6:18
              |
            6 | target_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'
              |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: did you mean `q_proj`?

            error: `lora.target_modules` has `lm_head`, which is no projection of a decoder layer
              --> run.toml:6:18
              |
            6 | target_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'
              |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: embeddings and the head stay frozen; `model.mode = "full"` trains them

            error: `lora.target_modules` has `c_attn`, which is no projection of a decoder layer
              --> run.toml:6:18
              |
            6 | target_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'
              |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: there are `q_proj`, `k_proj`, `v_proj`, `o_proj`, `up_proj`, `down_proj`, `gate_proj`, `qkv_proj` or `gate_up_proj`

            error: `lora.target_modules` names `q_proj` twice
              --> run.toml:6:18
              |
            6 | target_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'
              |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            error: `lora.target_modules` has `all-linear` beside other names
              --> run.toml:6:18
              |
            6 | target_modules = 'q_porj;lm_head;c_attn;q_proj;q_proj;all-linear'
              |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: `all-linear` already means every projection

            error: `lora.layers_to_transform` is an empty list: no layer would get an adapter
              --> run.toml:7:23
              |
            7 | layers_to_transform = []
              |                       ^^
              hint: remove it to give every layer an adapter

            error: `model.load_from` is an adapter, and `model.mode = "full"` trains none
              --> run.toml:4:13
              |
            4 | load_from = 'x'
              |             ^^^
              hint: merge the adapter into its base first and name the result in `model.name`

            7 problems in the configuration"#]],
    );
}

#[test]
fn schedules_and_their_fields() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[train]\nlr_scheduler_type = 'linear'\nmin_lr_ratio = 0.1\npolynomial_power = 2\nmicro_batch_size = 100000\ngradient_accumulation = 100000\n",
        expect![[r#"
            error: `train.min_lr_ratio` is used only by `cosine_with_min_lr` and `polynomial`
              --> run.toml:5:16
              |
            5 | min_lr_ratio = 0.1
              |                ^^^
              hint: set `train.lr_scheduler_type = "cosine_with_min_lr"`, or remove it

            error: `train.polynomial_power` is used only by `polynomial`
              --> run.toml:6:20
              |
            6 | polynomial_power = 2
              |                    ^
              hint: set `train.lr_scheduler_type = "polynomial"`, or remove it

            error: `train.micro_batch_size` × `train.gradient_accumulation` is 100000 × 100000: more than 1048576 sequences for one step
              --> run.toml:7:20
              |
            7 | micro_batch_size = 100000
              |                    ^^^^^^

            3 problems in the configuration"#]],
    );
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[train]\nlr_scheduler_type = 'cosine_with_min_lr'\nepochs = 1\nnum_steps = 5\n",
        expect![[r#"
            error: `train.num_steps` and `train.epochs` exclude each other
              --> run.toml:5:10
              |
            5 | epochs = 1
              |          ^
              hint: remove one of the two

            error: `cosine_with_min_lr` needs `train.min_lr_ratio`
              --> run.toml:4:21
              |
            4 | lr_scheduler_type = 'cosine_with_min_lr'
              |                     ^^^^^^^^^^^^^^^^^^^^
              hint: set it to the lowest learning rate as a share of the peak, 0.1 for example

            2 problems in the configuration"#]],
    );
}

#[test]
fn streams_cannot_be_shuffled_whole_or_counted() {
    check(
        "run.toml",
        "[model]\nname = 'a/b'\n[dataset]\nuse_cache = false\nshuffle = 'full'\n[train]\nepochs = 1\n\
         [sequence]\nmax_length = 8\noverlap = 8\n",
        expect![[r#"
            error: a full shuffle (`dataset.shuffle`) needs every row, and `dataset.use_cache = false` streams them
              --> run.toml:5:11
              |
            5 | shuffle = 'full'
              |           ^^^^^^
              hint: set `dataset.shuffle = "buffer"`, or `dataset.use_cache = true`

            error: `sequence.overlap` (8) is not less than `sequence.max_length` (8)
              --> run.toml:10:11
               |
            10 | overlap = 8
               |           ^

            error: `train.epochs` needs the length of the data, which a stream (`dataset.use_cache = false`) does not know
              --> run.toml:7:10
              |
            7 | epochs = 1
              |          ^
              hint: set `train.num_steps`, or `dataset.use_cache = true`

            3 problems in the configuration"#]],
    );
}
