//! `sigil-data filter`: the rows that training would take, as JSON Lines.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use serde_json::{Map, Value, json};
use sigil_data::Row;

use crate::cli::Filter;
use crate::failure::Failure;
use crate::{places, rows};

/// Writes kept rows to stdout or a file, and the account to stderr.
pub(crate) fn run(arguments: &Filter) -> Result<(), Failure> {
    let settings = places::settings(&arguments.data)?;
    let mut out: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
        None => Box::new(BufWriter::new(stdout().lock())),
    };
    let mut written = 0;
    let ledger = rows::for_each(&settings, |row| {
        if arguments.limit.is_some_and(|limit| written >= limit) {
            return Ok(false);
        }
        written += 1;
        let line =
            serde_json::to_string(&fields(row)).map_err(|error| Failure::new(1, error, None))?;
        match writeln!(out, "{line}") {
            // The reader of a pipe has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            outcome => Ok(outcome.map(|()| true)?),
        }
    })?;
    match out.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if let Some(path) = &arguments.quarantine {
        let mut file = BufWriter::new(File::create(path)?);
        for row in ledger.quarantined() {
            let line = serde_json::to_string(row).map_err(|error| Failure::new(1, error, None))?;
            writeln!(file, "{line}")?;
        }
        file.flush()?;
    }
    if arguments.json {
        let account =
            serde_json::to_string_pretty(&ledger).map_err(|error| Failure::new(1, error, None))?;
        eprintln!("{account}");
    } else {
        eprint!("{ledger}");
        eprintln!("{written} rows written");
    }
    Ok(())
}

/// The fields of a row, in a form that is read back the same.
fn fields(row: &Row) -> Map<String, Value> {
    let mut fields = row.extra.clone();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    if !row.turns.is_empty() {
        let turns = row.turns.iter().map(|turn| {
            let mut message = turn.other.clone();
            message.insert("role".to_owned(), turn.role.name().into());
            message.insert("content".to_owned(), turn.content.as_str().into());
            if !turn.learned {
                message.insert("train".to_owned(), false.into());
            }
            Value::Object(message)
        });
        put("messages", turns.collect());
    } else if let Some(prompt) = &row.prompt {
        put("prompt", prompt.as_str().into());
        put("gen", row.text.as_str().into());
    } else {
        put("text", row.text.as_str().into());
    }
    put("_source", row.origin.source.as_ref().into());
    put("_place", row.origin.to_string().into());
    put("_source_crate", row.group.as_ref().into());
    if let Some(task) = &row.task_type {
        put("_task_type", task.as_ref().into());
    }
    if row.weight != 1.0 {
        put("weight", json!(row.weight));
    }
    fields
}
