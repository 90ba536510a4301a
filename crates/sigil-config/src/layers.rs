//! The layers of a configuration, merged in their order: built-in defaults, preset, file,
//! environment, command line. The later one wins, key by key.
//!
//! This reads no file and no environment: texts and variables are handed in. figment carries the
//! merging and remembers which layer each value came from. Read next: `translate.rs` and `check.rs`
//! (what happens to a layer before it is merged), `resolve.rs` (what happens after).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};

use crate::loaded::{Book, Loaded};
use crate::node::{Entry, Node, Value};
use crate::note::Note;
use crate::origin::join;
use crate::problem::{ConfigErrors, Problem, ProblemKind};
use crate::settings::Settings;
use crate::source::{Layer, Rank, Report, Source};
use crate::syntax::{Syntax, text};
use crate::translate::translate;
use crate::{check, legacy, mask, presets, resolve, rules, shape};

/// Variables that other programs know too, and the setting each one gives.
const FOREIGN_VARIABLES: [(&str, &str); 4] = [
    ("HF_ENDPOINT", "hub.endpoint"),
    ("HF_HUB_CACHE", "hub.cache_dir"),
    ("HF_HUB_OFFLINE", "hub.offline"),
    ("HF_TOKEN", "hub.token"),
];

/// Collects the layers of a configuration; [`Layers::load`] merges and checks them.
#[derive(Clone, Default)]
pub struct Layers {
    inputs: Vec<(Rank, Input)>,
    home: Option<PathBuf>,
    check_paths: bool,
}

#[derive(Clone)]
enum Input {
    Preset(String),
    File { path: PathBuf, text: String },
    Variable { name: String, value: String },
    Argument(String),
}

impl Layers {
    /// Begins with the built-in defaults alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a preset shipped with sigil (see [`preset_names`](crate::preset_names)).
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.inputs.push((Rank::Preset, Input::Preset(name.into())));
        self
    }

    /// Adds a file by its path, whose ending tells the syntax, and its text.
    pub fn file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let input = Input::File { path: path.into(), text: text.into() };
        self.inputs.push((Rank::File, input));
        self
    }

    /// Adds environment variables; of these, `SIGIL_SECTION__KEY` and the Hub's own `HF_TOKEN`,
    /// `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HUB_CACHE` count.
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut variables: Vec<(Rank, Input)> = variables
            .into_iter()
            .filter_map(|(name, value)| {
                let foreign = FOREIGN_VARIABLES.iter().any(|(known, _)| *known == name);
                let own = name.strip_prefix("SIGIL_").is_some_and(|key| key.contains("__"));
                // An empty variable is a variable that was unset in a shell's way.
                let rank = match (foreign && !value.is_empty(), own) {
                    (true, _) => Rank::ForeignEnvironment,
                    (_, true) => Rank::Environment,
                    _ => return None,
                };
                Some((rank, Input::Variable { name, value }))
            })
            .collect();
        // The environment has no order, the result must have one.
        variables.sort_by(|(_, left), (_, right)| left.name().cmp(right.name()));
        self.inputs.extend(variables);
        self
    }

    /// Adds `--set` arguments of the form `section.key=value`, in the order they were given.
    pub fn set<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).map(Input::Argument);
        self.inputs.extend(arguments.map(|input| (Rank::CommandLine, input)));
        self
    }

    /// Gives the user's home folder, which `~/` in paths stands for.
    pub fn home(mut self, folder: impl Into<PathBuf>) -> Self {
        self.home = Some(folder.into());
        self
    }

    /// Also requires that local sources and adapters exist.
    pub fn check_paths(mut self) -> Self {
        self.check_paths = true;
        self
    }

    /// Merges the layers and checks everything.
    ///
    /// # Errors
    /// Everything that is wrong in any layer and between settings, all at once.
    pub fn load(mut self) -> Result<Loaded, ConfigErrors> {
        // Stable: files and arguments stay in the order they were given.
        self.inputs.sort_by_key(|(rank, _)| *rank);
        let defaults =
            Layer { rank: Rank::Default, source: Source::Defaults, places: Default::default() };
        let mut loading = Loading {
            figment: Figment::from(Serialized::defaults(Settings::default())),
            layers: vec![defaults],
            problems: Vec::new(),
            notes: Vec::new(),
            faulty: Vec::new(),
        };
        for (rank, input) in self.inputs {
            loading.read(rank, input);
        }
        loading.finish(self.home.as_deref(), self.check_paths)
    }
}

/// Without the texts and values, which may hold a secret.
impl fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranks = self.inputs.iter().map(|(rank, _)| rank);
        formatter.debug_list().entries(ranks).finish()
    }
}

impl Input {
    fn name(&self) -> &str {
        match self {
            Self::Variable { name, .. } => name,
            Self::Preset(name) => name,
            Self::Argument(text) | Self::File { text, .. } => text,
        }
    }
}

struct Loading {
    figment: Figment,
    layers: Vec<Layer>,
    problems: Vec<Problem>,
    notes: Vec<Note>,
    faulty: Vec<String>,
}

impl Loading {
    fn read(&mut self, rank: Rank, input: Input) {
        match input {
            Input::Preset(name) => match presets::preset_text(&name) {
                Some(text) => {
                    let (root, syntax) = Syntax::Toml.read(text);
                    let text = text.to_owned();
                    self.add(rank, Source::Preset { name, text }, root, syntax);
                }
                None => {
                    let suggestion = presets::suggestion(&name);
                    self.problem(ProblemKind::UnknownPreset { name, suggestion });
                }
            },
            Input::File { path, text } => match Syntax::of(&path) {
                Some(syntax) => {
                    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                    let (root, problems) = syntax.read(&text);
                    self.add(rank, Source::File { path, text }, root, problems);
                }
                None => {
                    let path = path.display().to_string();
                    self.problem(ProblemKind::UnknownSyntax { path });
                }
            },
            Input::Variable { name, value } => {
                let foreign = FOREIGN_VARIABLES.iter().find(|(known, _)| *known == name);
                let path: Vec<String> = match (foreign, name.strip_prefix("SIGIL_")) {
                    (Some((_, key)), _) => key.split('.').map(str::to_owned).collect(),
                    (None, own) => {
                        let own = own.unwrap_or_default().to_ascii_lowercase();
                        own.split("__").map(str::to_owned).collect()
                    }
                };
                let root = nest(&path, &value);
                self.add(rank, Source::Environment { variable: name }, root, Vec::new());
            }
            Input::Argument(argument) => match text::split(&argument) {
                Some((path, value)) => {
                    let root = nest(&path, value);
                    let key = join(&path);
                    self.add(rank, Source::CommandLine { key }, root, Vec::new());
                }
                None => {
                    let argument = crate::node::quoted(&mask::line(&argument));
                    self.problem(ProblemKind::NotAnAssignment { argument });
                }
            },
        }
    }

    /// Tells of an input that is no layer at all.
    fn problem(&mut self, kind: ProblemKind) {
        self.problems.push(Problem {
            kind,
            origin: crate::origin::Origin::Default,
            excerpt: None,
            order: (self.layers.len(), 0),
        });
    }

    fn add(
        &mut self,
        rank: Rank,
        source: Source,
        root: Node,
        syntax: Vec<crate::syntax::SyntaxProblem>,
    ) {
        let layer = self.layers.len();
        let mut notes = Vec::new();
        let mut report = Report {
            source: &source,
            layer,
            problems: &mut self.problems,
            notes: &mut notes,
            faulty: &mut self.faulty,
        };
        for problem in syntax {
            let message = problem.message;
            report.problem(ProblemKind::Syntax { message }, &problem.span);
        }
        let mut dict = Dict::new();
        let mut places = BTreeMap::new();
        for assignment in translate(root, &mut report) {
            let mut path = assignment.path;
            let Some(shape) = shape::settings().at(path.iter().map(String::as_str)) else {
                check::unknown(&path, &assignment.key_span, &mut report);
                continue;
            };
            let value = check::check(&assignment.node, shape, &mut path, &mut report);
            if let (Some(value), [section, key]) = (value, path.as_slice()) {
                places.insert(join(&path), assignment.node.span);
                let section = dict.entry(section.clone()).or_insert_with(|| Dict::new().into());
                if let figment::value::Value::Dict(_, section) = section {
                    section.insert(key.clone(), value);
                }
            }
        }
        notes.sort_by_key(|(position, _)| *position);
        self.notes.extend(notes.into_iter().map(|(_, note)| note));
        let provider = LayerProvider { layer, dict };
        self.figment = std::mem::take(&mut self.figment).merge(provider);
        self.layers.push(Layer { rank, source, places });
    }

    fn finish(mut self, home: Option<&Path>, check_paths: bool) -> Result<Loaded, ConfigErrors> {
        let mut settings = match self.figment.extract::<Settings>() {
            Ok(settings) => settings,
            // The checks above let nothing through that does not fit; should they, it is told.
            Err(error) => {
                for error in error {
                    let message = error.to_string();
                    self.problem(ProblemKind::Syntax { message });
                }
                return Err(ConfigErrors::of(self.problems));
            }
        };
        let mut book = Book::new(self.layers, &self.figment, self.faulty);
        resolve::resolve(&mut settings, &mut book, home, &mut self.notes, &mut self.problems);
        rules::check(&settings, &book, &mut self.problems, &mut self.notes);
        if check_paths {
            rules::check_paths(&settings, &book, &mut self.problems);
        }
        ConfigErrors::collect(self.problems)?;
        Ok(Loaded::new(settings, self.notes, book))
    }
}

/// Makes the tree of a single assignment, reading the value as its setting wants it.
fn nest(path: &[String], value: &str) -> Node {
    let present = path.join(".");
    let present = legacy::present_name(&present);
    let shape = if present == path.join(".") {
        shape::settings().at(path.iter().map(String::as_str))
    } else if matches!(legacy::fate(&path.join(".")), Some(legacy::Fate::Renamed(_))) {
        shape::settings().at(present.split('.'))
    } else {
        None
    };
    let leaf = Node::bare(text::read(value, shape));
    path.iter().rev().fold(leaf, |node, key| {
        Node::bare(Value::Table(vec![Entry { key: key.clone(), key_span: 0..0, node }]))
    })
}

/// A checked layer as figment wants it. The metadata's name is the layer's index, from which the
/// place of a value is found again.
struct LayerProvider {
    layer: usize,
    dict: Dict,
}

impl Provider for LayerProvider {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}
