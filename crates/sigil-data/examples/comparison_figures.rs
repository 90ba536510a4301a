//! Measures the comparisons of rows: `comparison_figures SOURCE BENCHMARK...`.
//!
//! Counts how many tasks of the benchmark files are caught in each of four disguises when they are
//! planted in other code, what share of the source's rows is taken for a task, and what the index of
//! near duplicates costs a row. SOURCE is written as in `dataset.names`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use sigil_data::decontaminate::{BenchmarkIndex, Task, read_tasks};
use sigil_data::dedup::{Fingerprint, NearIndex};
use sigil_data::{Ledger, ReadSettings, Row, SourceSpec, read_sources};

#[path = "../tests/it/disguises.rs"]
mod disguises;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [source, benchmarks @ ..] = arguments.as_slice() else {
        eprintln!("usage: comparison_figures SOURCE BENCHMARK...");
        return ExitCode::from(2);
    };
    match figures(source, benchmarks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn figures(source: &str, benchmarks: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let mut read = ReadSettings::new(env::current_dir()?);
    let folder =
        |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    read.cargo_home = folder("CARGO_HOME").or_else(|| Some(folder("HOME")?.join(".cargo")));
    let rows = read_sources(&[SourceSpec::from(source)], &read, &mut Ledger::new())?;
    println!("{} rows, {:.1} MB", rows.len(), megabytes(&rows));
    let mut tasks: Vec<Task> = Vec::new();
    for path in benchmarks {
        let some = read_tasks(Path::new(path))?;
        caught(path, &some, &rows);
        tasks.extend(some);
    }
    let index = BenchmarkIndex::new(&tasks);
    let begin = Instant::now();
    let flagged: Vec<(&Row, String)> =
        rows.iter().filter_map(|row| Some((row, index.find(&row.text)?.task))).collect();
    println!(
        "{} of {} rows hold a task ({:.3} %), {:.1} MB/s on one thread",
        flagged.len(),
        rows.len(),
        100.0 * flagged.len() as f64 / rows.len() as f64,
        megabytes(&rows) / begin.elapsed().as_secs_f64(),
    );
    for (row, task) in &flagged {
        println!("    {} holds {task}", row.origin);
    }
    near_duplicates(&rows);
    Ok(())
}

fn megabytes(rows: &[Row]) -> f64 {
    rows.iter().map(|row| row.text.len()).sum::<usize>() as f64 / 1e6
}

/// Plants every task in the middle of a row and looks for it.
fn caught(path: &str, tasks: &[Task], rows: &[Row]) {
    let index = BenchmarkIndex::new(tasks);
    for (kind, dress) in disguises::ALL {
        let missed = tasks.iter().zip(rows.iter().cycle()).filter(|(task, row)| {
            let planted = format!("{}\n{}\n{}", row.text, dress(&task.code), row.text);
            index.find(&planted).is_none()
        });
        let missed: Vec<&Task> = missed.map(|(task, _)| task).collect();
        println!("{path}, {kind}: {} of {} caught", tasks.len() - missed.len(), tasks.len());
        for task in missed {
            println!("    not {}, {} lines", task.id, task.code.lines().count());
        }
    }
}

fn near_duplicates(rows: &[Row]) {
    let begin = Instant::now();
    let mut index = NearIndex::new();
    let mut repeated = 0;
    for row in rows {
        let print = Fingerprint::of(&row.text);
        if index.find(&print).is_some() {
            repeated += 1;
        } else {
            index.insert(&print);
        }
    }
    println!(
        "{repeated} rows repeat an earlier one; the index takes {:.1} bytes for each of {} kept rows, \
         {:.1} MB/s on one thread",
        index.memory_bytes() as f64 / index.len().max(1) as f64,
        index.len(),
        megabytes(rows) / begin.elapsed().as_secs_f64(),
    );
}
