//! `--plan`: what a run will hold in memory and how long a step may take, without the device.

use std::process::ExitCode;

use sigil_config::CheckpointPolicy as PolicySetting;
use sigil_model::CheckpointPolicy;
use sigil_places::Places;
use sigil_qlora::{cpu_rate::cpu_product_rate, memory_plan::MemoryPlan, step_work::StepWork};
use sigil_weights::DecoderConfig;

use crate::{cli::Arguments, exit::Failure, model_files, settings};

/// Share of the rate of one large matrix product that a whole step reaches on the CPU, as measured
/// over the quickstart and the reference shape (docs/benchmarks).
const STEP_SHARE: f64 = 0.5;

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
    let work = CheckpointPolicy::ALL.map(|policy| StepWork::new(settings, &config, policy).total());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rate = STEP_SHARE * cpu_product_rate();
    let seconds = work.map(|work| work / rate);

    if arguments.json {
        let rows: Vec<_> = plans
            .iter()
            .zip(work.iter().zip(seconds))
            .map(|((policy, cpu, cuda), (work, seconds))| {
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
                    "flops_per_step": work, "estimated_seconds_per_step_cpu": seconds,
                })
            })
            .collect();
        let report = serde_json::json!({
            "tokens_per_step": tokens,
            "base_parameters": parameters,
            "trained_parameters": plans[0].1.trained_parameters,
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
    let row = |label: &str, cells: [String; 4]| {
        println!("{label:20} {:>12} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3]);
    };
    row("TFLOP a step", work.map(|work| format!("{:.4}", work / 1e12)));
    row("seconds, this CPU", seconds.map(|seconds| format!("{seconds:.2}")));
    let policy = match settings.train.checkpoint_policy {
        PolicySetting::Auto => "auto: the first from the left that fits".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    println!("\ncheckpoint_policy: {policy}");
    println!(
        "seconds: an estimate for {cores} cores from a matrix product measured just now; for a GPU \
         divide the TFLOP by what it sustains"
    );
    Ok(ExitCode::SUCCESS)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
