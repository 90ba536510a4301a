//! Keys of the predecessor and of the libraries around it (transformers, PEFT, TRL), and what
//! becomes of each: another name, another value, no meaning, or a refusal with the route that
//! works. No key of theirs is dropped in silence.
//!
//! Tables only. Read next: `translate.rs`, which applies them; `legacy_values.rs`, the values.

/// What becomes of an old key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// The same setting under another name.
    Renamed(&'static str),
    /// A switch that becomes a value of another setting.
    Switch { to: &'static str, on: &'static str, off: &'static str },
    /// Nothing to act on here; the value still has to be of its type.
    NoMeaning { takes: Takes, because: &'static str },
    /// Only these values (`null` besides) ask for what sigil does; any other is refused.
    Only { accepted: &'static [&'static str], because: &'static str, route: &'static str },
}

/// The type of a key without meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Bool,
    Count,
}

use Fate::{NoMeaning, Only, Renamed, Switch};

const LOADER: &str = "rows are tokenized once into a cache that is read faster than a step takes, so there are no \
     data-loading processes (`run.threads` sets the threads)";
const PLANNED: &str =
    "memory is planned before the run and reused, so there is no cache to clear between steps";
const ATTENTION: &str =
    "attention never stores the square of the sequence length, with this switch or without";
const NOT_HERE: &str = "sigil does not implement it";

/// Every old key, by its old name.
pub(crate) const KEYS: &[(&str, Fate)] = &[
    ("model_name", Renamed("model.name")),
    ("dataset_name", Renamed("dataset.names")),
    ("max_seq_len", Renamed("sequence.max_length")),
    ("pack", Renamed("sequence.pack")),
    ("dataset.name", Renamed("dataset.names")),
    ("model.model_name", Renamed("model.name")),
    ("sequence.max_seq_len", Renamed("sequence.max_length")),
    ("sequence.packing", Renamed("sequence.pack")),
    ("train.lr", Renamed("train.learning_rate")),
    ("train.max_seq_length", Renamed("sequence.max_length")),
    ("train.packing", Renamed("sequence.pack")),
    ("train.max_steps", Renamed("train.num_steps")),
    ("train.num_train_epochs", Renamed("train.epochs")),
    ("train.per_device_train_batch_size", Renamed("train.micro_batch_size")),
    ("train.gradient_accumulation_steps", Renamed("train.gradient_accumulation")),
    ("train.optim", Renamed("train.optimizer")),
    ("train.save_steps", Renamed("train.save_every")),
    ("train.report_to", Renamed("train.log_backend")),
    ("train.min_lr_rate", Renamed("train.min_lr_ratio")),
    ("train.eval_every", Renamed("evaluation.every_steps")),
    ("train.eval_steps", Renamed("evaluation.every_steps")),
    ("train.early_stopping_patience", Renamed("evaluation.early_stopping_patience")),
    ("train.seed", Renamed("run.seed")),
    ("train.output_dir", Renamed("run.output_dir")),
    ("train.bf16", Switch { to: "quantization.compute_dtype", on: "bfloat16", off: "float32" }),
    ("train.grad_checkpointing", Switch { to: "train.checkpoint_policy", on: "auto", off: "none" }),
    (
        "train.gradient_checkpointing",
        Switch { to: "train.checkpoint_policy", on: "auto", off: "none" },
    ),
    ("train.use_flash_attention", NoMeaning { takes: Takes::Bool, because: ATTENTION }),
    ("train.dataloader_num_workers", NoMeaning { takes: Takes::Count, because: LOADER }),
    ("train.dataloader_pin_memory", NoMeaning { takes: Takes::Bool, because: LOADER }),
    ("train.dataloader_prefetch_factor", NoMeaning { takes: Takes::Count, because: LOADER }),
    ("train.clear_cache_every_n_steps", NoMeaning { takes: Takes::Count, because: PLANNED }),
    (
        "train.fp16",
        Only {
            accepted: &["false"],
            because: "float16 overflows without loss scaling, which sigil does not do",
            route: "leave it out: activations are bfloat16 on CUDA and float32 on the CPU",
        },
    ),
    ("lora.lora_alpha", Renamed("lora.alpha")),
    ("lora.lora_dropout", Renamed("lora.dropout")),
    (
        "lora.bias",
        Only {
            accepted: &["none"],
            because: "only the adapters are trained, not the biases",
            route: "set it to `none`, or train every parameter with `model.mode = \"full\"`",
        },
    ),
    (
        "lora.use_dora",
        Only {
            accepted: &["false"],
            because: NOT_HERE,
            route: "leave it out; `lora.use_rslora` or a higher `lora.r` are the options there are",
        },
    ),
    (
        "lora.modules_to_save",
        Only {
            accepted: &["[]"],
            because: "modules outside the adapters stay frozen",
            route: "leave it out, or train every parameter with `model.mode = \"full\"`",
        },
    ),
    (
        "lora.init_lora_weights",
        Only {
            accepted: &["true"],
            because: "adapters start as PEFT's default: A kaiming-uniform, B zero",
            route: "leave it out, or start from an adapter made elsewhere with `model.load_from`",
        },
    ),
    (
        "lora.task_type",
        Only {
            accepted: &["CAUSAL_LM"],
            because: "sigil trains causal language models only",
            route: "leave it out",
        },
    ),
    ("bnb_4bit.quant_type", Renamed("quantization.quant_type")),
    ("bnb_4bit.compute_dtype", Renamed("quantization.compute_dtype")),
    ("bnb_4bit.use_double_quant", Renamed("quantization.use_double_quant")),
    ("misc.output_dir", Renamed("run.output_dir")),
    ("misc.logging_dir", Renamed("run.logging_dir")),
    ("misc.seed", Renamed("run.seed")),
    ("misc.load_from", Renamed("model.load_from")),
    ("misc.log_file", Renamed("run.log_file")),
    ("misc.deterministic", Renamed("run.deterministic")),
    ("misc.model_card_frequency", Renamed("run.model_card_frequency")),
    ("misc.sweep_metadata", Renamed("run.sweep_metadata")),
    ("run.load_from", Renamed("model.load_from")),
];

/// Sections that exist only in old files.
pub(crate) const SECTIONS: &[&str] = &["bnb_4bit", "misc"];

/// Finds what becomes of a key.
pub(crate) fn fate(key: &str) -> Option<Fate> {
    KEYS.iter().find(|(old, _)| *old == key).map(|(_, fate)| *fate)
}

/// Returns the present name of a key, whether it is old or not.
pub(crate) fn present_name(key: &str) -> &str {
    match fate(key) {
        Some(Renamed(to) | Switch { to, .. }) => to,
        _ => key,
    }
}
