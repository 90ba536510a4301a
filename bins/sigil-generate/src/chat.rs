//! `chat`: questions from stdin, answers as they come.
//!
//! Lines are read as the terminal gives them: no line editor, so that a script can talk too. What
//! the conversation is lies in `conversation.rs`.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _, stdin, stdout},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sigil_data::RowEncoder;
use sigil_kernels::{Cpu, CudaDevice, DType, Decoding, Gpu};
use sigil_model::generate::{
    GenerateError, Generator, GeneratorShape, Observer, Request, Sample, Sampling, Settings, Stop,
    sample_stream,
};
use sigil_places::Places;

use crate::{
    cli::{Arguments, ChatArguments},
    conversation::Conversation,
    device::{self, Chosen},
    exit::Failure,
    load::{self, Described},
    model,
    plain::plain,
    prompt_tokens::{self, PromptSettings},
    samples::{MAX_NEW_TOKENS, sampling, set_threads, stop_flag},
};

/// Longest conversation, in tokens, where the model could hold a longer one.
const MOST_POSITIONS: usize = 8192;

const HELP: &str = "\
/undo             take back the last question and its answer
/retry            answer the last question again, with other random numbers
/reset            begin a new conversation
/history          show the conversation
/settings         show the settings of sampling
/set NAME VALUE   change one: temperature, top_p, top_k, min_p, repetition_penalty,
                  max_new_tokens, seed
/save             append the conversation to the file of training rows
/quit             end (as does the end of the input)
A line that ends in \\ goes on in the next. Ctrl-C ends an answer.";

/// Talks.
pub(crate) fn run(arguments: &Arguments, chat: &ChatArguments) -> Result<ExitCode, Failure> {
    let places = Places::find();
    set_threads(arguments.model.threads)?;
    let sampling = sampling(&arguments.sampling, true);
    sampling.check()?;
    let chosen = device::choose(&arguments.model.device, &places)?;
    let folders = model::find(&arguments.model, &places)?;
    let described = load::describe(&folders, &arguments.model)?;
    let capacity = described.config.max_position_embeddings.min(MOST_POSITIONS);
    let positions = described.config.max_position_embeddings;
    let settings =
        PromptSettings::new(&described.tokenizer, positions, arguments.model.chat_template);
    let encoder = settings.talk(&described.tokenizer)?;
    if encoder.is_none() {
        eprintln!("note: no chat template is used; the turns are given to the model line by line");
    }
    let stop_tokens = prompt_tokens::stop_tokens(
        &described.tokenizer,
        &described.stop_tokens,
        encoder.as_ref().map(|encoder| encoder.stop_token()).transpose()?,
        &arguments.sampling.stop_token,
    )?;
    let stop = stop_flag()?;
    eprintln!("model: {}\n/help lists the commands", folders.label);
    let (config, model) = (&described.config, &arguments.model);
    let talk = Talk {
        described: &described,
        encoder,
        chat,
        stop_texts: &arguments.sampling.stop,
        stop_tokens,
        stop,
        sampling,
        max_new_tokens: arguments.sampling.max_new_tokens.unwrap_or(MAX_NEW_TOKENS),
        seed: arguments.sampling.seed,
        conversation: Conversation::default(),
        attempt: 0,
    };
    match chosen {
        Chosen::Cpu => {
            let (device, compute) = (Default::default(), DType::F32);
            talk.run(load::weights::<Cpu>(&folders, config, model, capacity, &device, compute)?)
        }
        Chosen::Cuda(index) => {
            device::check_kernels(index);
            let (device, compute) = (CudaDevice::new(index), DType::BF16);
            talk.run(load::weights::<Gpu>(&folders, config, model, capacity, &device, compute)?)
        }
    }
}

/// A conversation and its settings.
struct Talk<'a> {
    described: &'a Described,
    /// Of the model's chat template, where it is used.
    encoder: Option<RowEncoder<'a>>,
    chat: &'a ChatArguments,
    stop_texts: &'a [String],
    stop_tokens: Vec<u32>,
    stop: Arc<AtomicBool>,
    sampling: Sampling,
    max_new_tokens: usize,
    seed: u64,
    conversation: Conversation,
    /// Answers given to the last question before this one.
    attempt: u64,
}

impl Talk<'_> {
    fn run<B: Decoding>(
        mut self,
        model: sigil_model::generate::GenerationModel<B>,
    ) -> Result<ExitCode, Failure> {
        let capacity = model.positions();
        let mut generator =
            Generator::new(model, GeneratorShape { slots: 1, capacity, positions: None });
        while let Some(input) = read_input()? {
            match input.trim() {
                "" => {}
                "/quit" | "/exit" => break,
                "/help" => eprintln!("{HELP}"),
                "/undo" if self.conversation.undo() => eprintln!("taken back"),
                "/retry" if self.conversation.take_back_answer() => {
                    self.attempt += 1;
                    self.answer(&mut generator)?;
                }
                "/undo" | "/retry" => eprintln!("there is nothing to take back"),
                "/reset" => self.conversation = Conversation::default(),
                "/history" => self.show(),
                "/settings" => eprintln!(
                    "{:?}, max_new_tokens {}, seed {}",
                    self.sampling, self.max_new_tokens, self.seed
                ),
                "/save" => self.save(),
                command if command.starts_with("/set ") => self.set(command),
                command if command.starts_with('/') => {
                    eprintln!("no such command: {command} (/help lists them)");
                }
                _ => {
                    self.conversation.ask(input);
                    self.attempt = 0;
                    self.answer(&mut generator)?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Generates and shows the answer to the last question; a question that does not fit is taken
    /// back.
    fn answer<B: Decoding>(&mut self, generator: &mut Generator<B>) -> Result<(), Failure> {
        let tokenizer = &self.described.tokenizer;
        let prompt = self.prompt()?;
        let stream = sample_stream(self.seed, &prompt, self.attempt);
        let decode = |tokens: &[u32]| prompt_tokens::text_of(tokenizer, tokens);
        let stop =
            Stop { tokens: &self.stop_tokens, texts: self.stop_texts, decode: Some(&decode) };
        let settings =
            Settings { sampling: self.sampling, max_new_tokens: self.max_new_tokens, stop };
        let mut listener =
            Listener { decode: &decode, stop: &self.stop, cut: stop, tokens: vec![], shown: 0 };
        let result = generator.generate(&[Request { prompt, stream }], &settings, &mut listener);
        println!();
        let text = listener.text();
        self.stop.store(false, Ordering::Relaxed);
        match result {
            Ok(()) => self.conversation.answer(text),
            Err(error @ GenerateError::PromptTooLong { .. }) => {
                self.conversation.undo();
                eprintln!("{error}: the question was taken back; /reset begins anew");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The tokens of the conversation up to the answer.
    fn prompt(&self) -> Result<Vec<u32>, Failure> {
        let turns = self.conversation.turns();
        match &self.encoder {
            Some(encoder) => Ok(encoder.question(turns)?),
            None => {
                let text: Vec<&str> = turns.iter().map(|turn| turn.content.as_str()).collect();
                prompt_tokens::of_text(&self.described.tokenizer, &text.join("\n"))
            }
        }
    }

    fn show(&self) {
        for turn in self.conversation.turns() {
            println!("[{}] {}", turn.role.name(), plain(&turn.content));
        }
    }

    fn save(&self) {
        if self.conversation.turns().is_empty() {
            eprintln!("there is nothing to save");
            return;
        }
        let path = &self.chat.rows;
        let append = || -> std::io::Result<()> {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = std::fs::File::options().append(true).create(true).open(path)?;
            file.write_all(self.conversation.training_row().as_bytes())
        };
        match append() {
            Ok(()) => eprintln!("saved to {}", path.display()),
            Err(error) => eprintln!("cannot write `{}`: {error}", path.display()),
        }
    }

    /// `/set NAME VALUE`; what makes no sense changes nothing.
    fn set(&mut self, command: &str) {
        let mut words = command.split_whitespace().skip(1);
        let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else {
            eprintln!("/set NAME VALUE");
            return;
        };
        let mut changed = self.sampling;
        let float = value.parse::<f32>();
        let count = value.parse::<usize>();
        match (name, float, count) {
            ("temperature", Ok(value), _) => changed.temperature = value,
            ("top_p", Ok(value), _) => changed.top_p = value,
            ("min_p", Ok(value), _) => changed.min_p = value,
            ("repetition_penalty", Ok(value), _) => changed.repetition_penalty = value,
            ("top_k", _, Ok(value)) => changed.top_k = value,
            ("max_new_tokens", _, Ok(value)) if value > 0 => self.max_new_tokens = value,
            ("seed", _, Ok(value)) => self.seed = value as u64,
            _ => eprintln!("`{name}` cannot be `{value}`"),
        }
        match changed.check() {
            Ok(()) => self.sampling = changed,
            Err(error) => eprintln!("{error}"),
        }
    }
}

/// One input: a line, or several that end in a backslash; none at the end of the input.
fn read_input() -> Result<Option<String>, Failure> {
    let mut input = String::new();
    loop {
        if stdin().is_terminal() {
            eprint!("{}", if input.is_empty() { "> " } else { ". " });
        }
        let mut line = String::new();
        let read = stdin().lock().read_line(&mut line);
        let read = read.map_err(|error| Failure::new(1, format!("cannot read stdin: {error}")))?;
        if read == 0 {
            return Ok((!input.is_empty()).then_some(input));
        }
        let line = line.trim_end_matches(['\n', '\r']);
        match line.strip_suffix('\\') {
            Some(part) => {
                input.push_str(part);
                input.push('\n');
            }
            None => {
                input.push_str(line);
                return Ok(Some(input));
            }
        }
    }
}

/// Shows an answer while it comes.
struct Listener<'a> {
    decode: &'a (dyn Fn(&[u32]) -> String + Sync),
    stop: &'a AtomicBool,
    cut: Stop<'a>,
    tokens: Vec<u32>,
    /// Bytes that are on the terminal.
    shown: usize,
}

impl Listener<'_> {
    fn text(&self) -> String {
        let text = (self.decode)(&self.tokens);
        self.cut.cut(&text).to_owned()
    }

    /// Shows what is new; characters that may still change are held back until `all`.
    fn show(&mut self, all: bool) {
        let text = self.text();
        let whole = if all { &text } else { text.trim_end_matches('\u{fffd}') };
        let shown = plain(whole);
        if let Some(new) = shown.get(self.shown..).filter(|new| !new.is_empty()) {
            print!("{new}");
            // A terminal that is gone is noticed when the next line is read.
            let _ = stdout().flush();
            self.shown = shown.len();
        }
    }
}

impl Observer for Listener<'_> {
    fn token(&mut self, _request: usize, token: u32) {
        self.tokens.push(token);
        self.show(false);
    }

    fn finished(&mut self, _request: usize, _sample: Sample) {
        self.show(true);
    }

    fn stops(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
