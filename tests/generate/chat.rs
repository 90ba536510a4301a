//! The conversation, by a script.

use crate::program::Workplace;

#[test]
fn a_script_can_talk() {
    let place = Workplace::new();
    let input = "/help\n/undo\nfn main() {\n/retry\n/history\n/set top_p 7\n/set top_k 5\n/settings\n\
                 /save\n/undo\n/history\n/save\n/nonsense\nstruct A {\\\n    b: u8,\n/save\n/quit\nnever\n";
    let arguments = ["chat", "--max-new-tokens", "12", "--rows", "talk.jsonl"];
    let (stdout, stderr, code) = place.run_with_input(&arguments, input);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout.matches("[user] fn main() {").count(), 1, "{stdout}");
    assert_eq!(stdout.matches("[assistant]").count(), 1, "{stdout}");
    for words in [
        "/retry            answer",
        "there is nothing to take back",
        "`top_p` is 7",
        "top_k: 5",
        "taken back",
        "there is nothing to save",
        "no such command: /nonsense",
    ] {
        assert!(stderr.contains(words), "no `{words}` in: {stderr}");
    }
    let saved = std::fs::read_to_string(place.path().join("talk.jsonl")).expect("saved");
    let rows: Vec<serde_json::Value> =
        saved.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["messages"][0]["content"], "struct A {\n    b: u8,");
    assert_eq!(rows[1]["messages"][1]["role"], "assistant");
}

#[test]
fn the_same_seed_talks_the_same() {
    let place = Workplace::new();
    let talk = |seed: &str| {
        let arguments = ["chat", "--max-new-tokens", "12", "--seed", seed];
        place.run_with_input(&arguments, "fn a(\nfn b(\n/retry\n").0
    };
    assert_eq!(talk("4"), talk("4"));
    assert_ne!(talk("4"), talk("5"));
}
