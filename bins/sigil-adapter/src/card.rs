//! `card`: prints a model card, makes one where there is none, puts results into it.

use std::path::Path;
use std::process::ExitCode;

use sigil_adapter::AdapterError;
use sigil_adapter::card::{read_results, with_results};
use sigil_adapter::inspect::{AdapterFacts, inspect};
use sigil_adapter::subject::Subject;
use sigil_run::{CardSource, ModelCard};

use crate::cli::Card;
use crate::exit::Failure;
use crate::model::subject;
use crate::output;

/// The card's name.
const NAME: &str = "README.md";

/// Runs `card`.
pub(crate) fn run(arguments: &Card) -> Result<ExitCode, Failure> {
    let which = &arguments.which;
    let subject = subject(&which.path, &which.set)?;
    let Some(folder) = subject.weights_folder() else {
        let path = which.path.clone();
        return Err(AdapterError::WrongKind { path, what: "has no checkpoint set yet" }.into());
    };
    let path = folder.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let found = inspect(&which.path, &subject)?;
            rendered(&which.path, found.adapter.as_ref())
        }
        Err(source) => return Err(AdapterError::Read { path, source }.into()),
    };
    let Some(results) = &arguments.results else {
        match &arguments.output {
            Some(output) => sigil_run::atomic_write(output, text.as_bytes())?,
            None => output::put(&text)?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let card = with_results(&path, &text, &read_results(results)?)?;
    match (&arguments.output, &subject) {
        (Some(output), _) => sigil_run::atomic_write(output, card.as_bytes())?,
        // A set's manifest knows its card's digest: both change together.
        (None, Subject::Run { view, set: Some(set), .. }) => {
            view.replace_card(set, card.as_bytes())?;
        }
        (None, _) => sigil_run::atomic_write(&path, card.as_bytes())?,
    }
    let written = arguments.output.as_deref().unwrap_or(&path);
    eprintln!("the results are in {}", written.display());
    Ok(ExitCode::SUCCESS)
}

/// A card for a folder that has none: what its files say.
fn rendered(path: &Path, adapter: Option<&AdapterFacts>) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let base = adapter.and_then(|adapter| adapter.base_model.clone());
    let lora = adapter.map(|adapter| {
        [
            ("rank", adapter.rank.to_string()),
            ("alpha", adapter.alpha.to_string()),
            ("dropout", adapter.dropout.to_string()),
            ("targets", adapter.target_modules.join(", ")),
            ("trained values", adapter.parameters.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    });
    ModelCard {
        title: name,
        base_model: base.map(|name| CardSource {
            is_on_hub: name.matches('/').count() == 1 && !Path::new(&name).exists(),
            name,
        }),
        library_name: if adapter.is_some() { "peft" } else { "transformers" }.to_owned(),
        pipeline_tag: "text-generation".to_owned(),
        tags: ["rust", "code", "sigil"].map(str::to_owned).to_vec(),
        lora: lora.unwrap_or_default(),
        ..ModelCard::default()
    }
    .render()
}
