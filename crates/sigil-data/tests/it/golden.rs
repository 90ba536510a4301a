//! Orders against what Hugging Face `datasets` and numpy gave.
//!
//! `SIGIL_GOLDEN_DIR` names another folder in the layout of `tests/fixtures/golden`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Map, Value};
use sigil_data::chat::{ChatTemplate, Role, Turn};
use sigil_data::mixing::{
    BufferShuffle, Feed, InterleaveError, Interleaver, Mixture, NumpyRandom, RoundRule, Stop,
    full_shuffle,
};

const VARIABLE: &str = "SIGIL_GOLDEN_DIR";

fn repository() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/golden").into()
}

fn folder() -> PathBuf {
    std::env::var_os(VARIABLE).map_or_else(repository, PathBuf::from)
}

/// Tells how many cases were compared, and that none is missing where their number is known.
fn counted(what: &str, cases: usize, in_repository: usize) {
    eprintln!("{cases} {what} are equal");
    assert!(cases > 0);
    if std::env::var_os(VARIABLE).is_none() {
        assert_eq!(cases, in_repository, "{what}");
    }
}

#[derive(Deserialize)]
struct Golden {
    numpy: Option<Numpy>,
    cases: Vec<Case>,
    #[serde(default)]
    map_shuffle: Vec<MapShuffle>,
    #[serde(default)]
    buffer_shuffle: Vec<Buffered>,
}

#[derive(Deserialize)]
struct Numpy {
    default_rng42_random5: Vec<f64>,
    default_rng42_choice_p: Vec<usize>,
    default_rng42_perm10: Vec<u32>,
    default_rng42_integers: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    lengths: Vec<usize>,
    probabilities: Option<Vec<f64>>,
    seed: Option<u64>,
    strategy: Stop,
    kind: String,
    sequence: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct MapShuffle {
    n: u32,
    seed: u64,
    order: Vec<u32>,
}

#[derive(Deserialize)]
struct Buffered {
    n: u32,
    buffer: usize,
    seed: u64,
    order: Vec<u32>,
}

fn golden() -> Golden {
    let path = folder().join("interleave_golden.json");
    let text = std::fs::read(&path).expect("the golden file is there");
    serde_json::from_slice(&text).expect("the golden file has the known layout")
}

struct Lengths<'a> {
    lengths: &'a [usize],
    next: Vec<usize>,
    taken: Vec<(usize, usize)>,
}

impl Feed for Lengths<'_> {
    type Error = InterleaveError;

    fn has_row(&mut self, source: usize) -> Result<bool, InterleaveError> {
        Ok(self.next[source] < self.lengths[source])
    }

    fn take(&mut self, source: usize) -> Result<(), InterleaveError> {
        self.taken.push((source, self.next[source]));
        self.next[source] += 1;
        Ok(())
    }

    fn rewind(&mut self, source: usize) -> Result<(), InterleaveError> {
        self.next[source] = 0;
        Ok(())
    }
}

#[test]
fn interleaving_equals_datasets() {
    let cases = golden().cases;
    counted("interleavings", cases.len(), 36);
    for case in &cases {
        let rounds = match case.kind.as_str() {
            "map" => RoundRule::WholeRounds,
            "iter" | "iterable" => RoundRule::AnyRow,
            other => panic!("unknown kind `{other}`"),
        };
        let mixture = match &case.probabilities {
            Some(weights) => {
                let seed = case.seed.expect("what is drawn needs a seed");
                Mixture::Weighted { weights: weights.clone(), stop: case.strategy, seed }
            }
            None => Mixture::RoundRobin { stop: case.strategy, rounds },
        };
        let mut interleaver = Interleaver::new(mixture, case.lengths.len()).expect("a mixture");
        let mut feed =
            Lengths { lengths: &case.lengths, next: vec![0; case.lengths.len()], taken: vec![] };
        while interleaver.next(&mut feed).expect("rows").is_some() {}
        let place = (&case.lengths, &case.probabilities, case.seed, case.strategy, &case.kind);
        assert_eq!(feed.taken, case.sequence, "{place:?}");
    }
}

#[test]
fn shuffles_equal_datasets() {
    let golden = golden();
    counted("shuffles", golden.map_shuffle.len() + golden.buffer_shuffle.len(), 5);
    for case in &golden.map_shuffle {
        assert_eq!(full_shuffle((0..case.n).collect(), case.seed), case.order, "{}", case.n);
    }
    for case in &golden.buffer_shuffle {
        let mut numbers = 0..case.n;
        let mut buffer = BufferShuffle::new(case.buffer, case.seed);
        let mut next = || buffer.next(|| Ok::<_, std::convert::Infallible>(numbers.next()));
        let found: Vec<u32> = std::iter::from_fn(|| next().expect("numbers")).collect();
        assert_eq!(found, case.order, "{} in {}", case.n, case.buffer);
    }
}

#[test]
fn random_numbers_equal_numpy() {
    let Some(numpy) = golden().numpy else { return };
    let random = || NumpyRandom::seeded(42);
    let mut fractions = random();
    for expected in &numpy.default_rng42_random5 {
        // The JSON reader may miss the last bit of a number.
        assert!((fractions.fraction() - expected).abs() < 1e-15);
    }
    let mut choices = random();
    for expected in &numpy.default_rng42_choice_p {
        assert_eq!(choices.choose(&[0.5, 0.8, 1.0]), *expected);
    }
    assert_eq!(random().permutation(10), numpy.default_rng42_perm10);
    let mut integers = random();
    for expected in &numpy.default_rng42_integers {
        assert_eq!(integers.below(1000), *expected);
    }
}

#[derive(Deserialize)]
struct Chats {
    bos_token: String,
    eos_token: String,
    conversations: std::collections::BTreeMap<String, Vec<Map<String, Value>>>,
    cases: Vec<ChatCase>,
}

#[derive(Deserialize)]
struct ChatCase {
    template: String,
    conversation: String,
    add_generation_prompt: bool,
    rendered: Option<String>,
    error: Option<String>,
}

#[test]
fn chat_templates_render_as_transformers_renders_them() {
    let folder = folder().join("chat-templates");
    let text = std::fs::read(folder.join("golden.json")).expect("the golden file is there");
    let golden: Chats = serde_json::from_slice(&text).expect("the golden file has this layout");
    counted("rendered conversations", golden.cases.len(), 24);
    for case in &golden.cases {
        let path = folder.join(format!("{}.jinja", case.template));
        let source = std::fs::read_to_string(path).expect("the template is there");
        let template = ChatTemplate::new(&source, Some(&golden.bos_token), Some(&golden.eos_token))
            .expect("the template is valid");
        let turns: Vec<Turn> = golden.conversations[&case.conversation].iter().map(turn).collect();
        let turns = turns.as_slice();
        let found = template.render(turns, case.add_generation_prompt);
        match &case.rendered {
            Some(expected) => {
                let rendered = found.expect(&case.template);
                assert_eq!(&rendered, expected, "{} {}", case.template, case.conversation);
                let parts = template.render_parts(turns, case.add_generation_prompt);
                assert_eq!(&parts.expect("the turns are found").text(), expected);
            }
            None => {
                let error = found.expect_err("transformers refuses it").to_string();
                assert!(case.error.is_some(), "{error}");
            }
        }
    }
}

/// A message as transformers takes it; what is neither role nor content goes to the template too.
fn turn(message: &Map<String, Value>) -> Turn {
    let mut other = message.clone();
    let mut text = |name: &str| match other.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (role, content) = (text("role"), text("content"));
    Turn { other, ..Turn::new(Role::parse(&role).expect("a known role"), content) }
}

/// Runs the golden tests over another folder; returns whether they pass.
fn passes_over(folder: &Path) -> bool {
    let program = std::env::current_exe().expect("the test program has a path");
    let output = Command::new(program)
        .args(["golden::interleaving_equals", "golden::shuffles_equal", "golden::chat_templates"])
        .env(VARIABLE, folder)
        .output()
        .expect("the test program can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("running 3 tests"), "{text}");
    output.status.success()
}

#[test]
fn another_folder_is_read_when_it_is_named() {
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    let chats = other.path().join("chat-templates");
    std::fs::create_dir(&chats).expect("folders can be made");
    let copy = |name: &str| {
        let (from, to) = (repository().join(name), other.path().join(name));
        std::fs::copy(from, to).expect("the file can be copied");
    };
    for entry in std::fs::read_dir(repository().join("chat-templates")).expect("it is there") {
        let name = entry.expect("it can be listed").file_name();
        copy(&format!("chat-templates/{}", name.to_string_lossy()));
    }
    copy("interleave_golden.json");
    assert!(passes_over(other.path()), "a copy is as good as the original");
    // One row of one order, and one letter of one conversation, are told.
    for (name, from, to) in [
        ("interleave_golden.json", "\"sequence\": [\n[\n0,", "\"sequence\": [\n[\n1,"),
        ("chat-templates/golden.json", "reverses a string", "reverses a strong"),
    ] {
        let path = other.path().join(name);
        let text = std::fs::read_to_string(&path).expect("it was copied");
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{name} has no {from}");
        std::fs::write(&path, changed).expect("the file can be written");
        assert!(!passes_over(other.path()), "{name}");
        copy(name);
    }
}
