//! What a program asks of the system it starts on: shared libraries and versions of the C library.

use elf::{ElfBytes, ParseError, abi::DT_NEEDED, endian::LittleEndian};

/// The oldest C library that the archive must start on: Debian 12, Ubuntu 22.04, RHEL 9.
pub(crate) const OLDEST_GLIBC: (u32, u32) = (2, 34);

/// Parts of the C library and of the compiler's runtime, there on every such system.
const ALLOWED_LIBRARIES: [&str; 7] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

/// What a dynamically linked program needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The shared libraries, in the order of the file.
    pub(crate) libraries: Vec<String>,
    /// The newest `GLIBC_x.y` that any symbol wants.
    pub(crate) glibc: (u32, u32),
}

/// Why a program is not fit for the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ElfError {
    /// Not a little-endian 64-bit ELF file, or a damaged one.
    #[error("not a readable x86-64 program")]
    Form(#[from] ParseError),
    /// A symbol of a newer C library.
    #[error("needs glibc {}.{}, newer than {}.{}", needed.0, needed.1, OLDEST_GLIBC.0, OLDEST_GLIBC.1)]
    Glibc {
        /// Major and minor version.
        needed: (u32, u32),
    },
    /// A library that a bare system does not have.
    #[error("links `{0}`, which a bare system does not have")]
    Library(String),
}

impl Needs {
    /// Reads the needs of a program.
    ///
    /// # Errors
    /// [`ElfError::Form`] for anything but a 64-bit little-endian ELF file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ElfError> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(bytes)?;
        let mut needs = Self { libraries: Vec::new(), glibc: (0, 0) };
        let common = file.find_common_data()?;
        let (Some(entries), Some(strings)) = (common.dynamic, common.dynsyms_strs) else {
            return Ok(needs);
        };
        for entry in entries.iter().filter(|entry| entry.d_tag == DT_NEEDED) {
            // An offset beyond the table is refused there, whatever its size.
            let name = strings.get_raw(usize::try_from(entry.d_val()).unwrap_or(usize::MAX))?;
            needs.libraries.push(String::from_utf8_lossy(name).into_owned());
        }
        if let (Some(versions), Some(symbols)) = (file.symbol_version_table()?, common.dynsyms) {
            for index in 0..symbols.len() {
                if let Some(wanted) = versions.get_requirement(index)? {
                    needs.glibc = needs.glibc.max(glibc_version(wanted.name).unwrap_or_default());
                }
            }
        }
        Ok(needs)
    }

    /// Checks the needs against what every supported system has.
    ///
    /// # Errors
    /// [`ElfError::Glibc`] or [`ElfError::Library`].
    pub(crate) fn check(&self) -> Result<(), ElfError> {
        if self.glibc > OLDEST_GLIBC {
            return Err(ElfError::Glibc { needed: self.glibc });
        }
        let is_strange = |name: &&String| !ALLOWED_LIBRARIES.contains(&name.as_str());
        match self.libraries.iter().find(is_strange) {
            Some(library) => Err(ElfError::Library(library.clone())),
            None => Ok(()),
        }
    }
}

/// Reads `GLIBC_2.34` and `GLIBC_2.2.5`; other version names are not the C library's.
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let numbers = name.strip_prefix("GLIBC_")?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn this_program() -> Vec<u8> {
        let path = std::env::current_exe().expect("a running test has a path");
        std::fs::read(path).expect("a running test can be read")
    }

    fn start_of_this_program() -> Vec<u8> {
        use std::io::Read as _;
        let path = std::env::current_exe().expect("a running test has a path");
        let file = std::fs::File::open(path).expect("a running test can be read");
        let mut bytes = Vec::new();
        file.take(4096).read_to_end(&mut bytes).expect("a running test can be read");
        bytes
    }

    #[test]
    fn this_test_program_needs_a_c_library_of_its_time() -> Result<(), ElfError> {
        let needs = Needs::read(&this_program())?;
        assert!(needs.libraries.iter().any(|name| name == "libc.so.6"), "{needs:?}");
        assert!(needs.glibc >= (2, 17), "{needs:?}");
        Ok(())
    }

    #[test]
    fn new_glibc_and_strange_libraries_are_refused() {
        let needs = |glibc, library: &str| Needs { glibc, libraries: vec![library.to_owned()] };
        assert!(needs((2, 34), "libc.so.6").check().is_ok());
        assert!(matches!(needs((2, 38), "libc.so.6").check(), Err(ElfError::Glibc { .. })));
        assert!(matches!(needs((2, 17), "libssl.so.3").check(), Err(ElfError::Library(_))));
    }

    #[test]
    fn version_names_are_read() {
        assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
        assert_eq!(glibc_version("GCC_3.0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Needs::read(&bytes).ok();
        }

        #[test]
        fn a_damaged_header_is_refused_or_read(at in 0usize..64, byte in any::<u8>()) {
            // The first pages hold the headers; the cut leaves the sections out of the file.
            let mut bytes = start_of_this_program();
            bytes[at] = byte;
            Needs::read(&bytes).ok();
        }
    }
}
