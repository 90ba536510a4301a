//! Takes a function's signature apart, far enough to write another function that calls it.
//!
//! Only for the functions of benchmark tasks, whose text is trusted. Next: `../task/harness.rs`.

use super::lexer::{TokenKind, tokens};

/// A free function's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// `<'a, T: Ord>` or nothing.
    pub generics: String,
    /// The types of its parameters.
    pub parameters: Vec<String>,
    /// `-> T` or nothing, with the where clause.
    pub output: String,
}

impl Signature {
    /// Reads the signature from `text`, which begins at `fn` or at the visibility before it and has the
    /// opening brace. `None` for what cannot be called plainly: `async`, `unsafe`, `extern`, methods.
    pub fn parse(text: &str) -> Option<Self> {
        let all: Vec<_> = tokens(text).into_iter().filter(|token| !token.is_comment()).collect();
        let keyword = all.iter().position(|token| token.text(text) == "fn")?;
        let plain = |word: &str| matches!(word, "pub" | "const" | "crate" | "super" | "(" | ")");
        if !all[..keyword].iter().all(|token| plain(token.text(text))) {
            return None;
        }
        let name = all.get(keyword + 1).filter(|token| token.kind == TokenKind::Word)?;
        let mut at = keyword + 2;
        let mut generics = String::new();
        if all.get(at)?.kind == TokenKind::Punct('<') {
            let start = all[at].span.start;
            let mut depth = 0i32;
            loop {
                let previous_is_dash = all[at - 1].kind == TokenKind::Punct('-');
                match all.get(at)?.kind {
                    TokenKind::Punct('<') => depth += 1,
                    TokenKind::Punct('>') if !previous_is_dash => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            generics = text[start..all[at - 1].span.end].to_owned();
        }
        if all.get(at)?.kind != TokenKind::Open(b'(') {
            return None;
        }
        let mut parameters = Vec::new();
        // Brackets and angle brackets since the parameter list was opened.
        let (mut depth, mut angles) = (0i32, 0i32);
        let mut type_start = None;
        loop {
            let token = all.get(at)?;
            let top = depth == 1 && angles == 0;
            match token.kind {
                TokenKind::Open(_) => depth += 1,
                TokenKind::Close(_) => {
                    depth -= 1;
                    if depth == 0 {
                        if let Some(start) = type_start {
                            parameters.push(text[start..token.span.start].trim().to_owned());
                        }
                        at += 1;
                        break;
                    }
                }
                TokenKind::Punct('<') => angles += 1,
                TokenKind::Punct('>') if all[at - 1].kind != TokenKind::Punct('-') => angles -= 1,
                TokenKind::Punct(':') if top && type_start.is_none() => {
                    type_start = Some(token.span.end);
                }
                TokenKind::Punct(',') if top => {
                    let start = type_start.take()?;
                    parameters.push(text[start..token.span.start].trim().to_owned());
                }
                TokenKind::Word if top && type_start.is_none() && token.text(text) == "self" => {
                    return None;
                }
                _ => {}
            }
            at += 1;
        }
        let start = all[at - 1].span.end;
        let mut depth = 0i32;
        let brace = all[at..].iter().find(|token| match token.kind {
            TokenKind::Open(b'{') if depth == 0 => true,
            TokenKind::Open(_) => {
                depth += 1;
                false
            }
            TokenKind::Close(_) => {
                depth -= 1;
                false
            }
            _ => false,
        })?;
        let output = text[start..brace.span.start].trim().to_owned();
        Some(Self { name: name.text(text).to_owned(), generics, parameters, output })
    }

    /// A public function of the same signature that calls `path`.
    pub fn forwarder(&self, path: &str) -> String {
        let names: Vec<String> = (0..self.parameters.len()).map(|i| format!("p{i}")).collect();
        let parameters: Vec<String> = names
            .iter()
            .zip(&self.parameters)
            .map(|(name, kind)| format!("{name}: {kind}"))
            .collect();
        format!(
            "pub fn {}{}({}) {} {{ {path}({}) }}",
            self.name,
            self.generics,
            parameters.join(", "),
            self.output,
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_become_forwarders() {
        let check = |text: &str, wanted: &str| {
            let signature = Signature::parse(text).expect("it is a plain function");
            assert_eq!(signature.forwarder("x::f"), wanted);
        };
        check("fn f(){", "pub fn f()  { x::f() }");
        check(
            "pub fn f(mut a:HashMap<&str, (i32, u8)>, b: &dyn Fn(u8) -> Vec<u8>,) -> [u8; 2]\nwhere u8: Copy {",
            "pub fn f(p0: HashMap<&str, (i32, u8)>, p1: &dyn Fn(u8) -> Vec<u8>) -> [u8; 2]\nwhere u8: Copy { x::f(p0, p1) }",
        );
        check(
            "fn f<'a, T: Fn() -> u8>((a, b): (T, &'a u8)) -> &'a u8 {",
            "pub fn f<'a, T: Fn() -> u8>(p0: (T, &'a u8)) -> &'a u8 { x::f(p0) }",
        );
    }

    #[test]
    fn what_cannot_be_called_plainly_is_none() {
        for text in
            ["fn f(&self) {", "async fn f() {", "unsafe fn f() {", "fn f(a: u8", "struct A {", ""]
        {
            assert_eq!(Signature::parse(text), None, "{text}");
        }
    }
}
