//! Writes a run that was stopped at step 7 and resumed after step 4, torn last records included, to
//! look at with TensorBoard or with `tests/peers/read_tensorboard.py`:
//!
//! ```text
//! cargo run --release -p sigil-run --example interrupted_curve -- FOLDER
//! python tests/peers/read_tensorboard.py FOLDER/tensorboard
//! ```
//!
//! Expected: `train/loss` once for each of the steps 1 to 9, 1/step up to step 4 and 2/step after it.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use sigil_run::{MetricsRow, ResumePoint, RunFolder, RunIdentity};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: interrupted_curve FOLDER")?;
    let folder = Path::new(&folder);
    log(folder, ResumePoint::Start, 1..8, 1.0)?;
    // What a kill in the middle of a write leaves.
    for entry in fs::read_dir(folder.join("tensorboard"))? {
        OpenOptions::new().append(true).open(entry?.path())?.write_all(&[24, 0, 0])?;
    }
    OpenOptions::new().append(true).open(folder.join("metrics.jsonl"))?.write_all(b"{\"st")?;
    log(folder, ResumePoint::After(4), 5..10, 2.0)
}

fn log(
    folder: &Path,
    resume: ResumePoint,
    steps: std::ops::Range<u64>,
    loss_at_step_1: f64,
) -> Result<(), Box<dyn Error>> {
    let identity = RunIdentity {
        created_by: "interrupted_curve".to_owned(),
        seed: 0,
        config_digest: String::new(),
    };
    let (run, mut notes) = RunFolder::create_or_open(folder, &identity)?;
    let (mut metrics, more) = run.metrics_writer(resume, 1_700_000_000.0)?;
    notes.extend(more);
    for note in notes {
        writeln!(std::io::stderr(), "{note}")?;
    }
    for step in steps {
        let row = MetricsRow {
            loss: Some(loss_at_step_1 / step as f64),
            learning_rate: Some(1e-4),
            eval_loss: (step % 3 == 0).then_some(0.25),
            ..MetricsRow::new(step)
        };
        metrics.append(&row, 1_700_000_000.0 + step as f64)?;
    }
    Ok(metrics.sync()?)
}
