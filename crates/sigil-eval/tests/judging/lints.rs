//! Lints are counted from clippy's own messages, and never decide whether something compiles.

use sigil_eval::judge::Verdict;

use super::bench::{alone, answer};

#[test]
fn clippy_is_counted_by_lint_and_group() {
    // The predecessor's count was 0 for every sample.
    let result = alone("fn main() { let x = 1; return println!(\"{}\", x == x); }");
    assert_eq!(result.verdict, Verdict::Compiled, "{}", result.message);
    assert_eq!(result.lints.clippy.get("needless_return"), Some(&1), "{:?}", result.lints);
    assert_eq!(result.lints.clippy.get("eq_op"), Some(&1));
    assert_eq!(result.lints.groups.get("style"), Some(&1));
    assert_eq!(result.lints.groups.get("correctness"), Some(&1));
    assert!(result.lints.machine_applicable >= 1);
}

#[test]
fn the_harness_adds_no_lint() {
    let result = answer(" x * 2 }");
    assert_eq!(result.lints, Default::default());
}

#[test]
fn a_sample_that_denies_lints_still_compiles_and_is_tested() {
    let result = answer("#![deny(clippy::all)]\nfn double(x: i32) -> i32 { return x * 2; }");
    assert!(result.second_pass);
    assert!(result.compiled, "{}", result.message);
    assert_eq!(result.verdict, Verdict::Pass { forgeable: false }, "{}", result.message);
    assert_eq!(result.lints.clippy.get("needless_return"), Some(&1));
}

#[test]
fn a_lint_of_the_compiler_that_denies_is_a_compile_error_as_with_cargo() {
    let result =
        answer("#![deny(unused_variables)]\nfn double(x: i32) -> i32 { let y = 1; x * 2 }");
    assert_eq!(result.verdict, Verdict::CompileError);
}

#[test]
fn a_text_that_tells_the_compilers_apart_is_decided_by_rustc() {
    for (text, compiles) in [
        ("#[cfg(clippy)] compile_error!(\"x\");\nfn main() {}", true),
        ("#[cfg(not(clippy))] compile_error!(\"x\");\nfn main() {}", false),
    ] {
        let result = alone(text);
        assert!(result.second_pass, "{text}");
        assert_eq!(result.compiled, compiles, "{text}\n{}", result.message);
    }
}

#[test]
fn a_trailing_attribute_does_not_swallow_the_harness() {
    for end in ["\n#[cfg(any())]", "\n/// doc"] {
        let result = answer(&format!("fn double(x: i32) -> i32 {{ x * 2 }}{end}"));
        assert!(!result.compiled, "rustc refuses it: {end}");
    }
}
