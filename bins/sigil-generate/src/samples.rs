//! The main verb: prompts in, samples out.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sigil_data::Digest;
use sigil_kernels::{Cpu, CudaDevice, DType, Decoding, Gpu, Pages, pages::PAGE};
use sigil_model::generate::{
    Generator, GeneratorShape, Observer, Request, Sample, Sampling, Settings, Stop, code_of,
    sample_stream,
};
use sigil_places::{Places, command_line};

use crate::{
    cli::{Arguments, SamplingArguments},
    device::{self, Chosen},
    exit::Failure,
    load::{self, Described},
    model::{self, ModelFolders},
    output::{Output, Row},
    plain::plain,
    progress::Progress,
    prompt_tokens::{self, PromptSettings},
    prompts::{self, Prompt},
    selection::Selection,
};

/// Longest sample where none is asked for.
pub(crate) const MAX_NEW_TOKENS: usize = 512;

/// Generates.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let places = Places::find();
    set_threads(arguments.model.threads)?;
    let stop = stop_flag()?;
    let prompts = match &arguments.prompt[..] {
        [] => prompts::read(&arguments.prompts)?,
        texts => prompts::of_arguments(texts),
    };
    let selection = Selection::new(arguments, &prompts)?;
    let sampling = sampling(&arguments.sampling, selection.n > 1);
    sampling.check()?;
    let chosen = device::choose(&arguments.model.device, &places)?;
    let folders = model::find(&arguments.model, &places)?;
    eprintln!("model: {}", folders.label);
    let described = load::describe(&folders, &arguments.model)?;
    let device = chosen.describe(&places);
    let job =
        Job::new(arguments, prompts, selection, sampling, &folders, &described, device, stop)?;
    match chosen {
        Chosen::Cpu => job.run::<Cpu>(&Default::default(), DType::F32),
        Chosen::Cuda(index) => {
            device::check_kernels(index);
            job.run::<Gpu>(&CudaDevice::new(index), DType::BF16)
        }
    }
}

/// Sets the size of the thread pool.
pub(crate) fn set_threads(threads: Option<u32>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize);
    pool.build_global().map_err(|error| Failure::new(1, error))
}

/// A flag that Ctrl-C sets; a second one ends the program at once.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(1, error))?;
    }
    Ok(stop)
}

/// The settings of sampling; `several` samples of a prompt are drawn unless told otherwise.
pub(crate) fn sampling(arguments: &SamplingArguments, several: bool) -> Sampling {
    let temperature = arguments.temperature.unwrap_or(if several { 0.7 } else { 0.0 });
    Sampling {
        temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p.unwrap_or(if temperature > 0.0 { 0.9 } else { 1.0 }),
        min_p: arguments.min_p,
        repetition_penalty: arguments.repetition_penalty,
    }
}

/// Everything that is decided before the weights are loaded.
struct Job<'a> {
    arguments: &'a Arguments,
    folders: &'a ModelFolders,
    described: &'a Described,
    prompts: Vec<Prompt>,
    selection: Selection,
    /// Of the prompts, in their order.
    tokens: Vec<Vec<u32>>,
    sampling: Sampling,
    max_new_tokens: usize,
    stop_tokens: Vec<u32>,
    capacity: usize,
    model_digest: String,
    settings_digest: String,
    /// What is computed on, for the report.
    device: String,
    stop: Arc<AtomicBool>,
}

impl<'a> Job<'a> {
    fn new(
        arguments: &'a Arguments,
        prompts: Vec<Prompt>,
        selection: Selection,
        sampling: Sampling,
        folders: &'a ModelFolders,
        described: &'a Described,
        device: String,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let wanted = &arguments.sampling;
        let tokenizer = &described.tokenizer;
        let most = described.config.max_position_embeddings;
        let chat = arguments.model.chat_template;
        let encoding = PromptSettings::new(tokenizer, most, chat);
        let (tokens, of_template) = encoding.of_prompts(tokenizer, &prompts)?;
        let max_new_tokens = wanted.max_new_tokens.unwrap_or(MAX_NEW_TOKENS);
        let stop_tokens = prompt_tokens::stop_tokens(
            tokenizer,
            &described.stop_tokens,
            of_template,
            &wanted.stop_token,
        )?;
        let longest = tokens.iter().map(Vec::len).max().unwrap_or(1);
        if let Some(at) = tokens.iter().position(|tokens| tokens.len() >= most) {
            let (id, count) = (&prompts[at].id, tokens[at].len());
            let message =
                format!("prompt `{id}` has {count} tokens, and the model has {most} positions");
            return Err(Failure::new(4, message));
        }
        let capacity = most.min(longest.saturating_add(max_new_tokens));
        if let Some(tokens) = arguments.cache_tokens
            && tokens / PAGE < Pages::of_positions(capacity)
        {
            let least = Pages::of_positions(capacity) * PAGE;
            let message = format!(
                "`--cache-tokens` is {tokens}, and the longest sequence may need {least} ({capacity} \
                 tokens in pages of {PAGE})"
            );
            let hint = format!("give at least {least}, or lower --max-new-tokens");
            return Err(Failure::new(3, message).hint(hint));
        }
        let settings = format!(
            "{sampling:?} {max_new_tokens} {:?} {stop_tokens:?} chat template: {chat:?}",
            wanted.stop
        );
        Ok(Self {
            arguments,
            folders,
            described,
            prompts,
            selection,
            tokens,
            sampling,
            max_new_tokens,
            stop_tokens,
            capacity,
            model_digest: load::with_positions(described, capacity),
            settings_digest: Digest::of(settings.as_bytes()).to_string(),
            device,
            stop,
        })
    }

    fn run<B: Decoding>(&self, device: &B::Device, compute: DType) -> Result<ExitCode, Failure> {
        let seed = self.arguments.sampling.seed;
        let mut output = match &self.arguments.output {
            Some(path) => Some(Output::open(path)?),
            None => None,
        };
        let done = match &output {
            Some(output) => {
                output.check(&self.model_digest, &self.settings_digest, seed)?;
                if output.torn_bytes > 0 {
                    eprintln!("note: a torn last line ({} bytes) was cut off", output.torn_bytes);
                }
                output.done()
            }
            None => Default::default(),
        };
        let wanted: Vec<(usize, u32)> = self
            .selection
            .samples()
            .filter(|(prompt, sample)| !done.contains(&(self.prompts[*prompt].id.clone(), *sample)))
            .collect();
        if !done.is_empty() {
            eprintln!("{} samples are there already, {} to make", done.len(), wanted.len());
        }
        let requests: Vec<Request> = wanted
            .iter()
            .map(|&(prompt, sample)| {
                let prompt = self.tokens[prompt].clone();
                let stream = sample_stream(seed, &prompt, u64::from(sample));
                Request { prompt, stream }
            })
            .collect();
        let mut writer = Writer {
            job: self,
            wanted: &wanted,
            output: output.as_mut(),
            progress: Progress::new(requests.len() as u64),
            shows_text: !self.arguments.json && stdout().is_terminal(),
            failure: None,
        };
        if !requests.is_empty() {
            let model = load::weights::<B>(
                self.folders,
                &self.described.config,
                &self.arguments.model,
                self.capacity,
                device,
                compute,
            )?;
            let slots = (self.arguments.batch as usize).min(requests.len());
            let positions = self.arguments.cache_tokens;
            let shape = GeneratorShape { slots, capacity: self.capacity, positions };
            let mut generator = Generator::new(model, shape);
            let decode = |tokens: &[u32]| prompt_tokens::text_of(&self.described.tokenizer, tokens);
            let stop = Stop { decode: Some(&decode), ..self.stop() };
            let settings =
                Settings { sampling: self.sampling, max_new_tokens: self.max_new_tokens, stop };
            generator.generate(&requests, &settings, &mut writer)?;
        }
        let Writer { progress, failure, .. } = writer;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(self.tell(&progress, done.len() as u64, requests.len() as u64)),
        }
    }

    fn stop(&self) -> Stop<'_> {
        Stop { tokens: &self.stop_tokens, texts: &self.arguments.sampling.stop, decode: None }
    }

    fn row(&self, (prompt, number): (usize, u32), sample: &Sample) -> Row {
        let text = prompt_tokens::text_of(&self.described.tokenizer, &sample.tokens);
        let text = self.stop().cut(&text);
        Row {
            id: self.prompts[prompt].id.clone(),
            sample: number,
            prompt: self.prompts[prompt].text.clone(),
            text: text.to_owned(),
            code: code_of(text).to_owned(),
            seed: self.arguments.sampling.seed,
            tokens: sample.tokens.len(),
            finish_reason: sample.finish.name().to_owned(),
            model: self.model_digest.clone(),
            settings: self.settings_digest.clone(),
        }
    }

    /// The end: what was made, and what continues it.
    fn tell(&self, progress: &Progress, before: u64, wanted: u64) -> ExitCode {
        let (samples, tokens) = progress.counts();
        let speed = progress.tokens_per_second();
        let finished = samples == wanted;
        let path = self.arguments.output.as_ref().map(|path| path.display().to_string());
        if self.arguments.json && path.is_some() {
            let report = serde_json::json!({
                "finished": finished,
                "samples": samples,
                "samples_before": before,
                "tokens": tokens,
                "tokens_per_second": speed,
                "model": self.model_digest,
                "settings": self.settings_digest,
                "device": self.device,
                "threads": rayon::current_num_threads(),
                "output": path,
            });
            println!("{report}");
        } else if let Some(path) = &path {
            println!("{path}");
        }
        eprintln!("{samples} samples, {tokens} tokens, {speed:.0} tokens/s");
        if finished {
            return ExitCode::SUCCESS;
        }
        match path {
            Some(_) => eprintln!("interrupted; to continue:\n  {}", command_line("sigil-generate")),
            None => eprintln!("interrupted; with --output FILE it could be continued"),
        }
        ExitCode::from(130)
    }
}

/// Puts samples where they belong as they end.
struct Writer<'a> {
    job: &'a Job<'a>,
    wanted: &'a [(usize, u32)],
    output: Option<&'a mut Output>,
    progress: Progress,
    shows_text: bool,
    failure: Option<Failure>,
}

impl Observer for Writer<'_> {
    fn token(&mut self, _request: usize, _token: u32) {
        self.progress.token();
    }

    fn finished(&mut self, request: usize, sample: Sample) {
        let row = self.job.row(self.wanted[request], &sample);
        let result = match &mut self.output {
            Some(output) => output.append(&row),
            None => {
                let text = if self.shows_text {
                    let Row { id, sample, finish_reason, .. } = &row;
                    let (id, text) = (plain(id), plain(&row.text));
                    format!("── {id}, sample {sample} ({finish_reason})\n{text}\n\n")
                } else {
                    row.line()
                };
                let mut result = Ok(());
                self.progress.suspend(|| {
                    result = stdout().lock().write_all(text.as_bytes()).map_err(|error| {
                        Failure::new(1, format!("cannot write to stdout: {error}"))
                    });
                });
                result
            }
        };
        self.progress.sample();
        self.failure = self.failure.take().or(result.err());
    }

    fn stops(&mut self) -> bool {
        self.failure.is_some() || self.job.stop.load(Ordering::Relaxed)
    }
}
