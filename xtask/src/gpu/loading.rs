//! The stage `load`: a checkpoint of the shape is written to the local disk, then loaded from there and
//! quantized, by the device and by the host.
//!
//! Its numbers are drawn, a block of them repeated: no model of such a size can be carried. What the system
//! still has of the file in memory is dropped before each loading.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use half::bf16;
use miette::{Context, IntoDiagnostic, miette};
use serde_json::json;
use sigil_config::{Settings, TrainingMode};
use sigil_kernels::{
    DType, Kernels,
    cuda::{Family, leave_out},
    random,
    trial::{release, wait},
};
use sigil_model::{
    CheckpointPolicy, LoadOptions, Mode,
    load::{Source, load},
};
use sigil_qlora::memory_plan::MemoryPlan;
use sigil_weights::{
    AdapterConfig, DecoderConfig, Dtype, FourBit, WeightFiles,
    tensor_files::{TensorOutline, safetensors_header},
};

use super::{
    command::{RunArguments, Shape},
    model::{config_text, sequence_tokens},
    stages::{Found, Speaker},
};

/// Numbers that are drawn; the file repeats them.
const DRAWN: usize = (4 << 20) - 1;
/// Time between two looks at the memory of the process.
const LOOK: Duration = Duration::from_millis(10);

/// Runs the cases and takes the checkpoint away.
pub(crate) fn run<B: Kernels>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    arguments: &RunArguments,
) -> miette::Result<()> {
    let text = config_text(arguments.shape);
    let config = DecoderConfig::parse(text.as_bytes(), Path::new("the built-in config"))
        .map_err(|error| miette!("{error}"))?;
    let checkpoint = Checkpoint { path: arguments.out.join("load.safetensors"), config };
    speaker.case("write a checkpoint in bf16", || checkpoint.write())?;
    let load = || checkpoint.load::<B>(device, dtype, arguments.shape);
    speaker.case("load it, quantized to NF4", load)?;
    leave_out(Family::Quantization);
    speaker.case("load it, quantized to NF4 by the host", load)?;
    match std::fs::remove_file(&checkpoint.path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)
            .into_diagnostic()
            .wrap_err_with(|| format!("removing {}", checkpoint.path.display())),
        _ => Ok(()),
    }
}

struct Checkpoint {
    path: PathBuf,
    config: DecoderConfig,
}

impl Checkpoint {
    /// The tensors of the family, in bf16.
    fn tensors(&self) -> Vec<TensorOutline> {
        let config = &self.config;
        let (hidden, vocab) = (config.hidden_size, config.vocab_size);
        let mut tensors = vec![];
        let mut add = |name: String, shape: &[usize]| {
            tensors.push(TensorOutline { name, dtype: Dtype::BF16, shape: shape.to_vec() });
        };
        add("model.embed_tokens.weight".to_owned(), &[vocab, hidden]);
        if !config.tie_word_embeddings {
            add("lm_head.weight".to_owned(), &[vocab, hidden]);
        }
        add("model.norm.weight".to_owned(), &[hidden]);
        for layer in 0..config.num_layers {
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                add(format!("model.layers.{layer}.{norm}.weight"), &[hidden]);
            }
        }
        for module in config.linear_modules() {
            add(format!("{}.weight", module.name), &[module.out_features, module.in_features]);
            if module.bias {
                add(format!("{}.bias", module.name), &[module.out_features]);
            }
        }
        tensors
    }

    fn write(&self) -> miette::Result<Found> {
        let begun = Instant::now();
        let mut tensors = self.tensors();
        let header = safetensors_header(&mut tensors, &Default::default())
            .map_err(|error| miette!("{error}"))?;
        let bytes = tensors.iter().map(TensorOutline::bytes).sum::<u64>();
        let drawn: Vec<u8> = (0..DRAWN as u64)
            .flat_map(|i| bf16::from_f32(0.02 * random::normal(1, i)).to_le_bytes())
            .collect();
        let write = || -> std::io::Result<()> {
            let mut file = BufWriter::new(File::create(&self.path)?);
            file.write_all(&header)?;
            let mut left = bytes;
            while left > 0 {
                let part = &drawn[..left.min(drawn.len() as u64) as usize];
                file.write_all(part)?;
                left -= part.len() as u64;
            }
            file.into_inner()?.sync_all()
        };
        write().into_diagnostic().wrap_err_with(|| format!("writing {}", self.path.display()))?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Found {
            ok: true,
            text: format!("{:.2} GB in {seconds:.1} s", bytes as f64 / 1e9),
            figures: json!({ "bytes": bytes, "seconds": seconds }),
        })
    }

    fn load<B: Kernels>(
        &self,
        device: &B::Device,
        dtype: DType,
        shape: Shape,
    ) -> miette::Result<Found> {
        let path = &self.path;
        forget(path).into_diagnostic().wrap_err_with(|| format!("reading {}", path.display()))?;
        release::<B>(device);
        let files = WeightFiles::open(path).map_err(|error| miette!("{error}"))?;
        let options = LoadOptions {
            mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
            adapter: Some(AdapterConfig { rank: 16, ..AdapterConfig::default() }),
            max_sequence_length: sequence_tokens(shape),
            compute: dtype,
            seed: 42,
        };
        let on_device = B::quantizes(device);
        let before = anonymous_bytes();
        let begun = Instant::now();
        let (model, most) = watched(|| {
            let source = Source::Files(&files);
            let model = load::<B>(&self.config, source, &options, device, &mut |_, _| ())
                .map_err(|error| miette!("{error}"))?;
            wait::<B>(device).map_err(|error| miette!("{error}"))?;
            Ok::<_, miette::Report>(model)
        });
        let seconds = begun.elapsed().as_secs_f64();
        let model = model?;
        let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let rate = bytes as f64 / seconds / 1e9;
        let host = most.saturating_sub(before);
        let memory = B::memory(device);
        drop(model);
        let planned = self.planned(shape, dtype);
        let gibibytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let taken = memory.map_or_else(String::new, |memory| {
            format!(", {:.2} GiB of the device", gibibytes(memory.reserved))
        });
        Ok(Found {
            // Weights that are not what the plan counts would be found in every other figure too.
            ok: memory.is_none_or(|memory| memory.reserved <= planned + planned / 10),
            text: format!(
                "{seconds:.1} s, {rate:.2} GB/s, quantized by the {}; anonymous host memory {:.2} GiB \
                 more{taken} ({:.2} planned)",
                if on_device { "device" } else { "host" },
                gibibytes(host),
                gibibytes(planned),
            ),
            figures: json!({
                "seconds": seconds, "bytes": bytes, "quantized_by_device": on_device,
                "anonymous_bytes": host, "planned_bytes": planned,
                "reserved_bytes": memory.map(|memory| memory.reserved),
            }),
        })
    }

    /// What `sigil-train --plan` counts for weights and trained parameters.
    fn planned(&self, shape: Shape, dtype: DType) -> u64 {
        let mut settings = Settings::default();
        settings.model.mode = TrainingMode::Qlora;
        settings.lora.r = 16;
        settings.sequence.max_length = sequence_tokens(shape);
        let policy = CheckpointPolicy::Inputs;
        let plan = MemoryPlan::new(&settings, &self.config, policy, dtype.size() as u64);
        plan.base_bytes + plan.embedding_bytes + plan.trained_bytes
    }
}

/// Has the system forget what it holds of a file.
fn forget(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Runs `work`; its result, and the most anonymous memory of the process meanwhile.
fn watched<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (most, done) = (AtomicU64::new(anonymous_bytes()), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_bytes(), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, most.into_inner())
}

/// Memory of this process that is no file's; 0 where Linux does not say.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_kernels::Cpu;

    #[test]
    fn a_written_checkpoint_is_loaded() -> miette::Result<()> {
        let folder = tempfile::tempdir().into_diagnostic()?;
        let text = config_text(Shape::Toy);
        let config = DecoderConfig::parse(text.as_bytes(), Path::new("c"))
            .map_err(|error| miette!("{error}"))?;
        let checkpoint = Checkpoint { path: folder.path().join("load.safetensors"), config };
        checkpoint.write()?;
        let found = checkpoint.load::<Cpu>(&Default::default(), DType::F32, Shape::Toy)?;
        assert!(found.ok && found.text.contains("by the host"), "{}", found.text);
        let written = std::fs::metadata(&checkpoint.path).into_diagnostic()?.len();
        assert_eq!(found.figures["bytes"], written);
        Ok(())
    }

    #[test]
    fn memory_that_is_held_for_a_moment_is_seen() {
        let (length, most) = watched(|| {
            let held = vec![1u8; 64 << 20];
            std::thread::sleep(5 * LOOK);
            std::hint::black_box(&held).len()
        });
        assert!(most >= length as u64, "{most}");
    }
}
