//! Everything that can be given wrong: a sentence, a documented code, nothing lost.

use std::fs;

use crate::place::Place;

/// A run that ends early.
const SETTINGS: &str = "\
[tasks]
per_round = 4
seen_percent = 100
development = 1
held_out = 1
[generate]
model = \"sigil-base-tasks\"
samples = 1
development_samples = 1
held_out_samples = 1
max_new_tokens = 24
[rounds]
count = 1
min_rows = 16
[training.train]
num_steps = 1
";

/// What is said is one sentence, and a hint at most.
fn sentence(said: &str) -> &str {
    let at = said.find("error: ").unwrap_or_else(|| panic!("no error in:\n{said}"));
    let told = said[at..].trim_end();
    let rest: Vec<&str> = told.lines().skip(1).collect();
    assert!(rest.iter().all(|line| line.starts_with("  ")), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    told
}

#[test]
fn settings_that_are_wrong_are_told_before_anything_starts() {
    let place = Place::new();
    for (text, wanted) in [
        ("[rounds]\ncuont = 3\n", "cuont"),
        ("[rounds\n", "line 1"),
        ("[tasks]\nheld_out = 161\n", "`tasks.held_out = 161` is not from 1 to 160"),
        ("[generate]\ntop_p = 2.0\n", "generate.top_p"),
        ("[select]\nmax_composition_share = 0.0\n", "select.max_composition_share"),
        ("[training.train]\nlerning_rate = 1.0\n", "lerning_rate"),
        ("[training.run]\noutput_dir = \"x\"\n", "`training.run.output_dir` is set by each round"),
        ("[tasks]\npool = \"p.jsonl\"\n", "belong together"),
    ] {
        place.write("bad.toml", text);
        let (said, code) = place.run(&["run", "--config", "bad.toml"]);
        assert_eq!(code, Some(3), "{text}: {said}");
        let told = sentence(&said);
        assert!(told.contains(wanted) && told.contains("bad.toml"), "{said}");
    }
    let (said, code) = place.run(&["run", "--config", "none.toml"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(sentence(&said).contains("none.toml"), "{said}");
    let (_, code) = place.run(&["run", "--arms", "juged"]);
    assert_eq!(code, Some(2));
    assert!(!place.path().join("out").exists());
}

#[test]
fn a_pool_that_is_wrong_is_told_before_anything_is_generated() {
    let place = Place::new();
    let good = "{\"task_id\":\"a\",\"prompt\":\"fn f() -> u8 {\",\"test\":\"fn main() {}\"}\n";
    place.write("good.jsonl", good);
    place.write(
        "e.toml",
        "[tasks]\npool = \"pool.jsonl\"\ndevelopment_pool = \"good.jsonl\"\n\
         held_out_pool = \"good.jsonl\"\n[select]\nreplay = 0.0\n",
    );
    for (text, wanted) in [
        ("{\"task_id\": \"a\"}\n", "`pool.jsonl` line 1: no text `prompt`"),
        ("\n\nnot JSON\n", "`pool.jsonl` line 3: not a JSON object"),
        ("", "`pool.jsonl`: holds no task"),
        ("{\"task_id\":\"a\",\"prompt\":\"fn f() {\",\"test\":\"\"}\n", "task `a`: it has no test"),
    ] {
        place.write("pool.jsonl", text);
        let (said, code) = place.run(&["run", "--config", "e.toml", "--out", "run"]);
        assert_eq!(code, Some(4), "{said}");
        assert!(sentence(&said).contains(wanted), "{said}");
        assert!(!said.contains("begins"), "{said}");
    }
    fs::remove_file(place.path().join("pool.jsonl")).expect("removed");
    let (said, code) = place.run(&["run", "--config", "e.toml", "--out", "run"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(sentence(&said).contains("pool.jsonl"), "{said}");
}

#[test]
fn a_folder_that_was_damaged_is_mended_or_refused() {
    let place = Place::new();
    place.write("e.toml", SETTINGS);
    let run = ["run", "--config", "e.toml", "--out", "run", "--arms", "judged"];
    // Four samples never make sixteen rows, so the round ends here, with a sentence.
    let (said, code) = place.run(&run);
    assert_eq!(code, Some(4), "{said}");
    let wanted = "rows of 4 samples";
    assert!(sentence(&said).contains(wanted), "{said}");
    let samples = place.read("run/judged/round-1/samples.jsonl");
    let tasks = place.read("run/judged/round-1/tasks.jsonl");

    // What a stage wrote is made again where it is changed, cut or gone.
    place.write("run/judged/round-1/samples.jsonl", "{\"id\": \"practice/000\n");
    place.write("run/judged/round-1/tasks.jsonl", &tasks[..tasks.len() / 2]);
    place.write("run/base/held_out/judge.stage.json", "rubbish");
    fs::remove_file(place.path().join("run/base/development/judged/results.jsonl")).expect("gone");
    let (said, code) = place.run(&run);
    assert_eq!(code, Some(4), "{said}");
    assert!(sentence(&said).contains(wanted), "{said}");
    assert!(said.contains("base/held_out/generate: was done"), "{said}");
    assert!(said.contains("judged/round-1/generate: begins"), "{said}");
    assert_eq!(place.read("run/judged/round-1/samples.jsonl"), samples);
    assert_eq!(place.read("run/judged/round-1/tasks.jsonl"), tasks);

    // Another run's folder, and one that says nothing of whose it is.
    let (said, code) = place.run(&[&run[..], &["--seed", "2"]].concat());
    assert_eq!(code, Some(6), "{said}");
    assert!(sentence(&said).contains("another seed"), "{said}");
    place.write("run/expert.json", "{");
    let (said, code) = place.run(&run);
    assert_eq!(code, Some(6), "{said}");
    assert!(sentence(&said).contains("expert.json"), "{said}");
    assert_eq!(place.read("run/judged/round-1/samples.jsonl"), samples);
}
