//! The stages that this program runs itself: cases one after another, a line before and after each.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use miette::{Context, IntoDiagnostic, miette};
use serde_json::json;
use sigil_kernels::{
    Cpu, CudaDevice, DType, Decoding, Gpu,
    cuda::{Family, fix_products, leave_out},
    device::probe_cuda,
    trial::{Sizes, parity_cases, release, self_check, speed_cases, wait},
};

use super::{
    command::{Device, RunArguments, Shape, Stage},
    fixtures, generation, learning, loading,
    supervisor::{CaseResult, Line},
    training,
};

/// Times an operation is repeated at most, and the time after which it is enough.
const REPEATS: usize = 50;
const ENOUGH_SECONDS: f64 = 0.5;

/// The outcome of a case.
pub(crate) struct Found {
    /// False where numbers disagree.
    pub(crate) ok: bool,
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) figures: serde_json::Value,
}

/// Says what happens to the process that started this one.
pub(crate) struct Speaker<'a> {
    arguments: &'a RunArguments,
    next: usize,
}

impl<'a> Speaker<'a> {
    fn new(arguments: &'a RunArguments) -> Self {
        Self { arguments, next: 0 }
    }

    /// Runs a case if it is one of those asked for.
    pub(crate) fn case(
        &mut self,
        name: &str,
        run: impl FnOnce() -> miette::Result<Found>,
    ) -> miette::Result<()> {
        let index = self.next;
        self.next += 1;
        if index < self.arguments.from || !name.contains(&self.arguments.only) {
            return Ok(());
        }
        say(&Line::Begun { index, case: name.to_owned() })?;
        let found = run().unwrap_or_else(|error| Found {
            ok: false,
            text: error.to_string(),
            figures: json!({}),
        });
        let figures = match found.figures {
            serde_json::Value::Object(figures) => figures,
            _ => Default::default(),
        };
        let (ok, text) = (found.ok, found.text);
        say(&Line::Ended(CaseResult { index, case: name.to_owned(), ok, text, figures }))
    }
}

fn say(line: &Line) -> miette::Result<()> {
    let line = serde_json::to_string(line).expect("strings and numbers serialize");
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .into_diagnostic()
        .wrap_err("the process that started this one is gone")
}

/// Is the process of a stage.
///
/// # Errors
/// There is no card, or nobody reads.
pub(crate) fn run(stage: Stage, arguments: &RunArguments) -> miette::Result<()> {
    let mut speaker = Speaker::new(arguments);
    if arguments.without_warpgroups {
        leave_out(Family::Warpgroups);
    }
    if stage == Stage::Doctor {
        return speaker.case("the machine", || doctor(arguments.device));
    }
    match arguments.device {
        Device::Cpu => on::<Cpu>(stage, arguments, &mut speaker, &Default::default(), DType::F32),
        Device::Cuda => {
            cards()?;
            let device = CudaDevice::new(0);
            if stage == Stage::Check {
                // First without TF32 and without choices by timing, then as Burn chooses: it stages
                // f32 products as TF32 on tensor cores, which is about 1e-3.
                fix_products(true);
                parity::<Gpu>(&mut speaker, &device, DType::F32, "F32 exact", 1e-4)?;
                fix_products(false);
                parity::<Gpu>(&mut speaker, &device, DType::F32, "F32", 5e-3)?;
            }
            if matches!(stage, Stage::Load | Stage::Train | Stage::Generate | Stage::Learn) {
                // Like the programs: a group of kernels that is wrong on this card is left out.
                for disagreement in self_check::<Gpu>(&device) {
                    warn(&disagreement.to_string());
                }
            }
            on::<Gpu>(stage, arguments, &mut speaker, &device, DType::BF16)
        }
    }
}

/// A line in the file of what the stage says beside its results.
fn warn(text: &str) {
    let mut output = std::io::stderr().lock();
    // Where nobody can be warned the results still count.
    let _unheard = writeln!(output, "warning: {text}");
}

fn on<B: Decoding>(
    stage: Stage,
    arguments: &RunArguments,
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
) -> miette::Result<()> {
    match stage {
        Stage::Check => {
            let tolerance = if dtype == DType::F32 { 1e-4 } else { 2e-2 };
            parity::<B>(speaker, device, dtype, &format!("{dtype:?}"), tolerance)
        }
        Stage::Ops => ops::<B>(speaker, device, dtype, sizes(arguments.shape)),
        Stage::Load => loading::run::<B>(speaker, device, dtype, arguments),
        Stage::Train => training::run::<B>(speaker, device, dtype, arguments),
        Stage::Generate => generation::run::<B>(speaker, device, dtype, arguments),
        Stage::Learn => learning::run::<B>(speaker, device, dtype, arguments),
        Stage::Doctor | Stage::Peers => Err(miette!("{} has a process elsewhere", stage.name())),
    }
}

fn cuda_path() -> Option<PathBuf> {
    std::env::var_os("CUDA_PATH").map(PathBuf::from)
}

fn cards() -> miette::Result<Vec<sigil_kernels::device::CudaDevice>> {
    probe_cuda(cuda_path().as_deref()).map_err(|error| miette!("{error}; {}", error.hint()))
}

/// Memory of the first card that is in use, by whomever.
pub(crate) fn used_bytes(device: Device) -> Option<u64> {
    match device {
        Device::Cpu => sigil_qlora::memory::peak_resident_bytes(),
        Device::Cuda => {
            let cards = cards().ok()?;
            cards.first().map(|card| card.memory_total_bytes - card.memory_free_bytes)
        }
    }
}

fn doctor(device: Device) -> miette::Result<Found> {
    match device {
        Device::Cpu => Ok(Found {
            ok: true,
            text: "a rehearsal on the CPU: no card is asked for".to_owned(),
            figures: json!({ "device": "cpu" }),
        }),
        Device::Cuda => {
            let card = cards()?.swap_remove(0);
            let (major, minor) = card.compute_capability;
            Ok(Found {
                ok: true,
                text: format!("{}, compute capability {major}.{minor}", card.name),
                figures: json!({
                    "device": card.name,
                    "compute_capability": format!("{major}.{minor}"),
                    "memory_total_bytes": card.memory_total_bytes,
                    "memory_free_bytes": card.memory_free_bytes,
                    "driver_cuda": format!("{}.{}", card.driver_version.0, card.driver_version.1),
                }),
            })
        }
    }
}

fn sizes(shape: Shape) -> Sizes {
    match shape {
        Shape::Llama8b => Sizes::LLAMA_8B,
        Shape::Qwen7b => Sizes {
            hidden: 3584,
            intermediate: 18_944,
            heads: 28,
            kv_heads: 4,
            vocab: 152_064,
            ..Sizes::LLAMA_8B
        },
        Shape::Qwen1b5 => Sizes {
            hidden: 1536,
            intermediate: 8960,
            heads: 12,
            kv_heads: 2,
            vocab: 151_936,
            ..Sizes::LLAMA_8B
        },
        Shape::Toy => Sizes::TOY,
    }
}

fn parity<B: Decoding>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    label: &str,
    tolerance: f64,
) -> miette::Result<()> {
    for case in parity_cases::<B>(device, dtype, tolerance) {
        speaker.case(&format!("{label} {}", case.name), || {
            let error = (case.run)();
            wait::<B>(device).map_err(|error| miette!("{error}"))?;
            Ok(Found {
                ok: error <= case.tolerance,
                text: format!("error {error:.1e}, at most {:.0e}", case.tolerance),
                figures: json!({ "error": error, "tolerance": case.tolerance }),
            })
        })?;
    }
    fixtures::run::<B>(speaker, device, dtype, label, tolerance)
}

fn ops<B: Decoding>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    sizes: Sizes,
) -> miette::Result<()> {
    for case in speed_cases::<B>(device, dtype, sizes) {
        let (operations, bytes) = (case.operations, case.bytes);
        speaker.case(&case.name.clone(), || {
            let settle = || wait::<B>(device).map_err(|error| miette!("{error}"));
            let mut repeat = (case.prepare)();
            // Twice: the first call compiles, and may choose a kernel by trying several.
            repeat();
            repeat();
            settle()?;
            let begun = Instant::now();
            repeat();
            settle()?;
            let once = begun.elapsed().as_secs_f64();
            let repeats = ((ENOUGH_SECONDS / once.max(1e-6)) as usize).clamp(1, REPEATS);
            let begun = Instant::now();
            for _ in 0..repeats {
                repeat();
            }
            settle()?;
            let seconds = begun.elapsed().as_secs_f64() / repeats as f64;
            drop(repeat);
            release::<B>(device);
            let (tera, giga) = (operations / seconds / 1e12, bytes / seconds / 1e9);
            let rate = if operations > 0.0 {
                format!("{tera:>8.2} TFLOP/s")
            } else {
                format!("{giga:>8.1} GB/s")
            };
            Ok(Found {
                ok: true,
                text: format!("{:>9.3} ms  {rate}", seconds * 1e3),
                figures: json!({
                    "ms": seconds * 1e3, "repeats": repeats, "operations": operations,
                    "bytes": bytes, "tflops": tera, "gb_per_s": giga,
                }),
            })
        })?;
    }
    Ok(())
}
