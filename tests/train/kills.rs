//! SIGKILL at random moments, again and again, until the run is done: the result is that of a run
//! that was never killed.

use std::{process::Stdio, time::Duration};

use sigil_kernels::random;

use crate::{program::Workplace, runs::adapter};

/// Kills wanted; `SIGIL_KILLS` asks for more.
const KILLS: u64 = 50;
const STEPS: u64 = 60;

#[test]
fn a_run_killed_fifty_times_equals_one_that_was_not() {
    let wanted: u64 =
        std::env::var("SIGIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let place = Workplace::new();
    let command = |out: &str| {
        let mut command = place.short(out);
        let steps = format!("train.num_steps={STEPS}");
        command.args(["--set", &steps, "--set", "train.save_every=1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(command("whole").status().expect("starts").success());
    let mut kills = 0;
    let mut round = 0;
    while kills < wanted {
        let out = format!("killed-{round}");
        let mut finished = false;
        while !finished {
            let begun = place.path().join(&out).join("latest").is_file();
            let mut command = command(&out);
            if begun {
                command.arg("--resume");
            }
            let mut child = command.spawn().expect("starts");
            // From before the first file is written to well into the run.
            let wait = 5 + random::bits(kills + 1, round) % 400;
            let deadline = std::time::Instant::now() + Duration::from_millis(wait);
            while std::time::Instant::now() < deadline && !finished {
                std::thread::park_timeout(Duration::from_millis(2));
                finished = match child.try_wait().expect("asked") {
                    Some(status) => {
                        assert!(
                            status.success(),
                            "ended by itself with {status} after {kills} kills"
                        );
                        true
                    }
                    None => false,
                };
            }
            if !finished && kills < wanted {
                child.kill().expect("killed");
                child.wait().expect("ended");
                kills += 1;
            } else if !finished {
                assert!(child.wait().expect("ends").success());
                finished = true;
            }
        }
        assert_eq!(
            adapter(place.path(), "whole", STEPS),
            adapter(place.path(), &out, STEPS),
            "round {round}"
        );
        round += 1;
    }
    eprintln!("{kills} kills over {round} runs");
}
