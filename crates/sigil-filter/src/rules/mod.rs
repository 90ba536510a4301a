//! The rules: one file each, with the settings, their defaults and where they come from.
//!
//! To add a rule, write its file, name it in `rule_set.rs`, and give it cases in `tests/rules/`.
//! Next: `rule.rs` for what a rule is, `rule_set.rs` for the order, `presets.rs` for ready sets.

mod bench_file;
mod bindings;
mod commented_out_code;
mod control_characters;
mod debug_macros;
mod deep_nesting;
mod duplicate_lines;
mod encoded_data;
mod example_file;
mod few_letters;
mod generated_code;
mod generated_path;
mod licence;
mod line_count;
mod literal_table;
mod long_line;
mod long_mean_line;
mod low_documentation;
mod low_idiom_score;
mod macro_only;
mod many_digits;
mod mostly_comments;
mod no_documentation;
mod no_items;
mod not_idiomatic;
mod panic_density;
mod path;
mod presets;
mod prints;
mod rule;
mod rule_set;
#[cfg(feature = "secrets")]
mod secrets;
mod suppressed_lints;
mod syntax_error;
mod test_file;
mod too_long;
mod too_short;
mod trivial_bodies;
mod truncated;
mod unfinished;
mod unsafe_density;
mod unwrap_density;
mod vendor_path;

pub use bench_file::BenchFile;
pub use bindings::Bindings;
pub use commented_out_code::CommentedOutCode;
pub use control_characters::ControlCharacters;
pub use debug_macros::DebugMacros;
pub use deep_nesting::DeepNesting;
pub use duplicate_lines::DuplicateLines;
pub use encoded_data::EncodedData;
pub use example_file::ExampleFile;
pub use few_letters::FewLetters;
pub use generated_code::GeneratedCode;
pub use generated_path::GeneratedPath;
pub use licence::Licence;
pub use line_count::LineCount;
pub use literal_table::LiteralTable;
pub use long_line::LongLine;
pub use long_mean_line::LongMeanLine;
pub use low_documentation::LowDocumentation;
pub use low_idiom_score::LowIdiomScore;
pub use macro_only::MacroOnly;
pub use many_digits::ManyDigits;
pub use mostly_comments::MostlyComments;
pub use no_documentation::NoDocumentation;
pub use no_items::NoItems;
pub use not_idiomatic::NotIdiomatic;
pub use panic_density::PanicDensity;
pub use prints::Prints;
pub use rule_set::RuleSet;
#[cfg(feature = "secrets")]
pub use secrets::Secrets;
pub use suppressed_lints::SuppressedLints;
pub use syntax_error::SyntaxError;
pub use test_file::{TestFile, TestMode};
pub use too_long::TooLong;
pub use too_short::TooShort;
pub use trivial_bodies::TrivialBodies;
pub use truncated::Truncated;
pub use unfinished::Unfinished;
pub use unsafe_density::UnsafeDensity;
pub use unwrap_density::UnwrapDensity;
pub use vendor_path::VendorPath;

pub(crate) use rule::{Evidence, Gate, Needs, Rule};
