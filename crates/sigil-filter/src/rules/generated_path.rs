//! Drops files that programs write, as their names show.

use super::path::{file_name, has_folder, names};
use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows whose path is that of generated code.
    pub struct GeneratedPath {

        /// Names of folders.
        pub folders: Vec<String> = names(&["generated", "autogen", "__generated__"]),
        /// Names of files.
        pub files: Vec<String> = names(&["bindings.rs", "bindgen.rs", "generated.rs"]),
        /// Ends of names of files.
        pub endings: Vec<String> =
            names(&[".pb.rs", "_generated.rs", ".generated.rs", "_bindings.rs", ".tonic.rs"]),
    }
}

impl Rule for GeneratedPath {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let path = evidence.row.path;
        let file = file_name(path);
        let dropped = has_folder(path, &self.folders)
            || self.files.iter().any(|name| name == file)
            || self.endings.iter().any(|ending| file.ends_with(ending.as_str()));
        Gate::decided(dropped.then(|| Reason::named("generated_path")))
    }
}
