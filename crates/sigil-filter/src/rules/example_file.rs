//! Drops examples.

use super::path::{has_folder, names};
use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows whose path lies in a folder of examples.
    pub struct ExampleFile {

        /// Names of folders.
        pub folders: Vec<String> = names(&["example", "examples"]),
    }
}

impl Rule for ExampleFile {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let dropped = has_folder(evidence.row.path, &self.folders);
        Gate::decided(dropped.then(|| Reason::named("example_file")))
    }
}
