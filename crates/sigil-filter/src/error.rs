//! What can be wrong with a rule set. Judging itself cannot fail: any bytes get a verdict.

/// A setting that no filter can be made from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleSetError {
    /// A value outside the range of its setting.
    #[error("`{rule}.{setting}` is {value}, but must lie in {least}..={most}")]
    OutOfRange {
        /// The rule's name in the rule set.
        rule: &'static str,
        /// The setting's name in the rule.
        setting: &'static str,
        /// The value given.
        value: f64,
        /// The least value allowed.
        least: f64,
        /// The greatest value allowed.
        most: f64,
    },
    /// Two limits that leave nothing between them.
    #[error("`{lower}` is {least}, which is more than `{upper}`, {most}")]
    NothingBetween {
        /// The lower limit's rule and setting.
        lower: &'static str,
        /// Its value.
        least: f64,
        /// The upper limit's rule and setting.
        upper: &'static str,
        /// Its value.
        most: f64,
    },
}

impl RuleSetError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::OutOfRange { rule, .. } => {
                format!("to switch the rule off, leave `{rule}` out instead")
            }
            Self::NothingBetween { lower, .. } => format!("lower `{lower}`, or leave it out"),
        }
    }
}
