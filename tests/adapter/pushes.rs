//! `push` to a hub on loopback: whole, cut and resumed, refused; the token is in no message.

use std::process::Output;

use sha2::{Digest as _, Sha256};

use crate::program::{Workplace, fixture};
use crate::uploads::{Stored, UploadHub};

const TOKEN: &str = "hf_TopSecretTokenOfATest";

fn push(place: &Workplace, hub: &UploadHub, arguments: &[&str]) -> Output {
    let mut command = place.command(&["push"]);
    command
        .args(arguments)
        .args(["--repo", "me/rust-adapter"])
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", TOKEN);
    let output = command.output().expect("it starts");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains(TOKEN), "the token is told: {said}");
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_set_is_sent_without_its_state_and_only_once() {
    let place = Workplace::new();
    let run = place.run_folder("run", "llama3", &[10]);
    let hub = UploadHub::start(None);
    let output = push(&place, &hub, &["run", "--private"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(hub.private(), Some(true));
    let files = hub.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["README.md", "adapter_config.json", "adapter_model.safetensors"]);
    let set = run.join("checkpoints/step-00000010");
    let bytes = |name: &str| std::fs::read(set.join(name)).expect("there");
    assert_eq!(files["README.md"], Stored::Bytes(bytes("README.md")));
    let weights = bytes("adapter_model.safetensors");
    let large = Stored::Large(sha256(&weights), weights.len() as u64);
    assert_eq!(files["adapter_model.safetensors"], large);
    assert!(hub.xorb_bytes() > 0, "the storage got the bytes");
    assert_eq!(hub.commits().len(), 1, "a set is one commit");
    assert!(hub.tokens().iter().any(|token| token == &format!("Bearer {TOKEN}")));

    let again = push(&place, &hub, &["run"]);
    assert!(again.status.success() && said(&again).contains("3 are there already"));
    assert_eq!(hub.commits().len(), 1, "nothing changed, nothing is sent");
}

#[test]
fn an_upload_that_was_cut_goes_on_where_it_was() {
    let place = Workplace::new();
    let model = place.path().join("model");
    std::fs::create_dir(&model).expect("made");
    std::fs::write(model.join("config.json"), "{}").expect("written");
    let mut seed = 1_u32;
    for shard in 1..=3 {
        // Noise, so that the storage cannot say that it has one shard already.
        let bytes: Vec<u8> = (0..(1 << 20) + 4096 * shard)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        std::fs::write(model.join(format!("model-0000{shard}-of-00003.safetensors")), bytes)
            .expect("written");
    }
    let hub = UploadHub::start(Some(2));
    let cut = push(&place, &hub, &["model", "--commit-mib", "1"]);
    assert_eq!(cut.status.code(), Some(11), "{}", said(&cut));
    assert!(said(&cut).contains("hint: push again"), "{}", said(&cut));
    assert_eq!(hub.files().len(), 2, "two shards are there, and no config.json that promises more");
    let sent = hub.xorb_bytes();

    hub.mend();
    let again = push(&place, &hub, &["model", "--commit-mib", "1"]);
    assert!(again.status.success(), "{}", said(&again));
    assert!(said(&again).contains("2 files to send"), "{}", said(&again));
    assert!(hub.xorb_bytes() - sent < sent, "the first two shards are not sent again");
    let commits = hub.commits();
    assert_eq!(commits.len(), 4);
    assert_eq!(commits[3].1, ["config.json"], "what makes it loadable comes last");
    assert_eq!(hub.files().len(), 4);
}

#[test]
fn all_sets_go_into_folders_and_the_newest_to_the_top() {
    let place = Workplace::new();
    place.run_folder("run", "qwen3", &[10, 20]);
    let hub = UploadHub::start(None);
    let output = push(&place, &hub, &["run", "--all-sets", "--with-state"]);
    assert!(output.status.success(), "{}", said(&output));
    let files = hub.files();
    for name in [
        "adapter_model.safetensors",
        "checkpoints/step-00000010/adapter_model.safetensors",
        "checkpoints/step-00000020/optimizer.safetensors",
    ] {
        assert!(files.contains_key(name), "{name}: {:?}", files.keys());
    }
    let listed = place.well(&["push", "run", "--repo", "a/b", "--dry-run"]);
    assert!(listed.contains("adapter_config.json") && !listed.contains("optimizer"), "{listed}");
}

#[test]
fn a_card_with_results_reaches_the_hub_and_an_edited_one_can_stay() {
    let place = Workplace::new();
    let run = place.run_folder("run", "qwen3", &[10]);
    let metrics = "{\"protocol\": {\"benchmark\": \"humaneval-rust\"}, \"pass_at\": {\"1\": \
                   {\"value\": 0.375}}}";
    std::fs::write(place.path().join("metrics.json"), metrics).expect("written");
    place.well(&["card", "run", "--results", "metrics.json"]);
    let hub = UploadHub::start(None);
    let card = || match &hub.files()["README.md"] {
        Stored::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        large => panic!("a card is a small file: {large:?}"),
    };
    // The first push sends the card even so: there is none to keep.
    for _ in 0..2 {
        let output = push(&place, &hub, &["run", "--keep-card"]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(card().contains("value: 0.375"), "{}", card());
    }
    // The card here changes; what is on the Hub counts as somebody's own words.
    let set = run.join("checkpoints/step-00000010");
    std::fs::write(place.path().join("metrics.json"), metrics.replace("0.375", "0.5"))
        .expect("written");
    place.well(&["card", "run", "--results", "metrics.json"]);
    assert!(push(&place, &hub, &["run", "--keep-card"]).status.success());
    assert!(card().contains("value: 0.375"), "{}", card());
    assert!(push(&place, &hub, &["run"]).status.success());
    assert_eq!(card(), std::fs::read_to_string(set.join("README.md")).expect("there"));
    assert!(card().contains("value: 0.5"), "{}", card());
}

#[test]
fn a_wrong_name_and_a_hub_that_is_away_are_told() {
    let place = Workplace::new();
    let adapter = fixture("llama3", "adapter").display().to_string();
    let (_, err, code) = place.run(&["push", &adapter, "--repo", "nobody"]);
    assert!(code == Some(11) && err.contains("owner/name"), "{err}");
    let hub = UploadHub::start(Some(0));
    let output = push(&place, &hub, &[&adapter]);
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    assert!(hub.requests().iter().all(|request| request.contains("/api/repos/create")));
}
