//! Samples: files of generated text, in every layout that generators of this kind write.
//!
//! `{id, sample, prompt, text}` (sigil-generate), `{prompt, gen}` (the predecessor), `{task_id, completion}`
//! (OpenAI's), MultiPL-E's `{name, completions}`, and folders of `.rs` files. Next: `program.rs`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::EvalError;

/// A generated text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its place in the input, from 0.
    pub index: usize,
    /// The task it answers; for a text without one, the prompt's or the file's name.
    pub task_id: String,
    /// The prompt, where the file has it.
    pub prompt: String,
    /// What the model wrote.
    pub text: String,
}

/// Reads samples, one JSON object a line.
///
/// # Errors
/// If the file cannot be read or a line is not such an object.
pub fn read_samples(path: &Path) -> Result<Vec<Sample>, EvalError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvalError::Read { path: path.to_owned(), source })?;
    parse_samples(&text, path)
}

/// [`read_samples`] for a text; `path` is for messages.
///
/// # Errors
/// As there.
pub fn parse_samples(text: &str, path: &Path) -> Result<Vec<Sample>, EvalError> {
    let mut samples = Vec::new();
    for (line, row) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad =
            |problem: String| EvalError::Row { path: path.to_owned(), line: line + 1, problem };
        let row: Map<String, Value> = serde_json::from_str(row)
            .map_err(|error| bad(format!("not a JSON object: {error}")))?;
        let field = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let texts: Vec<String> = match row.get("completions").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => {
                let names = ["completion", "gen", "generation", "solution", "text"];
                let text = names.iter().find_map(|name| field(name));
                vec![text.ok_or_else(|| bad("no text `completion` or `gen`".to_owned()))?]
            }
        };
        let prompt = field("prompt").unwrap_or_default();
        // An `id` is a task's where `sample` counts its answers; elsewhere it may number rows.
        let id = || row.contains_key("sample").then(|| field("id")).flatten();
        let named = field("task_id").or_else(|| field("name")).or_else(id);
        let task_id = named.unwrap_or_else(|| prompt_name(&prompt));
        for text in texts {
            let index = samples.len();
            samples.push(Sample { index, task_id: task_id.clone(), prompt: prompt.clone(), text });
        }
    }
    Ok(samples)
}

/// The samples of one prompt belong together, and a prompt is no name: its digest is.
fn prompt_name(prompt: &str) -> String {
    format!("prompt-{}", &blake3::hash(prompt.as_bytes()).to_hex()[..12])
}

/// Every `.rs` file below a folder, in the order of their paths, each a sample named after its path.
///
/// # Errors
/// If the folder or a file cannot be read.
pub fn read_rust_folder(folder: &Path) -> Result<Vec<Sample>, EvalError> {
    let read = |path: &Path, source| EvalError::Read { path: path.to_owned(), source };
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(|error| read(&next, error))? {
            let entry = entry.map_err(|error| read(&next, error))?;
            let kind = entry.file_type().map_err(|error| read(&next, error))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "rs") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
        .into_iter()
        .enumerate()
        .map(|(index, path)| {
            let bytes = std::fs::read(&path).map_err(|error| read(&path, error))?;
            let name = path.strip_prefix(folder).unwrap_or(&path);
            Ok(Sample {
                index,
                task_id: name.display().to_string(),
                prompt: String::new(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            })
        })
        .collect()
}

/// `count` of the samples, drawn by `seed` and kept in their order. The same on every machine.
pub fn pick(samples: Vec<Sample>, count: usize, seed: u64) -> Vec<Sample> {
    if count >= samples.len() {
        return samples;
    }
    let mut generator = crate::score::SplitMix::new(seed);
    let mut indices: Vec<usize> = (0..samples.len()).collect();
    for place in 0..count {
        let other = place + generator.below((indices.len() - place) as u64) as usize;
        indices.swap(place, other);
    }
    indices.truncate(count);
    indices.sort_unstable();
    let mut wanted = indices.into_iter().peekable();
    let mut kept = Vec::with_capacity(count);
    for (place, sample) in samples.into_iter().enumerate() {
        if wanted.next_if_eq(&place).is_some() {
            kept.push(sample);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_read() {
        let text = "{\"prompt\":\"p\",\"gen\":\"a\"}\n{\"task_id\":\"t\",\"completion\":\"b\"}\n{\"name\":\"n\",\"completions\":[\"c\",\"d\"]}\n";
        let samples = parse_samples(text, Path::new("x")).expect("it is well formed");
        let texts: Vec<_> = samples.iter().map(|s| (s.index, s.text.as_str())).collect();
        assert_eq!(texts, [(0, "a"), (1, "b"), (2, "c"), (3, "d")]);
        assert!(samples[0].task_id.starts_with("prompt-"));
        let own = "{\"id\":\"t/1\",\"sample\":0,\"prompt\":\"p\",\"text\":\"a\"}\n{\"id\":\"7\",\"prompt\":\"p\",\"gen\":\"a\"}";
        let samples = parse_samples(own, Path::new("x")).expect("it is well formed");
        assert_eq!(samples[0].task_id, "t/1");
        assert!(samples[1].task_id.starts_with("prompt-"));
        let error = parse_samples("{}", Path::new("x")).expect_err("it has no text");
        assert_eq!(error.to_string(), "`x` line 1: no text `completion` or `gen`");
    }

    #[test]
    fn picking_depends_on_the_seed_alone() {
        let text: String = (0..50).map(|i| format!("{{\"gen\":\"{i}\"}}\n")).collect();
        let all = parse_samples(&text, Path::new("x")).expect("it is well formed");
        let names = |seed| -> Vec<usize> {
            pick(all.clone(), 10, seed).iter().map(|sample| sample.index).collect()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        assert_eq!(names(1).len(), 10);
        assert!(names(1).is_sorted());
        assert_eq!(pick(all.clone(), 99, 0), all);
    }
}
