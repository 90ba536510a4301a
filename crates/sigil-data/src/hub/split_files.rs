//! Which files of a dataset repository belong to a split.
//!
//! Is: the naming conventions of the Hub (`data/train-00000-of-00024.parquet`, `test/x.jsonl`,
//! `validation.jsonl.gz`); files that name no split are for training. Is not: the YAML of a
//! README. Next: `dataset.rs`.

/// Returns the names of a split's files, sorted; parquet files where there are any.
pub(super) fn choose<'a>(names: &[&'a str], split: &str) -> Vec<&'a str> {
    let data = |name: &&&str| kind(name).is_some();
    let mut chosen: Vec<&str> = names
        .iter()
        .filter(data)
        .filter(|name| split_of(name).unwrap_or("train") == canonical(split).unwrap_or(split))
        .copied()
        .collect();
    if chosen.iter().any(|name| kind(name) == Some("parquet")) {
        chosen.retain(|name| kind(name) == Some("parquet"));
    }
    chosen.sort_unstable();
    chosen
}

fn kind(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let inner = lower.strip_suffix(".gz").or(lower.strip_suffix(".zst")).unwrap_or(&lower);
    let (_, suffix) = inner.rsplit_once('.')?;
    match suffix {
        "parquet" => Some("parquet"),
        "jsonl" | "ndjson" => Some("jsonl"),
        // Other JSON files of a repository describe it.
        "json" if split_of(name).is_some() => Some("json"),
        _ => None,
    }
}

fn canonical(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Some("train"),
        "validation" | "valid" | "val" | "dev" => Some("validation"),
        "test" | "testing" | "eval" | "evaluation" => Some("test"),
        _ => None,
    }
}

/// Finds the split that a path names: in its file name, else in the folders, from the inside out.
fn split_of(name: &str) -> Option<&'static str> {
    name.rsplit('/').find_map(|part| part.split(['.', '-', '_']).find_map(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_the_names_of_splits() {
        let names = [
            "README.md",
            "data/test-00000-of-00001.parquet",
            "data/train-00001-of-00002.parquet",
            "data/train-00000-of-00002.parquet",
            "data/valid-00000.parquet",
            "dataset_infos.json",
        ];
        assert_eq!(
            choose(&names, "train"),
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
        );
        assert_eq!(choose(&names, "val"), ["data/valid-00000.parquet"]);
        assert!(choose(&names, "other").is_empty());
        assert_eq!(
            choose(&["a.jsonl", "b.jsonl.gz", "config.json"], "train"),
            ["a.jsonl", "b.jsonl.gz"]
        );
        assert_eq!(choose(&["train.json", "test/x.json"], "test"), ["test/x.json"]);
        // Where both are there, parquet is the converted copy.
        assert_eq!(choose(&["train.jsonl", "train.parquet"], "train"), ["train.parquet"]);
    }
}
