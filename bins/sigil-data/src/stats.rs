//! `sigil-data stats`: sizes, groups and the account of the rows.

use std::collections::BTreeMap;
use std::io::{Write as _, stdout};

use serde::Serialize;
use sigil_data::recipe::document_settings;
use sigil_data::{Ledger, RowEncoder, Tokenizer};

use crate::cli::Stats;
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::{page, places, rows};

/// Groups that are shown.
const GROUPS_SHOWN: usize = 15;

/// What is counted.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    /// Sources that were read.
    pub(crate) sources: Vec<String>,
    /// Kept rows.
    pub(crate) rows: u64,
    /// Characters of each kept row.
    pub(crate) characters: Histogram,
    /// Tokens of each kept row.
    pub(crate) tokens: Option<Histogram>,
    /// Tokens that are learned.
    pub(crate) learned_tokens: u64,
    /// Rows by group, the largest first.
    pub(crate) groups: Vec<(String, u64)>,
    /// Groups there are.
    pub(crate) group_count: usize,
    /// Rows by task.
    pub(crate) tasks: BTreeMap<String, u64>,
    /// What became of every row.
    pub(crate) ledger: Ledger,
}

/// Counts and shows.
pub(crate) fn run(arguments: &Stats) -> Result<(), Failure> {
    let settings = places::settings(&arguments.data)?;
    let tokenizer = arguments.tokenizer.as_deref().map(Tokenizer::load).transpose()?;
    let documents = document_settings(&settings);
    let encoder =
        tokenizer.as_ref().map(|tokenizer| RowEncoder::new(tokenizer, &documents)).transpose()?;
    let mut characters = Histogram::default();
    let mut tokens = encoder.as_ref().map(|_| Histogram::default());
    let mut learned_tokens = 0;
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    let mut tasks: BTreeMap<String, u64> = BTreeMap::new();
    let ledger = rows::for_each(&settings, |row| {
        if arguments.limit.is_some_and(|limit| characters.count() >= limit) {
            return Ok(false);
        }
        characters.add(row.text.chars().count() as u64);
        *groups.entry(row.group.to_string()).or_default() += 1;
        if let Some(task) = &row.task_type {
            *tasks.entry(task.to_string()).or_default() += 1;
        }
        if let (Some(encoder), Some(tokens)) = (&encoder, &mut tokens) {
            let encoded = encoder.encode(row)?;
            tokens.add(encoded.tokens.len() as u64);
            let given: usize = encoded.given.iter().map(std::ops::Range::len).sum();
            learned_tokens += (encoded.tokens.len() - given) as u64;
        }
        Ok(true)
    })?;
    let group_count = groups.len();
    let mut groups: Vec<(String, u64)> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    groups.truncate(GROUPS_SHOWN);
    let counted = Counted {
        sources: settings.dataset.names.clone(),
        rows: characters.count(),
        characters,
        tokens,
        learned_tokens,
        groups,
        group_count,
        tasks,
        ledger,
    };
    if let Some(path) = &arguments.html {
        std::fs::write(path, page::render(&counted))?;
        eprintln!("wrote {}", path.display());
    }
    let text = if arguments.json {
        serde_json::to_string_pretty(&counted).map_err(|error| Failure::new(1, error, None))? + "\n"
    } else {
        shown(&counted)
    };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn shown(counted: &Counted) -> String {
    let mut text = format!("{}{} rows kept\n\n", counted.ledger, counted.rows);
    text.push_str(&counted.characters.draw("characters"));
    if let Some(tokens) = &counted.tokens {
        text.push('\n');
        text.push_str(&tokens.draw("tokens"));
        text.push_str(&format!(
            "{} of {} tokens are learned\n",
            counted.learned_tokens, tokens.sum
        ));
    }
    text.push_str(&format!("\n{} groups, the largest:\n", counted.group_count));
    for (group, count) in &counted.groups {
        text.push_str(&format!("{count:>10} {group}\n"));
    }
    for (task, count) in &counted.tasks {
        text.push_str(&format!("{count:>10} rows of task {task}\n"));
    }
    text
}
