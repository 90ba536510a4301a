//! `--hub-repo` and the run's page: what lands besides a checkpoint set.

use std::fs;

use crate::program::{Workplace, outcome};
use crate::uploads::UploadHub;

const TOKEN: &str = "hf_TopSecretTokenOfATest";

#[test]
fn sets_go_to_the_hub_as_they_land_and_the_page_is_there() {
    let place = Workplace::new();
    let hub = UploadHub::start(None);
    let output = place
        .short("run")
        .args(["--hub-repo", "me/rust-adapter", "--hub-private"])
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", TOKEN)
        .output()
        .expect("it starts");
    let (out, err, code) = outcome(&output);
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains(TOKEN) && !out.contains(TOKEN), "the token is told");
    let files = hub.files();
    for name in ["checkpoints/step-00000006/adapter_model.safetensors", "README.md"] {
        assert!(files.contains_key(name), "{name} is missing: {:?}", files.keys());
    }
    assert!(!files.keys().any(|name| name.contains("optimizer")), "{:?}", files.keys());
    assert_eq!(hub.private(), Some(true));
    assert!(err.contains("is on the Hub"), "{err}");
    let page = fs::read_to_string(place.path().join("run/report.html")).expect("written");
    for part in ["Training loss", "Evaluation loss", "step-00000006", "Data", "Settings"] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains(TOKEN) && !page.contains("<script"), "{page}");
}

#[test]
fn a_hub_that_is_away_is_told_before_anything_is_trained() {
    let place = Workplace::new();
    let hub = UploadHub::start(Some(0));
    let output = place
        .short("run")
        .args(["--hub-repo", "me/rust-adapter"])
        .env("HF_ENDPOINT", hub.endpoint())
        .output()
        .expect("it starts");
    let (_, err, code) = outcome(&output);
    assert!(code == Some(11) && err.contains("me/rust-adapter"), "{err}");
    assert!(!place.path().join("run").exists(), "nothing was begun");
}
