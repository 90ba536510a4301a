//! `--plan`: what a run will hold in memory and how long a step may take, without the device.

use std::process::ExitCode;

use sigil_config::CheckpointPolicy as PolicySetting;
use sigil_model::CheckpointPolicy;
use sigil_qlora::memory_plan::MemoryPlan;
use sigil_weights::DecoderConfig;

use crate::{cli::Arguments, exit::Failure, model_files, places::Places, settings};

/// Multiply-adds that this machine is assumed to do in a second for each core, for the estimate.
const CPU_FLOPS_PER_CORE: f64 = 6e10;

/// Prints the plan.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let places = Places::find();
    let loaded = settings::load(arguments, &places)?;
    loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let settings = &loaded.settings;
    let folder = model_files::find(settings, &places)?;
    let config = DecoderConfig::read(&folder)
        .map_err(|error| Failure::new(5, &error, error.hint().map(str::to_owned)))?;
    let names: Vec<String> = config.linear_modules().into_iter().map(|m| m.name).collect();
    loaded.check_against_model(&names)?;

    let plans = CheckpointPolicy::ALL.map(|policy| {
        // f32 on the CPU, bf16 on CUDA.
        (
            policy,
            MemoryPlan::new(settings, &config, policy, 4),
            MemoryPlan::new(settings, &config, policy, 2),
        )
    });
    let tokens = settings.train.sequences_per_step() * settings.sequence.max_length;
    let parameters = sigil_model::adapter::base_parameter_count(&config);
    // Forward, backward by the input, and the same again where layers are recomputed.
    let flops = 4.0 * parameters as f64 * tokens as f64;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let seconds = flops / (CPU_FLOPS_PER_CORE * cores as f64);

    if arguments.json {
        let rows: Vec<_> = plans
            .iter()
            .map(|(policy, cpu, cuda)| {
                let parts = |plan: &MemoryPlan| {
                    plan.parts()
                        .into_iter()
                        .map(|(name, bytes)| (name.replace(' ', "_"), bytes.into()))
                        .collect::<serde_json::Map<_, _>>()
                };
                serde_json::json!({
                    "policy": policy.name(),
                    "cpu_bytes": parts(cpu), "cpu_total_bytes": cpu.total(),
                    "cuda_bytes": parts(cuda), "cuda_total_bytes": cuda.total(),
                })
            })
            .collect();
        let report = serde_json::json!({
            "tokens_per_step": tokens,
            "base_parameters": parameters,
            "trained_parameters": plans[0].1.trained_parameters,
            "estimated_seconds_per_step_cpu": seconds,
            "policies": rows,
        });
        println!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} parameters in the base, {} trained; {tokens} tokens a step\n",
        parameters, plans[0].1.trained_parameters
    );
    println!(
        "{:20} {:>12} {:>12} {:>12} {:>12}  (CPU, f32)",
        "", "none", "minimal", "inputs", "offload"
    );
    for (i, (name, _)) in plans[0].1.parts().iter().enumerate() {
        let cells = plans.each_ref().map(|(_, cpu, _)| mebibytes(cpu.parts()[i].1));
        println!("{name:20} {:>12} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3]);
    }
    for (label, pick) in [("total, CPU f32", true), ("total, CUDA bf16", false)] {
        let cells = plans
            .each_ref()
            .map(|(_, cpu, cuda)| mebibytes(if pick { cpu.total() } else { cuda.total() }));
        println!("{label:20} {:>12} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3]);
    }
    let policy = match settings.train.checkpoint_policy {
        PolicySetting::Auto => "auto: the first from the left that fits".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    println!("\ncheckpoint_policy: {policy}");
    println!(
        "on this machine's {cores} cores a step should take about {seconds:.2} s (a rough estimate)"
    );
    Ok(ExitCode::SUCCESS)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
