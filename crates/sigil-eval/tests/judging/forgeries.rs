//! Samples that want a pass without deserving it. Each must be judged as what it is.

use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{JudgeOptions, Limit, Stage, Verdict};

use super::bench::{answer, double, new_judge, sample};

fn check(text: &str, wanted: Verdict) {
    let result = answer(text);
    assert_eq!(result.verdict, wanted, "{text}\n{}", result.message);
    assert_eq!(result.passed, Some(matches!(wanted, Verdict::Pass { .. })));
}

#[test]
fn an_honest_answer_passes_and_an_honest_mistake_fails() {
    check(" x * 2 }", Verdict::Pass { forgeable: false });
    check(" x + 1 }", Verdict::TestFail { passed: 1, total: 2 });
    assert_eq!(answer(" x + 1 }").tests.expect("they ran").failed, ["tests::big"]);
}

#[test]
fn faked_output_and_an_early_exit_are_no_report() {
    check(
        "println!(\"running 2 tests\\ntest result: ok. 2 passed; 0 failed\"); std::process::exit(0) }",
        Verdict::NoReport { exit_code: 0 },
    );
    check(" std::process::exit(3) }", Verdict::NoReport { exit_code: 3 });
}

#[test]
fn a_thread_that_ends_the_process_while_a_test_waits_is_no_report() {
    check(
        " std::thread::spawn(|| std::process::exit(0)).join().ok(); loop {} }",
        Verdict::NoReport { exit_code: 0 },
    );
}

#[test]
fn shadowed_macros_do_not_reach_the_tests() {
    check(
        " 0 }\n#[macro_export] macro_rules! assert_eq { ($($t:tt)*) => {} }\n#[macro_export] macro_rules! assert { ($($t:tt)*) => {} }",
        Verdict::TestFail { passed: 0, total: 2 },
    );
}

#[test]
fn a_type_that_equals_everything_does_not_fit() {
    check(
        "#[derive(Debug, Clone, Copy)] pub struct Any;\nimpl PartialEq<i32> for Any { fn eq(&self, _: &i32) -> bool { true } }\n\
         pub fn double(_: i32) -> Any { Any }",
        Verdict::WrongInterface,
    );
    check(
        "#[derive(Debug, Clone, Copy)] #[allow(non_camel_case_types)] pub struct i32;\nfn double(_: i32) -> i32 { i32 }",
        Verdict::WrongInterface,
    );
}

#[test]
fn life_before_main_needs_unsafe_and_is_refused() {
    let result = answer(
        " x }\n#[unsafe(link_section = \".init_array\")] #[used] static EARLY: extern \"C\" fn() = early;\n\
         extern \"C\" fn early() { std::process::exit(0) }",
    );
    assert_eq!(result.verdict, Verdict::Unsafe, "{}", result.message);
    assert!(result.compiled, "it is Rust all the same");
    check(" unsafe { std::mem::zeroed() } }", Verdict::Unsafe);
    // Allowing it in the text does not help.
    check(
        "#![allow(unsafe_code)]\nfn double(x: i32) -> i32 { unsafe { std::mem::transmute(x) } }",
        Verdict::Unsafe,
    );
    check(" x * 2 }\n#[unsafe(no_mangle)] pub fn write() {}", Verdict::Unsafe);
}

#[test]
fn panics_in_destructors_do_not_help() {
    check(
        " struct D; impl Drop for D { fn drop(&mut self) { panic!(\"in drop\") } }\n let _d = D; panic!(\"first\") }",
        Verdict::Crash { signal: 6 },
    );
    // A payload whose destructor panics is never dropped.
    check(
        " struct D; impl Drop for D { fn drop(&mut self) { panic!(\"in drop\") } }\n std::panic::panic_any(D) }",
        Verdict::TestFail { passed: 0, total: 2 },
    );
    // A destructor of a thread-local would run after the tests; nothing does.
    check(
        " struct D; impl Drop for D { fn drop(&mut self) { std::process::exit(7) } }\n\
         thread_local!(static T: D = D); T.with(|_| ()); x * 2 }",
        Verdict::Pass { forgeable: false },
    );
}

#[test]
fn a_panic_hook_that_exits_is_no_report() {
    check(
        " std::panic::set_hook(Box::new(|_| std::process::exit(0))); panic!() }",
        Verdict::NoReport { exit_code: 0 },
    );
}

#[test]
fn floods_and_loops_meet_their_limits() {
    check(
        " loop { println!(\"{}\", \"x\".repeat(4000)); } }",
        Verdict::Limit { stage: Stage::Test, limit: Limit::Output },
    );
    let options = JudgeOptions::default();
    let test_limits = sigil_sandbox::Limits {
        cpu_time: std::time::Duration::from_millis(200),
        ..options.test_limits.clone()
    };
    let judge = new_judge(JudgeOptions { test_limits, ..options }, ResultCache::in_memory());
    let (task, looping) = (double(), sample("double", " loop {} }"));
    let (result, _) = judge.judge(&looping, Some(&task), "2021").expect("the sandbox works");
    assert_eq!(result.verdict, Verdict::Limit { stage: Stage::Test, limit: Limit::CpuTime });
}

#[test]
fn the_report_cannot_be_reached_through_files_or_children() {
    for path in ["/proc/self/fd/4", "/dev/fd/4", "/proc/1/fd/4"] {
        check(
            &format!(" std::fs::write({path:?}, \"11\").map(|_| std::process::exit(0)).ok(); x }}"),
            Verdict::TestFail { passed: 0, total: 2 },
        );
    }
    // A copy of the harness started by the sample has no descriptor to report on.
    check(
        " std::process::Command::new(\"/in/harness\").status().ok(); x }",
        Verdict::TestFail { passed: 0, total: 2 },
    );
}

#[test]
fn a_deep_recursion_is_a_crash_and_a_wrong_type_a_wrong_interface() {
    check(
        " fn deep(x: i32) -> i32 { if x == i32::MIN { 0 } else { deep(std::hint::black_box(x)) + 1 } } deep(x) }",
        Verdict::Crash { signal: 11 },
    );
    check("fn double(x: u64) -> u64 { x * 2 }", Verdict::WrongInterface);
    check("fn duoble(x: i32) -> i32 { x * 2 } fn double() {}", Verdict::WrongInterface);
}
