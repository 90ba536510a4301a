//! Typed settings for sigil: what a run is told, checked before anything expensive begins.
//!
//! Layers come in this order, the later one wins: built-in defaults, a preset or a file (TOML, or
//! the predecessor's YAML unchanged), `SIGIL_SECTION__KEY` variables, `--set section.key=value`
//! arguments. Everything that is wrong is told at once, with its place and a way out.
//!
//! Knows no tensor and opens no file, no dataset and no environment: texts and variables are handed
//! in. Read first: `settings.rs` (what can be set), then `layers.rs` (how it is loaded).
//!
//! ```
//! use sigil_config::Layers;
//!
//! let loaded = Layers::new()
//!     .preset("quickstart")
//!     .set(["train.learning_rate=5e-5"])
//!     .load()?;
//! assert_eq!(loaded.settings.train.learning_rate, 5e-5);
//!
//! let errors = Layers::new().set(["train.lrr=1"]).load().unwrap_err();
//! assert!(errors.to_string().contains("did you mean `train.learning_rate`?"));
//! # Ok::<(), sigil_config::ConfigErrors>(())
//! ```

mod check;
mod difference;
mod excerpt;
mod layers;
mod legacy;
mod legacy_values;
mod loaded;
mod mask;
mod node;
mod note;
mod origin;
mod presets;
mod print;
mod problem;
mod reference;
mod resolve;
mod rules;
mod schema;
mod settings;
mod shape;
mod source;
mod suggest;
mod syntax;
mod targets;
mod translate;

pub use difference::Difference;
pub use excerpt::Excerpt;
pub use layers::Layers;
pub use loaded::Loaded;
pub use note::{Note, NoteKind};
pub use origin::{Origin, Provenance};
pub use presets::{preset_names, preset_text};
pub use problem::{ConfigErrors, Problem, ProblemKind};
pub use reference::reference_markdown;
pub use schema::{json_schema, json_schema_text};
pub use settings::{
    BUILT_IN_BASE, ChatMode, CheckpointPolicy, ColumnSettings, ComputeDtype, DatasetSettings,
    Device, DeviceError, EvaluationSettings, FimSpanMode, HoldOutBy, HubSettings, InterleaveMode,
    InterleaveStop, Length, LogBackend, LongRowsMode, LoraSettings, ModelSettings, OnNonFinite,
    Optimizer, QuantType, QuantizationSettings, RunSettings, Schedule, Secret, SequenceSettings,
    Settings, ShuffleMode, Targets, TestCode, TrainSettings, TrainingMode, Warmup,
};
