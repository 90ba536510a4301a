//! A micro-batch on its way to the device, and how much of a layer is kept of it.
//!
//! Where a device keeps memory by size ([`Kernels::KEEPS_SIZES`]) micro-batches are filled up to one number
//! of tokens: packed blocks are nearly full anyway, and then every step takes the same buffers. What is
//! filled in are short documents without a target at the end: no number of the others changes but for the
//! order of a sum.

use sigil_config::Settings;
use sigil_data::{Batch, NO_TARGET};
use sigil_kernels::Kernels;
use sigil_model::{Decoder, TokenBatch, decoder::LayerPolicies};

/// Tokens of an evaluation's batch where they are not filled up.
const EVALUATION_TOKENS: usize = 2048;
/// Tokens of a document that is filled in: attention over them is next to nothing.
const FILLER: usize = 128;

/// How every micro-batch of a run is computed.
#[derive(Clone, Debug)]
pub struct MicroBatches {
    /// What each layer keeps for its backward pass.
    pub policies: LayerPolicies,
    /// Tokens that micro-batches are filled up to where that saves memory; none leaves them as they are.
    pub filled_to: Option<usize>,
}

impl From<LayerPolicies> for MicroBatches {
    /// As they are.
    fn from(policies: LayerPolicies) -> Self {
        Self { policies, filled_to: None }
    }
}

impl MicroBatches {
    /// Fills up where documents are packed: others would be mostly filling.
    pub fn new(settings: &Settings, policies: LayerPolicies) -> Self {
        let tokens = settings.train.micro_batch_size * settings.sequence.max_length;
        Self { policies, filled_to: settings.sequence.pack.then_some(tokens) }
    }

    /// What batches are filled up to on a backend.
    pub(crate) fn filling<B: Kernels>(&self) -> Option<usize> {
        if B::KEEPS_SIZES { self.filled_to } else { None }
    }

    /// Tokens of an evaluation's batch on a backend.
    pub(crate) fn evaluation_tokens<B: Kernels>(&self) -> usize {
        self.filling::<B>().unwrap_or(EVALUATION_TOKENS)
    }

    /// Puts a batch on the decoder's device and runs `work` with it, in memory that is kept for the next
    /// one where that will have the same size.
    pub(crate) fn with_batch<B: Kernels, T>(
        &self,
        decoder: &Decoder<B>,
        batch: &Batch,
        work: impl FnOnce(TokenBatch<B>) -> T,
    ) -> T {
        let device = &decoder.device;
        match self.filling::<B>() {
            Some(tokens) => B::with_exact_memory(device, || {
                work(upload(&filled(batch, tokens, decoder.rotary.positions()), device))
            }),
            None => work(upload(batch, device)),
        }
    }
}

fn upload<B: Kernels>(batch: &Batch, device: &B::Device) -> TokenBatch<B> {
    let starts = batch.document_starts.clone();
    TokenBatch::new(&batch.tokens, batch.targets.clone(), starts, device)
}

/// The batch with documents behind it that end at a multiple of `tokens`, none longer than `longest`.
fn filled(batch: &Batch, tokens: usize, longest: usize) -> Batch {
    let mut batch = Batch { rows: vec![], ..batch.clone() };
    let (mut from, end) = (batch.tokens.len(), batch.tokens.len().next_multiple_of(tokens.max(1)));
    batch.tokens.resize(end, 0);
    batch.targets.resize(end, NO_TARGET);
    while from < end {
        let length = FILLER.min(longest).min(end - from);
        batch.positions.extend(0..length as u32);
        from += length;
        batch.document_starts.push(from as u32);
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sigil_kernels::{Cpu, DType};
    use sigil_model::{
        CheckpointPolicy, LoadOptions, Mode, Parameters, Pass,
        load::{Source, load},
    };
    use sigil_weights::{AdapterConfig, DecoderConfig};

    use super::*;

    const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 50, "hidden_size": 32,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "tie_word_embeddings": true}"#;

    fn batch(lengths: &[usize]) -> Batch {
        let mut batch = Batch { document_starts: vec![0], ..Batch::default() };
        for &length in lengths {
            let first = batch.tokens.len();
            batch.tokens.extend((first..first + length).map(|i| (i * 7 % 50) as u32));
            batch.targets.extend((1..length).map(|i| ((first + i) * 7 % 50) as i32));
            batch.targets.push(NO_TARGET);
            batch.positions.extend(0..length as u32);
            batch.document_starts.push((first + length) as u32);
        }
        batch
    }

    #[test]
    fn a_batch_is_filled_with_short_documents_without_targets() {
        let (before, after) = (batch(&[5, 3]), filled(&batch(&[5, 3]), 300, 64));
        assert_eq!(after.tokens[..8], before.tokens);
        assert_eq!((after.tokens.len(), after.target_count()), (300, before.target_count()));
        assert_eq!(after.document_starts, [0, 5, 8, 72, 136, 200, 264, 300]);
        assert_eq!(after.longest_document(), 64);
        assert_eq!(after.positions.len(), 300);
        assert_eq!(filled(&before, 8, 64).document_starts, before.document_starts);
        assert_eq!(filled(&before, 7, 1000).document_starts, [0, 5, 8, 14]);
    }

    #[test]
    fn filling_changes_no_loss_and_no_gradient() {
        let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("c")).expect("good");
        let options = LoadOptions {
            mode: Mode::Lora,
            adapter: Some(AdapterConfig { rank: 4, dropout: 0.2, ..AdapterConfig::default() }),
            max_sequence_length: 40,
            compute: DType::F32,
            seed: 1,
        };
        let device = Default::default();
        let (decoder, mut parameters): (Decoder<Cpu>, Parameters<Cpu>) =
            load(&config, Source::Fresh, &options, &device, &mut |_, _| ()).expect("fresh");
        // A branch of zeros has no gradient by A.
        for parameter in parameters.iter_mut() {
            let ones = parameter.value.ones_like();
            parameter.value = parameter.value.clone() + ones * 0.01;
        }
        let policies = LayerPolicies::uniform(CheckpointPolicy::Inputs, config.num_layers);
        let mut run = |batch: &Batch| {
            parameters.clear_gradients();
            let pass = Pass { training: true, seed: 5, neftune_alpha: Some(5.0) };
            let tokens = upload(batch, &device);
            let nll = decoder.train(&tokens, &mut parameters, 0.1, &pass, &policies);
            let gradients: Vec<f32> = parameters
                .iter()
                .filter_map(|parameter| parameter.gradient.as_ref())
                .flat_map(|gradient| gradient.to_data().iter::<f32>().collect::<Vec<_>>())
                .collect();
            (nll, gradients)
        };
        let plain = batch(&[17, 30, 2]);
        let (nll, gradients) = run(&plain);
        let (filled_nll, filled_gradients) = run(&filled(&plain, 64, 40));
        assert_eq!(nll, filled_nll[..49]);
        assert!(filled_nll[49..].iter().all(|&loss| loss == 0.0));
        assert_eq!(gradients.len(), filled_gradients.len());
        let largest = gradients.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(largest > 0.0);
        for (own, other) in gradients.iter().zip(&filled_gradients) {
            assert!((own - other).abs() <= 2e-6 * largest, "{own} {other}");
        }
    }
}
