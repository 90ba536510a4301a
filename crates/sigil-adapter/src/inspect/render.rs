//! The facts as text for people.
//!
//! Columns are aligned with spaces; no colours, so that it can be piped. Next: `../inspect.rs`.

use std::fmt::{self, Display, Formatter};

use super::{AdapterFacts, Inspection, RunFacts};
use crate::files::size;

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.path, self.kind)?;
        if let Some(run) = &self.run {
            write_run(f, run)?;
        }
        if let Some(adapter) = &self.adapter {
            write_adapter(f, adapter)?;
        }
        if let Some(model) = &self.model {
            writeln!(f, "\nmodel")?;
            line(f, "type", &model.model_type)?;
            let shape = format!(
                "{} layers, width {}, vocabulary {}, {} positions",
                model.num_hidden_layers,
                model.hidden_size,
                model.vocab_size,
                model.max_position_embeddings
            );
            line(f, "shape", &shape)?;
            let types: Vec<String> =
                model.dtypes.iter().map(|(name, count)| format!("{count} {name}")).collect();
            let tensors =
                format!("{} in {} files ({})", model.tensors, model.shards, types.join(", "));
            line(f, "tensors", &tensors)?;
            line(f, "values", &model.parameters.to_string())?;
        }
        if let Some(gguf) = &self.gguf {
            let types: Vec<String> =
                gguf.types.iter().map(|(name, count)| format!("{count} {name}")).collect();
            writeln!(f, "\ntensors: {} ({})\n\nmetadata", gguf.tensors, types.join(", "))?;
            for (key, value) in &gguf.metadata {
                // What a file says is shown on one line, whatever it holds.
                let text = value.to_string();
                let short: String = text.chars().take(100).collect();
                let more = if short.len() < text.len() { "…" } else { "" };
                writeln!(f, "  {key:<42} {short}{more}")?;
            }
        }
        if !self.files.is_empty() {
            writeln!(f, "\nfiles ({})", size(self.total_bytes))?;
            let width = self.files.iter().map(|file| file.name.len()).max().unwrap_or(0);
            for file in &self.files {
                writeln!(f, "  {:<width$}  {:>10}  {}", file.name, size(file.bytes), file.purpose)?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<16} {value}")
}

fn write_run(f: &mut Formatter<'_>, run: &RunFacts) -> fmt::Result {
    writeln!(f, "\nrun")?;
    line(f, "made by", &run.created_by)?;
    line(f, "seed", &run.seed.to_string())?;
    line(f, "in use", if run.in_use { "yes" } else { "no" })?;
    if let Some(row) = &run.last_metrics {
        let loss = row.loss.unwrap_or(f64::NAN);
        line(f, "last step", &format!("{}  loss {loss:.4}", row.step))?;
    }
    if let Some(row) = &run.last_evaluation {
        let loss = row.eval_loss.unwrap_or(f64::NAN);
        line(f, "last evaluation", &format!("loss {loss:.4} after step {}", row.step))?;
    }
    if let Some(row) = &run.last_judged {
        let rates: Vec<String> =
            row.extra.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        line(f, "last judged", &format!("step {}: {}", row.step, rates.join(", ")))?;
    }
    if let Some(best) = &run.best {
        line(f, "best set", &format!("{} ({} {:.4})", best.set, best.metric, best.value))?;
    }
    if run.bad_metrics_lines > 0 {
        let text = format!("{} of metrics.jsonl are no rows", run.bad_metrics_lines);
        line(f, "damaged lines", &text)?;
    }
    for damaged in &run.damaged {
        line(f, "damaged set", damaged)?;
    }
    writeln!(f, "\nsets")?;
    for set in &run.sets {
        let here = if run.set.as_ref() == Some(&set.name) { "  <- this one" } else { "" };
        writeln!(f, "  {}  {:>10}  {} files{here}", set.name, size(set.bytes), set.files)?;
    }
    if run.sets.is_empty() {
        writeln!(f, "  none yet")?;
    }
    Ok(())
}

fn write_adapter(f: &mut Formatter<'_>, adapter: &AdapterFacts) -> fmt::Result {
    writeln!(f, "\nadapter")?;
    line(f, "base", adapter.base_model.as_deref().unwrap_or("not named"))?;
    let scale = if adapter.use_rslora { ", rank-stabilized" } else { "" };
    line(f, "rank, alpha", &format!("{}, {}{scale}", adapter.rank, adapter.alpha))?;
    line(f, "dropout", &adapter.dropout.to_string())?;
    line(f, "targets", &adapter.target_modules.join(", "))?;
    let values = format!("{} in {} modules", adapter.parameters, adapter.modules.len());
    line(f, "values", &values)?;
    line(f, "update norm", &format!("{:.6}", adapter.update_norm))?;
    if adapter.modules.values().all(|module| module.b_norm == 0.0) {
        line(f, "note", "every B is zero: this adapter changes nothing yet")?;
    }
    writeln!(f, "\nupdate norm by layer (Frobenius, of scale x B x A)")?;
    let most = adapter.layers.values().map(|layer| layer.update_norm).fold(0.0, f64::max);
    for (number, layer) in &adapter.layers {
        let bar = "#".repeat((30.0 * layer.update_norm / most.max(1e-300)).round() as usize);
        writeln!(f, "  {number:>4}  {:>12.6}  {bar}", layer.update_norm)?;
    }
    writeln!(f, "\nupdate norm by kind of module")?;
    let mut kinds = std::collections::BTreeMap::<&str, (usize, f64)>::new();
    for (name, module) in &adapter.modules {
        let kind = kinds.entry(name.rsplit('.').next().unwrap_or(name)).or_default();
        *kind = (kind.0 + 1, kind.1 + module.update_norm.powi(2));
    }
    for (kind, (count, sum)) in kinds {
        writeln!(f, "  {kind:<14} {:>12.6}  {count} modules", sum.sqrt())?;
    }
    Ok(())
}
