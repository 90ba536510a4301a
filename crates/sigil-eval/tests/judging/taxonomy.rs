//! Real mistakes, and the class and code that each one gets.

use sigil_eval::judge::{CrateKind, ErrorClass, Verdict};
use sigil_eval::source::Refusal;

use super::bench::{alone, answer};

#[test]
fn mistakes_have_their_class() {
    for (text, class, code) in [
        ("fn main() { let x: i32 = \"a\"; }", ErrorClass::Type, "E0308"),
        ("fn main() { let s = String::new(); drop(s); drop(s); }", ErrorClass::Borrow, "E0382"),
        ("fn main() { undefined(); }", ErrorClass::Resolve, "E0425"),
        ("use nothere::Thing; fn main() {}", ErrorClass::MissingDependency, "E0432"),
        ("fn f<T>(t: T) -> String { t.to_string() } fn main() {}", ErrorClass::Type, "E0599"),
        ("fn f(x: &str, y: &str) -> &str { x } fn main() {}", ErrorClass::Lifetime, "E0106"),
        ("fn main() { println!(\"{}\", Vec::<u8>::new()); }", ErrorClass::Trait, "E0277"),
        ("fn main() { let x = 300u8; }", ErrorClass::DenyLint, "overflowing_literals"),
        ("use std::fmt; ", ErrorClass::NoMain, ""),
        ("const X: usize = [1, 2][5]; fn main() { X; }", ErrorClass::ConstEval, "E0080"),
        ("#![feature(never_type)] fn main() {}", ErrorClass::Feature, "E0554"),
        ("fn main() { nomacro!(); }", ErrorClass::Macro, "no_code:macro"),
        ("fn main() { let x = ; }", ErrorClass::Parse, "no_code:parse"),
        ("Sure, here is the code you asked for.", ErrorClass::Parse, "no_code:parse"),
        ("fn main() { match Some(1) { None => {} } }", ErrorClass::Pattern, "E0004"),
        ("mod m { fn f() {} } fn main() { m::f() }", ErrorClass::Privacy, "E0603"),
        ("unsafe fn f() {} fn main() { f() }", ErrorClass::Unsafe, "E0133"),
    ] {
        let result = alone(text);
        if class == ErrorClass::NoMain {
            // Items without a `main` are a library, which compiles.
            assert_eq!(result.crate_kind, CrateKind::Library);
            assert_eq!(result.verdict, Verdict::Compiled, "{text}");
            continue;
        }
        assert_eq!(result.verdict, Verdict::CompileError, "{text}");
        assert_eq!(result.errors.class, Some(class), "{text}\n{}", result.message);
        assert!(result.errors.codes.contains_key(code), "{text}: {:?}", result.errors.codes);
    }
}

#[test]
fn host_files_and_variables_are_not_there() {
    for text in [
        "fn main() { print!(\"{}\", include_str!(\"/etc/shadow\")) }",
        "fn main() { print!(\"{}\", env!(\"HOME\")) }",
    ] {
        assert_eq!(alone(text).verdict, Verdict::CompileError, "{text}");
    }
}

#[test]
fn what_cannot_compile_is_refused_without_a_process() {
    let result = answer("");
    assert_eq!(result.verdict, Verdict::Refused { reason: Refusal::CutOff });
    assert_eq!(result.passed, Some(false), "it stays in the denominator");
    assert_eq!(alone("  ").verdict, Verdict::Refused { reason: Refusal::Empty });
    // The predecessor refused this for its one quote.
    assert_eq!(alone("fn f<'a>(x: &'a u8) -> &'a u8 { x }").verdict, Verdict::Compiled);
}

#[test]
fn a_missing_crate_is_named() {
    let result = alone("use serde_nowhere::Serialize;\nfn main() {}");
    let names: Vec<_> = result.errors.missing_dependencies.iter().map(String::as_str).collect();
    assert_eq!(names, ["serde_nowhere"]);
}
