//! What a rule is: up to three questions, from the cheapest to the dearest, and its settings.
//!
//! A rule answers as early as it can. `Gate::Unknown` passes the row on to the next question; the
//! last one must answer. Which rules exist, `rule_set.rs` says.

use crate::facts::{TextFacts, TreeFacts};
use crate::outline::{Extent, Outline};
use crate::{Edit, Reason, Row, RuleSetError};

/// An answer that may have to wait for more evidence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Gate {
    /// The rule has nothing against the row, whatever comes later.
    Pass,
    /// The rule drops the row.
    Fail(Reason),
    /// More must be looked at.
    Unknown,
}

impl Gate {
    /// `Pass`, or `Fail` for a reason that was found.
    pub(crate) fn decided(reason: Option<Reason>) -> Self {
        reason.map_or(Self::Pass, Self::Fail)
    }
}

/// What is known of a row before it is cut into tokens.
pub(crate) struct Evidence<'a> {
    pub(crate) row: &'a Row<'a>,
    pub(crate) source: &'a str,
    pub(crate) text: &'a TextFacts,
}

/// What a rule wants to be measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) lines: bool,
    pub(crate) duplicate_lines: bool,
    pub(crate) characters: bool,
    pub(crate) outline: Option<Extent>,
}

impl Needs {
    pub(crate) const LINES: Self =
        Self { lines: true, duplicate_lines: false, characters: false, outline: None };
    pub(crate) const CHARACTERS: Self =
        Self { lines: false, duplicate_lines: false, characters: true, outline: None };
    pub(crate) const FULL_OUTLINE: Self = Self {
        lines: false,
        duplicate_lines: false,
        characters: false,
        outline: Some(Extent::Full),
    };
    pub(crate) const ATTRIBUTES: Self = Self {
        lines: false,
        duplicate_lines: false,
        characters: false,
        outline: Some(Extent::Attributes),
    };

    /// What either wants.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            lines: self.lines || other.lines,
            duplicate_lines: self.duplicate_lines || other.duplicate_lines,
            characters: self.characters || other.characters,
            outline: match (self.outline, other.outline) {
                (Some(Extent::Full), _) | (_, Some(Extent::Full)) => Some(Extent::Full),
                (one, another) => one.or(another),
            },
        }
    }
}

/// One rule with its settings.
pub(crate) trait Rule {
    /// What must be measured before it is asked.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Judges by path, licences and text.
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let _ = evidence;
        Gate::Unknown
    }

    /// Judges by the outline, which is clean.
    fn by_outline(&self, evidence: &Evidence<'_>, outline: &Outline) -> Gate {
        let _ = (evidence, outline);
        Gate::Unknown
    }

    /// Judges by the tree; a rule that comes here always answers.
    fn by_tree(&self, evidence: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let _ = (evidence, facts);
        None
    }

    /// Adds the changes that a kept row needs.
    fn edit(&self, facts: &TreeFacts, edits: &mut Vec<Edit>) {
        let _ = (facts, edits);
    }

    /// Refuses settings that make no sense.
    fn validate(&self) -> Result<(), RuleSetError> {
        Ok(())
    }
}

/// Refuses a share outside zero to one.
pub(crate) fn check_share(
    rule: &'static str,
    setting: &'static str,
    value: f64,
) -> Result<(), RuleSetError> {
    check_range(rule, setting, value, 0.0, 1.0)
}

/// Refuses a value outside a range, and what is not a number.
pub(crate) fn check_range(
    rule: &'static str,
    setting: &'static str,
    value: f64,
    least: f64,
    most: f64,
) -> Result<(), RuleSetError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(RuleSetError::OutOfRange { rule, setting, value, least, most })
    }
}

/// Defines a rule's settings: a struct whose defaults stand beside its fields.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $($(#[$field_doc:meta])* pub $field:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::digest::Canonical for $name {
            fn write(&self, out: &mut String) {
                $(
                    out.push_str(concat!(" ", stringify!($field), "="));
                    $crate::digest::Canonical::write(&self.$field, out);
                )*
                let _ = out;
            }
        }
    };
}
pub(crate) use settings;
