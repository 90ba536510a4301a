//! Drops code of others that was copied or built into a repository.

use super::path::{file_name, has_folder, names};
use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows whose path lies in a folder of vendored or built code, and lock files.
    pub struct VendorPath {

        /// Names of folders.
        pub folders: Vec<String> =
            names(&["target", "node_modules", "vendor", "__pycache__", "third_party"]),
        /// Names of files.
        pub files: Vec<String> = names(&["Cargo.lock"]),
    }
}

impl Rule for VendorPath {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let path = evidence.row.path;
        let file = file_name(path);
        let dropped = has_folder(path, &self.folders) || self.files.iter().any(|name| name == file);
        Gate::decided(dropped.then(|| Reason::named("vendor_path")))
    }
}
