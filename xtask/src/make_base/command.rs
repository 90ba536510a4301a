//! The verbs of `cargo xtask make-base`: runs the stages in order and prints what they made.
//!
//! The only file here that knows of the terminal and the environment. Next: `prepare.rs`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::benchmarks::Benchmarks;
use super::corpus_list;
use super::encode::{self, Origin, TokenFile};
use super::error::Error;
use super::fetch::{self, Downloads};
use super::lock;
use super::prepare::{self, Avoid};
use super::select;
use super::texts::{self, Row};
use super::tokenizer;
use super::{blend, export, extend, train};

/// Where the committed corpus lies.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/make_base/corpus");
/// This workspace's lock file: the crates that the quickstart trains and evaluates on.
const WORKSPACE_LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
/// Where the base that ships lies.
const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/sigil-base");
/// `model_max_length` of the tokenizer.
const CONTEXT_TOKENS: usize = 1024;

/// The arguments of `cargo xtask make-base`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Choose the crates of the corpus and write the list that is committed
    List {
        /// Folder for downloads
        #[arg(long, value_name = "DIR")]
        work: PathBuf,
        /// Take the newest versions first, and write the lock file too
        #[arg(long)]
        update_lock: bool,
    },
    /// Download, clean and tokenize the corpus
    Prepare(Prepare),
    /// Train the base on the prepared tokens; interrupt it with Ctrl-C and continue with --resume
    Train {
        /// Folder of `prepare`; the run goes into `run` below it
        #[arg(long, value_name = "DIR")]
        work: PathBuf,
        /// Optimizer steps of 4,096 tokens
        #[arg(long, default_value_t = 10_400)]
        steps: u64,
        /// Peak learning rate
        #[arg(long, default_value_t = 3e-3)]
        learning_rate: f64,
        /// Begin with the newest set of this run, or with this model folder, instead of fresh weights
        #[arg(long, value_name = "RUN")]
        from: Option<PathBuf>,
        /// Continue the run
        #[arg(long)]
        resume: bool,
    },
    /// Mix further rows (solved tasks) with corpus rows for a second phase, into another folder
    Extend {
        /// Folder of `prepare`
        #[arg(long, value_name = "DIR")]
        work: PathBuf,
        /// JSONL of further rows, such as `sigil-expert tasks train` writes; all are taken
        #[arg(long, value_name = "FILE")]
        tasks: PathBuf,
        /// Tokens of the corpus that come again
        #[arg(long, default_value_t = 5_000_000)]
        corpus_tokens: u64,
        /// Folder of the second phase, for `train` and `export`
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Mix the weights of a base and of what its second phase made of it
    Blend {
        /// Folder of the base
        #[arg(long, value_name = "DIR", default_value = BASE)]
        base: PathBuf,
        /// Folder of what came out of the second phase
        #[arg(long, value_name = "DIR")]
        tuned: PathBuf,
        /// How far to go from the base, 0 to 1
        #[arg(long)]
        share: f32,
        /// Folder of the mixture
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write the newest checkpoint set of the run as the files that ship
    Export {
        /// Folder of `prepare` and `train`
        #[arg(long, value_name = "DIR")]
        work: PathBuf,
        /// Folder of the shipped model
        #[arg(long, value_name = "DIR", default_value = BASE)]
        out: PathBuf,
        /// For a second phase: what the first one was, such as `42583744 tokens in 10400 steps`
        #[arg(long, value_name = "TEXT")]
        first_phase: Option<String>,
    },
}

#[derive(clap::Args)]
struct Prepare {
    /// Folder for downloads and results
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Tokens in the vocabulary, special ones included
    #[arg(long, default_value_t = 4096)]
    vocab_size: usize,
    /// Megabytes of text that the tokenizer is trained on
    #[arg(long, default_value_t = 40)]
    sample_mb: usize,
    /// Use this tokenizer.json instead of training one
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// JSONL of benchmark problems to keep out of the corpus; may be given again
    #[arg(long, value_name = "FILE")]
    benchmark: Vec<PathBuf>,
    /// JSONL of further training rows (`text`, or `prompt` and `completion`); may be given again
    #[arg(long, value_name = "FILE")]
    extra: Vec<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// Whatever stopped it.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    match &arguments.verb {
        Verb::List { work, update_lock } => list(work, *update_lock)?,
        Verb::Prepare(prepare) => prepare_corpus(prepare)?,
        Verb::Extend { work, tasks, corpus_tokens, out } => {
            let corpus_tokens = *corpus_tokens;
            let file = extend::extend(&extend::Extension { work, tasks, corpus_tokens, out })?;
            report(&out.join("tokens.bin"), &file);
        }
        Verb::Train { work, steps, learning_rate, from, resume } => {
            let (steps, learning_rate, resume) = (*steps, *learning_rate, *resume);
            let stop = sigil_qlora::Stop::default();
            for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
                signal_hook::flag::register(signal, stop.flag())
                    .map_err(|error| miette::miette!("cannot listen to signals: {error}"))?;
            }
            let from = from.as_deref();
            train::run(&train::Plan { work, steps, learning_rate, from, resume }, &stop)?;
        }
        Verb::Blend { base, tuned, share, out } => {
            let bytes = blend::blend(base, tuned, *share, out)?;
            say(&format!("{}: {bytes} bytes of weights", out.display()));
        }
        Verb::Export { work, out, first_phase } => {
            let bytes = export::export(work, out, first_phase.as_deref())?;
            say(&format!("{}: {bytes} bytes", out.display()));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a chore talks to the person who runs it")]
fn say(text: &str) {
    println!("{text}");
}

/// The cargo that runs this chore, or the one on the path.
fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn list(work: &Path, update_lock: bool) -> Result<(), Error> {
    let corpus = Path::new(CORPUS);
    let lock_path = corpus.join("corpus.lock");
    let lock_text = if update_lock {
        let text = fetch::update_lock(&cargo(), work)?;
        std::fs::write(&lock_path, &text).map_err(Error::file("write", &lock_path))?;
        text
    } else {
        fetch::LOCK.to_owned()
    };
    let downloads = fetch::fetch(&cargo(), work, &lock_text)?;
    let locked = lock::registry_packages(&lock_text, &lock_path)?;
    let workspace = lock::names(Path::new(WORKSPACE_LOCK))?;
    let (listed, refused) = select::select(&locked, &downloads, &workspace)?;
    let path = corpus.join("corpus.tsv");
    std::fs::write(&path, corpus_list::write(&listed)).map_err(Error::file("write", &path))?;
    say(&format!("{} crates listed in {}", listed.len(), path.display()));
    for (reason, count) in refused {
        say(&format!("{count:>6} left out: {reason}"));
    }
    Ok(())
}

/// The crates of the quickstart as far as the machine's own cargo home has them.
fn avoided() -> Result<Option<Avoid>, Error> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let Some(home) = home.filter(|home| home.join("registry").join("cache").is_dir()) else {
        return Ok(None);
    };
    let path = Path::new(WORKSPACE_LOCK);
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    let locked = lock::registry_packages(&text, path)?;
    Ok(Some(Avoid { locked, downloads: Downloads::under(&home)? }))
}

fn prepare_corpus(arguments: &Prepare) -> Result<(), Error> {
    let started = Instant::now();
    let at = |what: &str| say(&format!("[{:>4} s] {what}", started.elapsed().as_secs()));
    let work = &arguments.work;
    let benchmarks = Benchmarks::read(&arguments.benchmark)?;
    let listed = corpus_list::read(corpus_list::COMMITTED, &Path::new(CORPUS).join("corpus.tsv"))?;

    at("downloading");
    let downloads = fetch::fetch(&cargo(), work, fetch::LOCK)?;
    at("cleaning");
    let prepared = prepare::prepare(&listed, &downloads, avoided()?.as_ref(), &benchmarks)?;
    say(&prepared.ledger.table());
    let folder = work.join("texts");
    std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
    texts::write(&folder.join("train.jsonl"), &prepared.train)?;
    texts::write(&folder.join("held_out.jsonl"), &prepared.held_out)?;
    write_json(&work.join("ledger.json"), &prepared.ledger)?;

    let tokenizer = match &arguments.tokenizer {
        Some(path) => tokenizer::load(path)?,
        None => {
            at("training the tokenizer");
            let mut left = arguments.sample_mb * 1_000_000;
            let sample = prepared.train.iter().map(|text| text.text.as_str()).take_while(|text| {
                let enough = left == 0;
                left = left.saturating_sub(text.len());
                !enough
            });
            tokenizer::train(sample, arguments.vocab_size)?
        }
    };
    let tokenizer_text = tokenizer::to_json(&tokenizer)?;
    let path = work.join("tokenizer.json");
    std::fs::write(&path, &tokenizer_text).map_err(Error::file("write", &path))?;
    let path = work.join("tokenizer_config.json");
    std::fs::write(&path, tokenizer::config_json(CONTEXT_TOKENS))
        .map_err(Error::file("write", &path))?;

    at("encoding");
    let corpus = [corpus_list::COMMITTED, fetch::LOCK].concat();
    let origin = Origin {
        tokenizer: &tokenizer,
        tokenizer_digest: blake3::hash(tokenizer_text.as_bytes()).to_hex().to_string(),
        corpus_digest: blake3::hash(corpus.as_bytes()).to_hex().to_string(),
    };
    let mut rows: Vec<Row> = prepared.train.into_iter().map(|text| Row::Text(text.text)).collect();
    for path in &arguments.extra {
        rows.extend(texts::read(path)?);
    }
    if !arguments.extra.is_empty() {
        super::shuffle::shuffle(&mut rows, 1);
    }
    report(&work.join("tokens.bin"), &encode::encode(&work.join("tokens.bin"), &rows, &origin)?);
    let held_out: Vec<Row> =
        prepared.held_out.into_iter().map(|text| Row::Text(text.text)).collect();
    let path = work.join("held_out.bin");
    report(&path, &encode::encode(&path, &held_out, &origin)?);
    at("done");
    Ok(())
}

fn report(path: &Path, file: &TokenFile) {
    say(&format!(
        "{}: {} tokens, {} documents, {:.3} bytes per token",
        path.display(),
        file.tokens,
        file.documents,
        file.bytes_per_token
    ));
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).expect("counts and names are JSON");
    std::fs::write(path, text + "\n").map_err(Error::file("write", path))
}
