//! The pre-filter: texts that no compiler accepts, found without starting one.
//!
//! A refusal is a verdict like any other and stays in the denominator of every rate. The promise is
//! that nothing rustc accepts is refused; the test over this workspace's own sources holds it to that.

use serde::{Deserialize, Serialize};

use super::lexer::{TokenKind, tokens};

/// Why a text cannot compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing but white space.
    Empty,
    /// Nothing but comments and attributes; as a program it has no `main`.
    NoCode,
    /// A string, comment or bracket is open at the end.
    CutOff,
    /// A bracket closes what is not open.
    Unbalanced,
}

impl Refusal {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoCode => "no_code",
            Self::CutOff => "cut_off",
            Self::Unbalanced => "unbalanced",
        }
    }
}

/// Why `source` cannot compile, if that can be seen.
pub fn refusal(source: &str) -> Option<Refusal> {
    if source.trim().is_empty() {
        return Some(Refusal::Empty);
    }
    let all = tokens(source);
    let mut open = Vec::new();
    let mut code = false;
    let mut attribute_depth = None;
    for (index, token) in all.iter().enumerate() {
        if !token.ended {
            return Some(Refusal::CutOff);
        }
        match token.kind {
            TokenKind::Comment | TokenKind::DocComment => {}
            TokenKind::Open(bracket) => {
                let before = index.checked_sub(1).map(|at| all[at].kind);
                if bracket == b'['
                    && attribute_depth.is_none()
                    && matches!(before, Some(TokenKind::Punct('#' | '!')))
                {
                    attribute_depth = Some(open.len());
                }
                open.push(bracket);
                code |= attribute_depth.is_none();
            }
            TokenKind::Close(bracket) => {
                let wanted = match bracket {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                if open.pop() != Some(wanted) {
                    return Some(Refusal::Unbalanced);
                }
                if attribute_depth == Some(open.len()) {
                    attribute_depth = None;
                }
            }
            TokenKind::Punct('#' | '!') => {}
            _ => code |= attribute_depth.is_none(),
        }
    }
    if !open.is_empty() {
        return Some(Refusal::CutOff);
    }
    (!code).then_some(Refusal::NoCode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_reason() {
        let check = |source: &str, wanted| assert_eq!(refusal(source), wanted, "{source}");
        check(" \n", Some(Refusal::Empty));
        check("// only\n/* this */ #![allow(a)]", Some(Refusal::NoCode));
        check("fn f() { let s = \"a", Some(Refusal::CutOff));
        check("fn f() { /* ", Some(Refusal::CutOff));
        check("fn f() { g(", Some(Refusal::CutOff));
        check("fn f() { ] }", Some(Refusal::Unbalanced));
        check("fn f() {} }", Some(Refusal::Unbalanced));
    }

    #[test]
    fn lifetimes_and_odd_quotes_are_no_reason() {
        // The predecessor counted quotes and refused the first three.
        for source in [
            "fn f<'a>(x: &'a str) -> &'a str { x }",
            "fn f() -> char { '\"' }",
            "const Q: &str = r#\"\"\"#;",
            "const A: char = '{'; const B: u8 = b'\\''; // '\n",
            "fn f() { loop { 'a: loop { break 'a } } }",
            "macro_rules! m { ($a:tt) => { $a } }",
        ] {
            assert_eq!(refusal(source), None, "{source}");
        }
    }

    #[test]
    fn no_file_of_this_workspace_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut folders = vec![root.join("crates"), root.join("bins"), root.join("xtask/src")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the workspace can be read") {
                let path = entry.expect("the workspace can be read").path();
                if path.is_dir() && !path.ends_with("target") {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                    // A file of comments alone is a module, never a program.
                    let found = refusal(&text).filter(|reason| *reason != Refusal::NoCode);
                    assert_eq!(found, None, "{}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "only {seen} files seen");
    }
}
