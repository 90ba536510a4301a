//! Notes about settings that were set but have nothing to act on with the others as they are.

use crate::loaded::Book;
use crate::note::{Note, NoteKind};
use crate::settings::{
    CheckpointPolicy, ComputeDtype, Device, InterleaveMode, OnNonFinite, Settings, TrainingMode,
};

pub(super) fn check(settings: &Settings, book: &Book, notes: &mut Vec<Note>) {
    let mut idle = |key: &str, because: &str| {
        if book.is_set(key) {
            notes.push(Note {
                kind: NoteKind::NoMeaning,
                key: key.to_owned(),
                message: format!("`{key}` has no effect: {because}"),
                origin: book.origin(key),
            });
        }
    };
    if settings.model.mode != TrainingMode::Qlora {
        for key in ["quantization.quant_type", "quantization.use_double_quant"] {
            idle(key, "`model.mode` leaves the base unquantized");
        }
    }
    if settings.model.mode == TrainingMode::Full {
        for key in [
            "lora.r",
            "lora.alpha",
            "lora.dropout",
            "lora.target_modules",
            "lora.use_rslora",
            "lora.layers_to_transform",
            "lora.rank_pattern",
            "lora.alpha_pattern",
        ] {
            idle(key, "`model.mode = \"full\"` trains no adapters");
        }
    }
    if settings.run.device == Device::Cpu {
        if settings.quantization.compute_dtype == ComputeDtype::Bfloat16 {
            idle("quantization.compute_dtype", "the CPU computes in float32");
        }
        if settings.train.checkpoint_policy == CheckpointPolicy::Offload {
            idle(
                "train.checkpoint_policy",
                "on the CPU there is nowhere to offload to, so it is the same as `inputs`",
            );
        }
    }
    if settings.dataset.names.len() < 2
        || settings.dataset.interleave_mode == InterleaveMode::Sequential
    {
        idle("dataset.interleave_stop", "the sources are read one after the other");
    }
    if settings.dataset.shuffle_seed.is_none() {
        for key in ["dataset.shuffle", "dataset.shuffle_buffer"] {
            idle(key, "without `dataset.shuffle_seed` rows stay in order");
        }
    }
    if settings.train.on_non_finite == OnNonFinite::Stop {
        idle("train.max_skipped_steps", "`train.on_non_finite = \"stop\"` skips no step");
    }
}
