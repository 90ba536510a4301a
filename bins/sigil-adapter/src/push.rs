//! `push`: an adapter, sets or a model to the Hub.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use sigil_adapter::AdapterError;
use sigil_adapter::files::size;
use sigil_adapter::push::{HubTarget, PushEvent, Upload, of_folder, of_sets, push};
use sigil_adapter::subject::Subject;
use sigil_places::no_color;

use crate::cli::Push;
use crate::exit::Failure;
use crate::model::subject;
use crate::output;
use crate::places::hub;

/// Requests at most for one answer.
const ATTEMPTS: usize = 5;

/// Runs `push`.
pub(crate) fn run(arguments: &Push) -> Result<ExitCode, Failure> {
    let which = &arguments.which;
    let subject = subject(&which.path, &which.set)?;
    let mut uploads = files(&subject, arguments)?;
    match uploads.iter_mut().find(|upload| upload.name == "README.md") {
        Some(card) => card.yields = arguments.keep_card,
        None => eprintln!("note: there is no README.md; `sigil-adapter card` makes one"),
    }
    if arguments.dry_run {
        for upload in &uploads {
            output::line(format!("{:>10}  {}", size(upload.bytes), upload.name))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let hub = hub();
    if hub.offline {
        return Err(Failure::new(11, "HF_HUB_OFFLINE forbids to talk to the Hub"));
    }
    let target = HubTarget {
        endpoint: hub.endpoint,
        token: hub.token,
        repo: arguments.repo.clone(),
        revision: arguments.branch.clone(),
        private: arguments.private,
        attempts: ATTEMPTS,
    };
    let bar = stderr().is_terminal().then(bar);
    let shown = bar.clone();
    let sent = shown.map(|bar| -> Arc<dyn Fn(u64, u64) + Send + Sync> {
        Arc::new(move |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })
    });
    let say = |text: String| match &bar {
        Some(bar) => bar.println(text),
        None => eprintln!("{text}"),
    };
    let mut events = |event: PushEvent| match event {
        PushEvent::Compared { files, bytes, same } => {
            say(format!("{files} files to send ({}), {same} are there already", size(bytes)));
        }
        PushEvent::Committed { number, of, files } => {
            say(format!("commit {number} of {of}: {}", files.join(", ")));
        }
    };
    let pushed = push(&target, &uploads, arguments.commit_mib << 20, sent, &mut events)?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    if arguments.json {
        let report = serde_json::json!({
            "url": pushed.url,
            "files": pushed.files,
            "bytes": pushed.bytes,
            "same": pushed.same,
        });
        output::line(report)?;
    } else {
        output::line(&pushed.url)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn files(subject: &Subject, arguments: &Push) -> Result<Vec<Upload>, Failure> {
    let nothing = |what| AdapterError::WrongKind { path: arguments.which.path.clone(), what };
    match subject {
        Subject::Run { view, set: Some(set), .. } if arguments.all_sets => {
            let mut sets = vec![set.clone()];
            sets.extend(view.sets()?.into_iter().filter(|other| other.name() != set.name()));
            for set in &sets {
                set.verify().map_err(|damage| {
                    Failure::new(6, format!("checkpoint set `{}` is damaged: {damage}", set.name()))
                        .hint("push the whole ones one by one with --set")
                })?;
            }
            Ok(of_sets(&sets, arguments.with_state)?)
        }
        _ if arguments.all_sets => Err(nothing("is no run, so it has no sets").into()),
        Subject::Gguf(path) => {
            let bytes = std::fs::metadata(path)
                .map_err(|source| AdapterError::Read { path: path.clone(), source })?
                .len();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(vec![Upload { path: path.clone(), name, bytes, yields: false }])
        }
        subject => match subject.weights_folder() {
            Some(folder) => Ok(of_folder(folder, "", arguments.with_state)?),
            None => Err(nothing("has no checkpoint set yet").into()),
        },
    }
}

fn bar() -> ProgressBar {
    let colour = if no_color() { "" } else { ".cyan" };
    let template = format!("sending {{bar:28{colour}}} {{binary_bytes}}/{{binary_total_bytes}}");
    let style =
        ProgressStyle::with_template(&template).expect("the template is constant and valid");
    ProgressBar::new(0).with_style(style)
}
