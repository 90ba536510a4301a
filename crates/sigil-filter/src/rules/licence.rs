//! Keeps rows under listed licences only.

use super::path::names;
use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows whose licence is not on the list.
    pub struct Licence {
        /// SPDX identifiers, compared without case.
        pub allow: Vec<String> = names(&[
            "MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "Zlib",
            "Unlicense", "CC0-1.0", "BSL-1.0", "Unicode-3.0",
        ]),
        /// Whether a row without a licence is dropped.
        pub reject_unknown: bool = true,
    }
}

impl Licence {
    /// Whether an identifier or expression can be met by allowed licences alone: `OR` needs one side,
    /// `AND` both; what stands after `WITH` only adds permissions.
    fn allows(&self, expression: &str) -> bool {
        // Old manifests separate alternatives with a slash.
        let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
        let words: Vec<&str> = expression.split_ascii_whitespace().collect();
        words.split(|word| word.eq_ignore_ascii_case("or")).any(|alternative| {
            let mut parts = alternative.split(|word| word.eq_ignore_ascii_case("and"));
            !alternative.is_empty()
                && parts.all(|part| match part {
                    [name] => self.names(name),
                    [name, with, _] => with.eq_ignore_ascii_case("with") && self.names(name),
                    _ => false,
                })
        })
    }

    fn names(&self, name: &str) -> bool {
        self.allow.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

impl Rule for Licence {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let mut known =
            evidence.row.licences.iter().filter(|name| !name.trim().is_empty()).peekable();
        let kept = match known.peek() {
            // Datasets list the licences that a repository was found to have: one that fits is enough.
            Some(_) => known.any(|licence| self.allows(licence)),
            None => !self.reject_unknown,
        };
        Gate::decided((!kept).then(|| Reason::named("licence")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_allowed_licences() {
        let licence = Licence::default();
        for good in [
            "MIT",
            "mit",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT AND ISC) OR GPL-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(licence.allows(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "OR", "AND", "MIT MIT", "proprietary"] {
            assert!(!licence.allows(bad), "{bad}");
        }
    }
}
