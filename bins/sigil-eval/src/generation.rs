//! The flags of generating that are handed on to `sigil-generate`, and the prompts it is given.
//!
//! Knows what is asked for, not how it is made: that is `generator.rs`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigil_eval::task::{Task, read_benchmark};

use crate::exit::Failure;

/// The instruction of `--instruction rust`.
const RUST_INSTRUCTION: &str = "Complete this Rust function.\n\
    - Answer with the function alone: no `main`, no tests, no examples, no further comments.\n\
    - Write the whole body: no `...`, no `todo!()`, no `unimplemented!()`.\n\
    - Bring every import that you need; what the prelude has, such as `Vec`, needs none.\n\
    - Mark what changes as `mut`.\n\
    - Keep the name and the types of the signature.\n\n{prompt}";
/// What stands for the task in an instruction.
const PLACEHOLDER: &str = "{prompt}";
/// Texts at which a plain continuation has left the function asked for: none of them can be part of
/// an answer that is judged by the function.
const CONTINUATION_STOPS: [&str; 3] = ["\nfn main(", "\n#[cfg(test)]", "\n#[test]"];

/// How samples are made.
#[derive(Args, Clone, Debug)]
pub(crate) struct Generation {
    /// Sampling temperature; 0 takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 0.2)]
    pub(crate) temperature: f64,
    /// Only the likeliest tokens that reach this probability together
    #[arg(long, default_value_t = 0.95)]
    pub(crate) top_p: f64,
    /// Longest sample in tokens
    #[arg(long, default_value_t = 512)]
    pub(crate) max_new_tokens: usize,
    /// Text that ends a sample; may be given again
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// What is put around each task: `none`, `rust`, or a file with {prompt} in it
    #[arg(long, value_name = "none|rust|FILE", default_value = "none")]
    pub(crate) instruction: String,
    /// What goes through the model's chat template
    #[arg(long, default_value = "conversations", value_parser = ["conversations", "always", "never"])]
    pub(crate) chat_template: String,
    /// How the base is held
    #[arg(long, default_value = "full", value_parser = ["full", "nf4"])]
    pub(crate) precision: String,
    /// Sequences at the same time
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: u32,
    /// Threads of the generator; all cores if not given
    #[arg(long)]
    pub(crate) threads: Option<u32>,
}

/// What the verb itself decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count<'a> {
    /// Samples for every prompt.
    pub(crate) n: u32,
    /// The seed of all samples.
    pub(crate) seed: u64,
    /// The device.
    pub(crate) device: &'a str,
}

/// A prompt as the generator reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The task's name.
    pub(crate) id: String,
    /// What the model is given.
    pub(crate) prompt: String,
}

impl Generation {
    /// The arguments of the generator besides the model.
    pub(crate) fn arguments(
        &self,
        count: &Count<'_>,
        prompts: &Path,
        output: &Path,
    ) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["--prompts".into(), prompts.into()];
        all.extend(["--output".into(), output.into()]);
        let mut flag = |name: &str, value: String| all.extend([name.into(), value.into()]);
        flag("-n", count.n.to_string());
        flag("--seed", count.seed.to_string());
        flag("--device", count.device.to_owned());
        flag("--temperature", self.temperature.to_string());
        // The generator's own rule: nothing is left out when nothing is drawn.
        flag("--top-p", if self.temperature > 0.0 { self.top_p } else { 1.0 }.to_string());
        flag("--max-new-tokens", self.max_new_tokens.to_string());
        flag("--chat-template", self.chat_template.clone());
        flag("--precision", self.precision.clone());
        flag("--batch", self.batch.to_string());
        if let Some(threads) = self.threads {
            flag("--threads", threads.to_string());
        }
        for text in self.stops() {
            // With `=`: a stop text may begin with a dash.
            all.push(format!("--stop={text}").into());
        }
        all
    }

    /// The texts that end a sample.
    pub(crate) fn stops(&self) -> Vec<String> {
        let plain = self.instruction == "none" && self.chat_template != "always";
        let own = CONTINUATION_STOPS.iter().filter(|_| plain).map(|stop| (*stop).to_owned());
        own.chain(self.stop.iter().cloned()).collect()
    }

    /// The text around each task, if there is one.
    pub(crate) fn instruction(&self) -> Result<Option<String>, Failure> {
        let text = match self.instruction.as_str() {
            "none" => return Ok(None),
            "rust" => RUST_INSTRUCTION.to_owned(),
            file => std::fs::read_to_string(file).map_err(|error| {
                let hint = "--instruction is none, rust, or a file";
                let message = format!("cannot read the instruction `{file}`: {error}");
                Failure::new(4, message, Some(hint.to_owned()))
            })?,
        };
        if !text.contains(PLACEHOLDER) {
            let message =
                format!("the instruction `{}` has no {PLACEHOLDER} in it", self.instruction);
            return Err(Failure::new(4, message, None));
        }
        Ok(Some(text))
    }
}

/// The first `limit` tasks of a benchmark with what a model is asked for each.
pub(crate) fn tasks_and_questions(
    path: &Path,
    limit: Option<usize>,
    instruction: Option<&str>,
) -> Result<(Vec<Task>, Vec<Question>), Failure> {
    let (_, mut tasks) = read_benchmark(path)?;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(1, format!("cannot read `{}`: {error}", path.display()), None)
    })?;
    // The rows are those that `read_benchmark` has just read, in the same order.
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    let mut questions: Vec<Question> = rows
        .zip(&tasks)
        .map(|(line, task)| {
            let prompt = asked(line, &task.prompt);
            let prompt = match instruction {
                Some(text) => text.replace(PLACEHOLDER, &prompt),
                None => prompt,
            };
            Question { id: task.id.clone(), prompt }
        })
        .collect();
    if let Some(limit) = limit {
        tasks.truncate(limit);
        questions.truncate(limit);
    }
    if tasks.is_empty() {
        return Err(Failure::new(4, format!("`{}` has no tasks", path.display()), None));
    }
    Ok((tasks, questions))
}

/// What a row asks: HumanEval-X has the words in `prompt` and the signature in `declaration`.
fn asked(line: &str, otherwise: &str) -> String {
    let row: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    match (text("prompt"), text("declaration")) {
        (Some(words), Some(signature)) => format!("{words}{signature}"),
        _ => otherwise.to_owned(),
    }
}

/// Writes the prompts for the generator, unless the file has them already.
pub(crate) fn write_questions(path: &PathBuf, questions: &[Question]) -> Result<(), Failure> {
    let lines = sigil_eval::score::to_lines(questions);
    if std::fs::read(path).is_ok_and(|found| found == lines.as_bytes()) {
        return Ok(());
    }
    sigil_run::atomic_write(path, lines.as_bytes()).map_err(|error| Failure::new(1, error, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = concat!(
        r#"{"task_id":"Rust/0","prompt":"/* Doubles. */\n","declaration":"use md5;\nfn f(x: u8) -> u8{\n","canonical_solution":" x * 2 }","test":"t"}"#,
        "\n",
        r#"{"task_id":"a/1","prompt":"fn g() {","canonical_solution":"}","test":"t"}"#,
        "\n",
    );

    #[test]
    fn a_question_has_the_words_and_the_signature() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tasks.jsonl");
        std::fs::write(&path, ROWS).expect("written");
        let (tasks, questions) = tasks_and_questions(&path, None, None).expect("two tasks");
        assert_eq!(questions[0].prompt, "/* Doubles. */\nuse md5;\nfn f(x: u8) -> u8{\n");
        assert_eq!(questions[1].prompt, "fn g() {");
        assert_eq!(tasks[0].id, questions[0].id);
        let (tasks, asked) =
            tasks_and_questions(&path, Some(1), Some("Do: {prompt}!")).expect("one task");
        assert_eq!((tasks.len(), asked.len()), (1, 1));
        assert!(asked[0].prompt.starts_with("Do: /* Doubles.") && asked[0].prompt.ends_with('!'));
    }

    fn generation(arguments: &[&str]) -> Generation {
        use clap::{Args as _, Command, FromArgMatches as _};
        let command = Generation::augment_args(Command::new("test"));
        let given = std::iter::once("test").chain(arguments.iter().copied());
        Generation::from_arg_matches(&command.get_matches_from(given)).expect("they parse")
    }

    #[test]
    fn continuations_end_where_the_function_is_left_and_instructions_do_not() {
        assert_eq!(generation(&[]).stops().len(), 3);
        assert_eq!(generation(&["--stop=-x"]).stops()[3], "-x");
        assert!(generation(&["--instruction", "rust"]).stops().is_empty());
        assert!(generation(&["--chat-template", "always"]).stops().is_empty());
    }

    #[test]
    fn an_instruction_needs_its_placeholder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text");
        std::fs::write(&path, "Please.").expect("written");
        let name = path.display().to_string();
        assert!(generation(&["--instruction", &name]).instruction().is_err());
        std::fs::write(&path, "Please: {prompt}").expect("written");
        let text = generation(&["--instruction", &name]).instruction().expect("it is well formed");
        assert_eq!(text.as_deref(), Some("Please: {prompt}"));
        let text = generation(&["--instruction", "rust"]).instruction().expect("a preset");
        assert!(text.is_some_and(|text| text.contains("{prompt}")));
        assert_eq!(generation(&[]).instruction().expect("none"), None);
    }
}
