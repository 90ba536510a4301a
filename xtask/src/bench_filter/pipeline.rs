//! The whole way of training data, from rows to packed blocks: how many tokens a second it gives
//! without a trainer, and whether a trainer ever waits for it.
//!
//! Knows nothing of the corpus: a source and a tokenizer are handed in, so that
//! `crates/sigil-data/examples/pipeline_speed.rs` measures any data with this same file.
//! Next: `timer.rs`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sigil_data::sources::FilterStage;
use sigil_data::{
    BatchPlan, BatchStream, DocumentSettings, Ledger, OpenSource, PipelineError, ReadSettings,
    RowPlan, RowSupply, SourceSpec, StreamError, Tokenizer, read_sources,
};
use sigil_filter::{Filter, RuleSet};

use super::timer::{Spent, measure};

/// Tokens of a block.
const BLOCK_TOKENS: usize = 2048;
/// Blocks of a step.
const BLOCKS: usize = 8;

/// What is measured.
pub(super) struct Input {
    pub(super) source: SourceSpec,
    pub(super) read: ReadSettings,
    pub(super) rules: RuleSet,
    pub(super) tokenizer: Arc<Tokenizer>,
    /// Tokens that the trainer takes a second.
    pub(super) trainer_tokens_per_sec: f64,
    /// Steps that the trainer makes.
    pub(super) steps: usize,
}

/// Figures of the pipeline.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PipelineReport {
    /// The way up to each stage, every stage with all those before it.
    pub(super) stages: Vec<StageFigures>,
    pub(super) trainer: TrainerFigures,
    /// Threads that rows are judged and tokenized on.
    pub(super) threads: usize,
}

/// What the way up to a stage took.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StageFigures {
    pub(super) name: &'static str,
    /// Rows that came out.
    pub(super) rows: u64,
    /// Bytes of their text.
    pub(super) bytes: u64,
    /// Tokens that came out; 0 before there are any.
    pub(super) tokens: u64,
    #[serde(flatten)]
    pub(super) spent: Spent,
}

/// How long a trainer of a given speed waited.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TrainerFigures {
    pub(super) tokens_per_sec: f64,
    pub(super) steps: usize,
    pub(super) tokens: u64,
    /// Until the first step was there.
    pub(super) first_wait_secs: f64,
    /// The longest wait of a later step.
    pub(super) longest_wait_secs: f64,
    /// All waits of later steps.
    pub(super) waited_secs: f64,
    /// What the trainer itself took.
    pub(super) trained_secs: f64,
}

/// Measures every stage and the waits.
///
/// # Errors
/// The source cannot be read, or gives no row.
pub(super) fn run(input: &Input) -> Result<PipelineReport, StreamError> {
    let stages = vec![rows(input, false)?, rows(input, true)?, compared(input)?, packed(input)?];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(PipelineReport { stages, trainer: trainer(input)?, threads })
}

fn read_settings(input: &Input, filtered: bool) -> ReadSettings {
    let filter = filtered.then(|| Filter::new(input.rules.clone()).expect("the presets are fine"));
    ReadSettings { filter: FilterStage(filter), ..input.read.clone() }
}

fn rows(input: &Input, filtered: bool) -> Result<StageFigures, StreamError> {
    let settings = read_settings(input, filtered);
    let sources = std::slice::from_ref(&input.source);
    let (rows, spent) = measure(|| read_sources(sources, &settings, &mut Ledger::new()));
    let rows = rows.map_err(PipelineError::from)?;
    let bytes = rows.iter().map(|row| row.text.len() as u64).sum();
    let name = if filtered { "+ filter" } else { "rows" };
    Ok(StageFigures { name, rows: rows.len() as u64, bytes, tokens: 0, spent })
}

fn supply(input: &Input) -> Result<RowSupply, PipelineError> {
    let read = read_settings(input, true);
    let source = OpenSource::open(&input.source, &read)?;
    RowSupply::streamed(Arc::new(RowPlan::new(vec![source], read)), &[])
}

fn compared(input: &Input) -> Result<StageFigures, StreamError> {
    let (counts, spent) = measure(|| -> Result<(u64, u64), PipelineError> {
        let mut supply = supply(input)?;
        let (mut rows, mut bytes) = (0, 0);
        while let Some(row) = supply.next_row()? {
            rows += 1;
            bytes += row.text.len() as u64;
        }
        Ok((rows, bytes))
    });
    let (rows, bytes) = counts?;
    Ok(StageFigures { name: "+ duplicates", rows, bytes, tokens: 0, spent })
}

fn stream(input: &Input) -> Result<BatchStream, StreamError> {
    let plan = BatchPlan {
        micro_batch_size: BLOCKS,
        accumulation: 1,
        max_seq_len: BLOCK_TOKENS,
        packing: true,
        shuffle: true,
        seed: 1,
    };
    let documents = DocumentSettings::new(BLOCK_TOKENS);
    BatchStream::of_rows(supply(input)?, Arc::clone(&input.tokenizer), documents, plan)
}

fn packed(input: &Input) -> Result<StageFigures, StreamError> {
    let (counts, spent) = measure(|| -> Result<(u64, u64), StreamError> {
        let mut stream = stream(input)?;
        let (mut tokens, mut rows) = (0, 0);
        // The step that reaches the second epoch is the last.
        while stream.cursor().epoch == 0 {
            for batch in stream.next_step()? {
                tokens += batch.token_count() as u64;
                rows += batch.rows.iter().filter(|row| row.piece == 0).count() as u64;
            }
        }
        Ok((tokens, rows))
    });
    let (tokens, rows) = counts?;
    Ok(StageFigures { name: "+ tokens, blocks", rows, bytes: 0, tokens, spent })
}

fn trainer(input: &Input) -> Result<TrainerFigures, StreamError> {
    let mut stream = stream(input)?;
    let (mut waits, mut tokens, mut trained) = (Vec::new(), 0, Duration::ZERO);
    for _ in 0..input.steps {
        let begin = Instant::now();
        let step = stream.next_step()?;
        waits.push(begin.elapsed().as_secs_f64());
        let in_step: usize = step.iter().map(|batch| batch.token_count()).sum();
        tokens += in_step as u64;
        // Stands for a trainer on a device of its own, which leaves the cores to the loader.
        let pause = Duration::from_secs_f64(in_step as f64 / input.trainer_tokens_per_sec);
        std::thread::sleep(pause);
        trained += pause;
    }
    let later = waits.get(1..).unwrap_or_default();
    Ok(TrainerFigures {
        tokens_per_sec: input.trainer_tokens_per_sec,
        steps: input.steps,
        tokens,
        first_wait_secs: waits.first().copied().unwrap_or(0.0),
        longest_wait_secs: later.iter().copied().fold(0.0, f64::max),
        waited_secs: later.iter().sum(),
        trained_secs: trained.as_secs_f64(),
    })
}

impl PipelineReport {
    /// Writes a table.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "\npipeline alone, {} threads\n{:<18} {:>8} {:>9} {:>8} {:>8} {:>9} {:>10}\n",
            self.threads, "up to", "rows", "MB", "CPU s", "wall s", "MB/CPU s", "tokens/s"
        );
        for stage in &self.stages {
            let megabytes = stage.bytes as f64 / 1e6;
            let per = |amount: f64, secs: f64| match amount > 0.0 {
                true => format!("{:.1}", amount / secs.max(1e-9)),
                false => String::new(),
            };
            let tokens = stage.tokens as f64 / stage.spent.wall_secs.max(1e-9);
            let tokens = if stage.tokens > 0 { format!("{tokens:.0}") } else { String::new() };
            let size = if stage.bytes > 0 { format!("{megabytes:.1}") } else { String::new() };
            writeln!(
                text,
                "{:<18} {:>8} {size:>9} {:>8.2} {:>8.2} {:>9} {tokens:>10}",
                stage.name,
                stage.rows,
                stage.spent.cpu_secs,
                stage.spent.wall_secs,
                per(megabytes, stage.spent.cpu_secs),
            )
            .expect("a String takes any text");
        }
        let trainer = &self.trainer;
        writeln!(
            text,
            "a trainer of {:.0} tokens/s, {} steps, {:.1} s: first step after {:.3} s, then waited \
             {:.4} s in all, at most {:.4} s for a step",
            trainer.tokens_per_sec,
            trainer.steps,
            trainer.trained_secs,
            trainer.first_wait_secs,
            trainer.waited_secs,
            trainer.longest_wait_secs,
        )
        .expect("a String takes any text");
        text
    }
}
