//! Checkpoints that bitsandbytes saved already quantized.

use burn::tensor::DType;
use sigil_kernels::Cpu;
use sigil_model::{
    LoadOptions, Mode, ModelError,
    load::{Source, load},
};
use sigil_weights::{DecoderConfig, WeightFiles};

use crate::fixture::{Fixture, QLORA, relative};

fn options(mode: Mode) -> LoadOptions {
    LoadOptions { mode, adapter: None, max_sequence_length: 64, compute: DType::F32, seed: 0 }
}

#[test]
fn all_three_kinds_agree() {
    let fixture = Fixture::of("llama3");
    let (batch, kept) = fixture.batch();
    for kind in ["bnb-nf4", "bnb-nf4-nested", "bnb-fp4-nested"] {
        let folder = fixture.folder.join(kind);
        let config = DecoderConfig::read(&folder).expect("config reads");
        let files = WeightFiles::open(&folder).expect("weights open");
        let source = Source::Files(&files);
        let device = Default::default();
        let (decoder, parameters) =
            load::<Cpu>(&config, source, &options(QLORA), &device, &mut |_, _| ())
                .expect("the checkpoint loads");
        let logits: Vec<f32> =
            decoder.logits(&batch, &parameters).into_data().iter::<f32>().collect();
        let expected = WeightFiles::open(&folder.join("expected.safetensors")).expect("opens");
        let (all, vocab) = (expected.read_f32("logits").expect("there"), config.vocab_size);
        let wanted: Vec<f32> =
            kept.iter().flat_map(|&row| all[row * vocab..(row + 1) * vocab].to_vec()).collect();
        let error = relative(&logits, &wanted);
        assert!(error <= 2e-5, "{kind}: logits off by {error:e}");
    }
}

#[test]
fn a_quantized_checkpoint_cannot_be_trained_in_full() {
    let folder = Fixture::of("llama3").folder.join("bnb-nf4");
    let config = DecoderConfig::read(&folder).expect("config reads");
    let files = WeightFiles::open(&folder).expect("weights open");
    for mode in [Mode::Full, Mode::Lora] {
        let source = Source::Files(&files);
        let device = Default::default();
        let error = load::<Cpu>(&config, source, &options(mode), &device, &mut |_, _| ())
            .expect_err("4-bit weights have no gradient");
        assert!(matches!(error, ModelError::AlreadyQuantized { .. }), "{error}");
    }
}
