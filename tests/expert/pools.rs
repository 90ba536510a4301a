//! Rounds over tasks that the user brings.

use crate::place::Place;

const SETTINGS: &str = "\
[tasks]
per_round = 6
development = 1
held_out = 2
pool = \"pool.jsonl\"
development_pool = \"development.jsonl\"
held_out_pool = \"held_out.jsonl\"
replay_rows = \"earlier.jsonl\"
[generate]
model = \"sigil-base-tasks\"
samples = 2
development_samples = 1
held_out_samples = 1
max_new_tokens = 48
[select]
require = \"compile\"
max_composition_share = 1.0
replay = 0.5
[rounds]
count = 2
start = \"base\"
min_rows = 1
[training.sequence]
max_length = 128
[training.train]
micro_batch_size = 2
gradient_accumulation = 1
num_steps = 2
log_backend = \"jsonl\"
";

#[test]
fn tasks_of_ones_own_go_through_rounds_without_those_that_are_held_out() {
    let place = Place::new();
    place.write("e.toml", SETTINGS);
    for (split, name) in [
        ("seen", "pool.jsonl"),
        ("development", "development.jsonl"),
        ("held-out", "held_out.jsonl"),
    ] {
        let (said, code) =
            place.run(&["tasks", "write", "--split", split, "--count", "8", "--out", name]);
        assert_eq!(code, Some(0), "{said}");
    }
    // Nobody wrote tests for the pool, and somebody put a held-out task into it under another name.
    let mut pool = place.rows("pool.jsonl");
    let mut copy = place.rows("held_out.jsonl").remove(0);
    copy["task_id"] = "copy".into();
    pool.push(copy);
    for row in &mut pool {
        row["test"] = "".into();
    }
    let lines =
        |rows: &[serde_json::Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    place.write("pool.jsonl", &lines(&pool));
    let earlier: Vec<serde_json::Value> = (0..9)
        .map(|at| serde_json::json!({"text": format!("/// {at}.\nfn earlier_{at}() {{}}\n")}))
        .collect();
    place.write("earlier.jsonl", &lines(&earlier));

    let run = ["run", "--config", "e.toml", "--out", "run", "--arms", "judged"];
    let (said, code) = place.run(&run);
    assert_eq!(code, Some(0), "{said}");
    let ids = |round: usize| -> Vec<String> {
        let rows = place.rows(&format!("run/judged/round-{round}/tasks.jsonl"));
        rows.iter().map(|row| row["task_id"].as_str().expect("a name").to_owned()).collect()
    };
    let (first, second) = (ids(1), ids(2));
    assert_eq!((first.len(), second.len()), (6, 6));
    assert!(first.iter().chain(&second).all(|id| id.starts_with("seen/")), "{first:?} {second:?}");
    // The second round begins with the two that the first one left.
    let both: std::collections::BTreeSet<&String> = first.iter().chain(&second).collect();
    assert_eq!(both.len(), 8);

    let metadata: serde_json::Value =
        serde_json::from_str(&place.read("run/judged/round-2/metadata.json")).expect("JSON");
    assert_eq!(metadata["decontaminated_tasks"], 1);
    let rows = place.rows("run/judged/round-2/rows.jsonl");
    let replayed: Vec<&str> = rows
        .iter()
        .filter(|row| row["_task"].as_str().is_some_and(|task| task.starts_with("replay/")))
        .filter_map(|row| row["text"].as_str())
        .collect();
    assert!(!replayed.is_empty() && replayed.iter().all(|text| text.contains("earlier_")));

    // A pool that was changed is another run's.
    place.write("pool.jsonl", &lines(&pool[..7]));
    let (said, code) = place.run(&run);
    assert_eq!(code, Some(6), "{said}");
}
