//! `sigil-data cache`: kept rows on disk.

use serde_json::json;
use sigil_data::pipeline::{list_caches, prune_caches, verify_cache};
use sigil_places::Places;

use crate::cli::{Cache, CacheVerb};
use crate::failure::Failure;

/// Lists, verifies or prunes.
pub(crate) fn run(arguments: &Cache) -> Result<(), Failure> {
    let folder = arguments.folder.clone().unwrap_or_else(|| Places::find().row_cache());
    let entries = list_caches(&folder)?;
    match &arguments.verb {
        CacheVerb::List if arguments.json => print_json(&json!(entries))?,
        CacheVerb::List => {
            for entry in &entries {
                let sources = entry.sources.join(", ");
                let state = entry.damage.as_deref().unwrap_or(&sources);
                println!(
                    "{}  {:>9} rows  {:>7} kB  {state}",
                    entry.key,
                    entry.rows,
                    entry.bytes >> 10
                );
            }
            eprintln!("{} entries in {}", entries.len(), folder.display());
        }
        CacheVerb::Verify => {
            let mut damaged = 0;
            let mut report = Vec::new();
            for entry in &entries {
                let outcome = verify_cache(&folder, &entry.key);
                damaged += usize::from(outcome.is_err());
                let word = outcome.err().unwrap_or_else(|| "good".to_owned());
                if !arguments.json {
                    println!("{}  {word}", entry.key);
                }
                report.push(json!({"key": entry.key, "state": word}));
            }
            if arguments.json {
                print_json(&json!(report))?;
            }
            if damaged > 0 {
                let message = format!("{damaged} of {} entries are damaged", entries.len());
                return Err(Failure::new(
                    6,
                    message,
                    Some(
                        "`sigil-data cache prune --keep-bytes N` removes those that cannot be opened",
                    ),
                ));
            }
        }
        CacheVerb::Prune { keep_bytes } => {
            let report = prune_caches(&folder, *keep_bytes)?;
            if arguments.json {
                print_json(&json!(report))?;
            } else {
                report.removed.iter().for_each(|key| println!("{key}"));
                eprintln!("removed {} entries, {} kB", report.removed.len(), report.bytes >> 10);
            }
        }
    }
    Ok(())
}

fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(1, error, None))?;
    println!("{text}");
    Ok(())
}
