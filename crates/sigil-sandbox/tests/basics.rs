//! What a caller relies on, through the strongest sandbox this machine has: files in and out, streams,
//! figures, errors, parallel use, and that nothing stays.
//!
//! Attacks are in `attacks/main.rs`.
#![expect(clippy::print_stderr, reason = "which backend was tried must be seen")]

use std::sync::Arc;
use std::time::Duration;

use sigil_sandbox::{
    Canary, Channel, Ended, Infra, Job, Pool, Refusal, Root, Selection, TakenFile, Tier, select,
};

/// The strongest sandbox here; where not even the reduced tier holds, these tests must not pass.
fn pool(slots: usize) -> Pool {
    let selection = Selection { only: Vec::new(), allow_reduced: true };
    let verified = select(&selection).unwrap_or_else(|refused| panic!("{refused}"));
    eprintln!("tried on: {} ({} tier)", verified.report().backend, verified.report().tier);
    verified.pool(slots)
}

fn shell(script: &str) -> Job {
    Job::new(&Root::system(), "/usr/bin/sh").arg("-c").arg(script).env("PATH", "/usr/bin:/bin")
}

#[test]
fn streams_files_and_figures_come_back() {
    let job = shell("cat; echo to-errors >&2; cat given > made; mkdir d; cp made d/deep; exit 7")
        .input("/box/given", *b"content")
        .output("/box/made", 100)
        .output("/box/d/deep", 3)
        .output("/box/never", 100);
    let job = Job { stdin: b"from-input ".to_vec(), ..job };
    let outcome = pool(1).run(&job).expect("the sandbox works");
    assert_eq!(outcome.ended, Ended::Exited(7));
    assert_eq!(outcome.stdout.bytes, b"from-input ");
    assert_eq!(outcome.stderr.bytes, b"to-errors\n");
    let files: Vec<TakenFile> = outcome.files.into_iter().map(|(_, file)| file).collect();
    let expected = [
        TakenFile::Bytes(b"content".to_vec()),
        TakenFile::TooLarge { bytes: 7 },
        TakenFile::Missing,
    ];
    assert_eq!(files, expected);
    assert!(outcome.usage.wall > Duration::ZERO && outcome.usage.cpu() > Duration::ZERO);
}

#[test]
fn a_program_that_was_loaded_ahead_cannot_tell() {
    let pool = pool(1);
    let ask = |words: &[&str], ahead: bool| {
        let script = "echo \"$0 $# $*\"; printenv; pwd; ls -A; cat; echo left > left; \
                      readlink /proc/self/exe; ls /proc/self/fd | wc -l; umask; ulimit -a; \
                      grep -E 'Cap|Sec|Priv|Sig|Dump|Group' /proc/self/status; \
                      echo to-errors >&2; exit $#";
        let mut job = shell(script).args(words.iter().copied());
        job.stdin = b"from-input".to_vec();
        job.proc = pool.report().tier == Tier::Full && pool.report().backend == "native";
        job.load_ahead = ahead;
        pool.run(&job).expect("the sandbox works")
    };
    for words in [&["name"][..], &["name", "one", "two words"], &["name", ""], &["name"; 100]] {
        let (executed, loaded) = (ask(words, false), ask(words, true));
        assert_eq!(executed.ended, Ended::Exited(words.len() as i32 - 1));
        assert_eq!(loaded.ended, executed.ended);
        assert_eq!(loaded.stdout.to_text(), executed.stdout.to_text());
        assert_eq!(loaded.stderr, executed.stderr);
        assert!(!executed.loaded_ahead);
        assert_eq!(loaded.loaded_ahead, pool.report().backend == "native");
    }
}

#[test]
fn what_cannot_be_loaded_ahead_is_executed() {
    let pool = pool(1);
    // It asks for no loader: a script, and the one program that every system links statically.
    for (program, words) in [("/usr/bin/ldd", "--version"), ("/usr/sbin/ldconfig", "--version")] {
        let mut job = Job::new(&Root::system(), program).arg(words).env("PATH", "/usr/bin:/bin");
        job.load_ahead = true;
        for _ in 0..2 {
            let outcome = pool.run(&job).expect("the sandbox works");
            assert_eq!(
                (outcome.ended, outcome.loaded_ahead),
                (Ended::Exited(0), false),
                "{program}"
            );
        }
    }
}

#[test]
fn a_secret_goes_in_and_a_report_comes_out() {
    let mut job = shell("cat <&3 >&4; echo -more >&4");
    job.channel = Some(Channel { secret: b"nonce".to_vec(), report_max_bytes: 100 });
    let outcome = pool(1).run(&job).expect("the sandbox works");
    assert_eq!(
        (outcome.report.as_slice(), outcome.report_cut),
        (b"nonce-more\n".as_slice(), false)
    );
}

#[test]
fn streams_are_kept_up_to_their_limit_and_counted_beyond() {
    let mut job = shell("i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done");
    job.limits.output_kept_bytes = 1000;
    let outcome = pool(1).run(&job).expect("the sandbox works");
    assert_eq!(outcome.ended, Ended::Exited(0));
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.total_bytes), (1000, 33_000));
    assert!(outcome.stdout.is_cut());
}

#[test]
fn signals_and_codes_are_told_apart() {
    let pool = pool(1);
    let ended = |script| pool.run(&shell(script)).expect("the sandbox works").ended;
    assert_eq!(ended("exit 137"), Ended::Exited(137));
    assert_eq!(ended("kill -9 $$"), Ended::Signalled(9));
    assert_eq!(ended("kill -15 $$"), Ended::Signalled(15));
    assert_eq!(ended("kill -6 $$"), Ended::Signalled(6));
}

#[test]
fn a_program_that_cannot_start_is_no_verdict() {
    let pool = pool(1);
    let missing = pool.run(&Job::new(&Root::system(), "/usr/bin/no-such-program"));
    assert!(matches!(&missing, Err(Infra::CannotStart { .. })), "{missing:?}");
    let nonsense = Job::new(&Root::system(), "/in/x").program_file("/in/x", *b"not a program");
    let nonsense = pool.run(&nonsense);
    assert!(matches!(&nonsense, Err(Infra::CannotStart { .. })), "{nonsense:?}");
    let outside = pool.run(&shell("true").input("/etc/x", *b""));
    assert!(matches!(&outside, Err(Infra::Unsupported { .. })), "{outside:?}");
    // The slot is as good as new.
    assert_eq!(pool.run(&shell("true")).expect("it works again").ended, Ended::Exited(0));
}

#[test]
fn a_mount_that_is_not_there_is_named() {
    let root = Root::default().with(sigil_sandbox::Mount::new("/no/such/folder", false));
    let answer = pool(1).run(&Job::new(&Arc::new(root), "/in/x"));
    let error = answer.expect_err("there is no such folder").to_string();
    assert!(error.contains("/no/such/folder") || error.contains("Landlock"), "{error}");
}

#[test]
fn many_callers_share_few_slots_and_keep_apart() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for caller in 0..6 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..5 {
                    let script = format!("echo {caller}-{round} > own; ls; cat own");
                    let outcome = pool.run(&shell(&script)).expect("the sandbox works");
                    let said = format!("own\n{caller}-{round}\n").into_bytes();
                    assert_eq!(outcome.stdout.bytes, said);
                }
            });
        }
    });
}

#[test]
fn roots_of_one_slot_do_not_mix() {
    let pool = pool(1);
    let with = |name: &str| {
        let mut root = Arc::unwrap_or_clone(Root::system());
        root.files.push(sigil_sandbox::RootFile {
            path: "/etc/which".into(),
            bytes: name.as_bytes().to_vec(),
        });
        Arc::new(root)
    };
    if pool.report().tier == Tier::Reduced {
        eprintln!("the reduced tier has no root of its own");
        return;
    }
    // More roots than a slot keeps prepared, twice.
    for name in ["a", "b", "c", "d", "e", "a", "e"] {
        let job = Job { root: with(name), ..shell("cat /etc/which") };
        assert_eq!(pool.run(&job).expect("it works").stdout.bytes, name.as_bytes());
    }
}

#[test]
fn every_canary_is_in_the_report() {
    let pool = pool(1);
    let report = pool.report();
    assert!(report.passed());
    let tried: Vec<Canary> = report.results.iter().map(|result| result.canary).collect();
    assert_eq!(tried, Canary::ALL);
}

#[test]
fn nothing_is_chosen_that_was_not_allowed() {
    let selection = Selection { only: vec!["reduced".to_owned()], allow_reduced: false };
    let Err(refused) = select(&selection) else { panic!("the reduced tier was not allowed") };
    assert!(matches!(refused.tried[..], [("reduced", Refusal::ReducedTier)]), "{refused}");
    let selection = Selection { only: vec!["none".to_owned()], allow_reduced: true };
    let Err(refused) = select(&selection) else { panic!("there is no such backend") };
    assert!(refused.tried.is_empty() && refused.to_string().contains("no sandbox"), "{refused}");
}

#[test]
fn the_reduced_tier_runs_programs_when_allowed() {
    let selection = Selection { only: vec!["reduced".to_owned()], allow_reduced: true };
    let pool = match select(&selection) {
        Ok(verified) => verified.pool(1),
        // A kernel without Landlock, or one too old for an ordinary user, and it says which.
        Err(refused) => {
            eprintln!("{refused}");
            assert!(matches!(refused.tried[..], [(_, Refusal::Unavailable(_))]), "{refused}");
            return;
        }
    };
    assert_eq!(pool.report().tier, Tier::Reduced);
    let job = shell("cat given > made").input("/box/given", *b"x").output("/box/made", 10);
    let outcome = pool.run(&job).expect("the sandbox works");
    assert_eq!(outcome.ended, Ended::Exited(0), "{}", outcome.stderr.to_text());
    assert_eq!(outcome.files[0].1, TakenFile::Bytes(b"x".to_vec()));
}
