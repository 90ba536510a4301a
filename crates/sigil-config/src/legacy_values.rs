//! Values that have another name here, and values that are understood but refused.
//!
//! Tables only, applied after keys have their present names. Read next: `translate.rs`.

/// What becomes of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ValueFate {
    /// It has another name here, and this is to be said.
    Mapped { to: &'static str, because: &'static str },
    /// It asks for something sigil does not do.
    Refused { because: &'static str, route: &'static str },
}

use ValueFate::{Mapped, Refused};

const F32_MOMENTS: &str =
    "it is the same AdamW; its moments stay in float32, a few bytes for each adapter weight";
const SAME: &str = "it is the same arithmetic";
const SCHEDULES: &str =
    "use `constant`, `linear`, `cosine`, `cosine_with_min_lr`, `inverse_sqrt` or `polynomial`";
const NOT_HERE: &str = "sigil does not implement it";
const OPTIMIZERS: &str = "use `adamw`";
const LORA_MODE: &str = "set `model.mode = \"lora\"` for an unquantized base";

/// Setting, value, and what becomes of it.
const VALUES: &[(&str, &str, ValueFate)] = &[
    ("train.optimizer", "paged_adamw_8bit", Mapped { to: "adamw", because: F32_MOMENTS }),
    ("train.optimizer", "paged_adamw_32bit", Mapped { to: "adamw", because: F32_MOMENTS }),
    ("train.optimizer", "paged_adamw", Mapped { to: "adamw", because: F32_MOMENTS }),
    ("train.optimizer", "adamw_8bit", Mapped { to: "adamw", because: F32_MOMENTS }),
    ("train.optimizer", "adamw_bnb_8bit", Mapped { to: "adamw", because: F32_MOMENTS }),
    ("train.optimizer", "adamw_torch", Mapped { to: "adamw", because: SAME }),
    ("train.optimizer", "adamw_torch_fused", Mapped { to: "adamw", because: SAME }),
    ("train.optimizer", "adamw_hf", Mapped { to: "adamw", because: SAME }),
    ("train.optimizer", "adafactor", Refused { because: NOT_HERE, route: OPTIMIZERS }),
    ("train.optimizer", "sgd", Refused { because: NOT_HERE, route: OPTIMIZERS }),
    ("train.optimizer", "lion_8bit", Refused { because: NOT_HERE, route: OPTIMIZERS }),
    ("train.optimizer", "paged_lion_8bit", Refused { because: NOT_HERE, route: OPTIMIZERS }),
    (
        "train.lr_scheduler_type",
        "constant_with_warmup",
        Mapped { to: "constant", because: "every schedule here begins with the warm-up" },
    ),
    (
        "train.lr_scheduler_type",
        "cosine_with_restarts",
        Refused { because: NOT_HERE, route: SCHEDULES },
    ),
    (
        "train.lr_scheduler_type",
        "reduce_lr_on_plateau",
        Refused { because: NOT_HERE, route: SCHEDULES },
    ),
    (
        "train.lr_scheduler_type",
        "warmup_stable_decay",
        Refused { because: NOT_HERE, route: SCHEDULES },
    ),
    (
        "train.log_backend",
        "wandb",
        Refused {
            because: "sigil sends nothing to a service while it trains",
            route: "set it to `tensorboard` or `jsonl`; tests/peers/wandb_from_run.py brings a run's \
                    `metrics.jsonl` there, afterwards or while it trains",
        },
    ),
    (
        "train.log_backend",
        "mlflow",
        Refused {
            because: "sigil sends nothing to a service while it trains",
            route: "set it to `jsonl` and load the run folder's `metrics.jsonl` afterwards",
        },
    ),
    (
        "quantization.compute_dtype",
        "float16",
        Refused {
            because: "float16 overflows without loss scaling, which sigil does not do",
            route: "set it to `bfloat16` (or `float32` on a GPU without bfloat16)",
        },
    ),
    (
        "quantization.quant_type",
        "none",
        Refused { because: "this is the 4-bit format", route: LORA_MODE },
    ),
    (
        "quantization.quant_type",
        "int8",
        Refused { because: NOT_HERE, route: "use `nf4` or `fp4`, or `model.mode = \"lora\"`" },
    ),
    ("run.device", "mps", Refused { because: "there is no Metal backend", route: "use `cpu`" }),
    (
        "run.device",
        "rocm",
        Refused { because: "there is no ROCm backend", route: "use `cpu` or an NVIDIA GPU" },
    ),
];

/// Finds what becomes of a value.
pub(crate) fn fate(key: &str, value: &str) -> Option<ValueFate> {
    VALUES
        .iter()
        .find(|(setting, old, _)| *setting == key && *old == value)
        .map(|(_, _, fate)| *fate)
}
