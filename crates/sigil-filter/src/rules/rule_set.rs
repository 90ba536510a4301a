//! All rules, in the order in which they are asked and reported.

use super::rule::Rule;
use super::*;
use crate::RuleSetError;
use crate::digest::{Canonical, Digest};
use crate::tree::opinion_name;

macro_rules! rule_set {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $name:ident: $type:ty,)*) => {
        /// Which rules are on, with their settings. A rule that is `None` is off.
        ///
        /// A rule's field name is the id of its reason. Rules are asked from the cheapest to the
        /// dearest, in the order of the fields.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        pub struct RuleSet {
            /// Longest source that is read as Rust, in bytes. A longer one is dropped as `parse_limit`
            /// if a rule needs more than its text.
            pub max_parse_bytes: usize,
            $($(#[doc = $doc])* $(#[cfg($cfg)])? pub $name: Option<$type>,)*
        }

        impl RuleSet {
            /// The ids of all reasons that a verdict can name, in order. Ids never change meaning.
            pub const REASONS: &'static [&'static str] = &[
                "invalid_utf8",
                "parse_limit",
                $($(#[cfg($cfg)])? stringify!($name),)*
            ];

            /// A rule set with every rule off: it keeps everything that is UTF-8.
            pub const fn none() -> Self {
                Self { max_parse_bytes: 4 << 20, $($(#[cfg($cfg)])? $name: None,)* }
            }

            /// A rule set with every rule on, at its default settings.
            pub fn all() -> Self {
                Self {
                    max_parse_bytes: 4 << 20,
                    $($(#[cfg($cfg)])? $name: Some(<$type>::default()),)*
                }
            }

            pub(crate) fn enabled(&self) -> Vec<&dyn Rule> {
                let mut rules: Vec<&dyn Rule> = Vec::new();
                $($(#[cfg($cfg)])? if let Some(rule) = &self.$name { rules.push(rule); })*
                rules
            }

            pub(crate) fn digest(&self) -> Digest {
                let mut text = format!(
                    "sigil-filter {} tree-sitter-rust 0.24.2 second-opinion {}\nmax_parse_bytes={}",
                    RULES_VERSION, opinion_name(), self.max_parse_bytes,
                );
                $($(#[cfg($cfg)])? if let Some(rule) = &self.$name {
                    text.push_str(concat!("\n", stringify!($name)));
                    rule.write(&mut text);
                })*
                Digest::of(&text)
            }

            /// Switches one rule on at its defaults; says whether there is a rule of that name.
            pub fn enable(&mut self, name: &str) -> bool {
                match name {
                    $($(#[cfg($cfg)])? stringify!($name) => self.$name = Some(<$type>::default()),)*
                    _ => return false,
                }
                true
            }
        }
    };
}

/// Goes up whenever a rule judges some row differently under the same settings.
const RULES_VERSION: u32 = 1;

rule_set! {
    /// Code of others, by its path.
    vendor_path: VendorPath,
    /// Test code, by its path or by what it holds.
    test_file: TestFile,
    /// Examples, by their path.
    example_file: ExampleFile,
    /// Benchmarks, by their path or by what they hold.
    bench_file: BenchFile,
    /// Fewer characters than wanted.
    too_short: TooShort,
    /// More characters than wanted.
    too_long: TooLong,
    /// Code that programs wrote, by its path.
    generated_path: GeneratedPath,
    /// A licence that is not on the list.
    licence: Licence,
    /// Bytes that no Rust source holds.
    control_characters: ControlCharacters,
    /// A line of data.
    long_line: LongLine,
    /// Lines that are long on the whole.
    long_mean_line: LongMeanLine,
    /// More or fewer lines than wanted.
    line_count: LineCount,
    /// Fewer letters than text has.
    few_letters: FewLetters,
    /// More digits than code has.
    many_digits: ManyDigits,
    /// Lines that repeat.
    duplicate_lines: DuplicateLines,
    /// Fewer idioms than blemishes.
    not_idiomatic: NotIdiomatic,
    /// No documentation at all.
    no_documentation: NoDocumentation,
    /// Too few of the public items have documentation.
    low_documentation: LowDocumentation,
    /// The source ends in the middle.
    truncated: Truncated,
    /// Not Rust.
    syntax_error: SyntaxError,
    /// No item.
    no_items: NoItems,
    /// Nothing but macro calls and their bodies.
    macro_only: MacroOnly,
    /// Written by a program, as a comment says.
    generated_code: GeneratedCode,
    /// Bindings to foreign code.
    bindings: Bindings,
    /// Tables of literals.
    literal_table: LiteralTable,
    /// Encoded data in strings.
    encoded_data: EncodedData,
    /// Comments that are code.
    commented_out_code: CommentedOutCode,
    /// Nothing but comments.
    mostly_comments: MostlyComments,
    /// Much unsafe code.
    unsafe_density: UnsafeDensity,
    /// Many values unwrapped.
    unwrap_density: UnwrapDensity,
    /// Many panics.
    panic_density: PanicDensity,
    /// Code that is not written yet.
    unfinished: Unfinished,
    /// Debugging left in.
    debug_macros: DebugMacros,
    /// Prints in a library.
    prints: Prints,
    /// Warnings switched off.
    suppressed_lints: SuppressedLints,
    /// Deep nesting.
    deep_nesting: DeepNesting,
    /// Functions without content.
    trivial_bodies: TrivialBodies,
    /// A low score of idioms.
    low_idiom_score: LowIdiomScore,
    /// Credentials.
    #[cfg(feature = "secrets")]
    secrets: Secrets,
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::none()
    }
}

impl RuleSet {
    /// Refuses settings outside their ranges and limits that leave nothing between them.
    ///
    /// # Errors
    ///
    /// [`RuleSetError`] names the setting.
    pub fn validate(&self) -> Result<(), RuleSetError> {
        self.enabled().into_iter().try_for_each(Rule::validate)?;
        match (&self.too_short, &self.too_long) {
            (Some(short), Some(long)) if short.min_chars > long.max_chars => {
                Err(RuleSetError::NothingBetween {
                    lower: "too_short.min_chars",
                    least: short.min_chars as f64,
                    upper: "too_long.max_chars",
                    most: long.max_chars as f64,
                })
            }
            _ => Ok(()),
        }
    }
}
