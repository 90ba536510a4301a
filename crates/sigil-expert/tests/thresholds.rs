//! The predecessor made its thresholds stricter the fewer samples compiled, so a weak model had nothing to
//! learn from. Here what passes is kept, and the old rule has to be asked for.

use serde_json::json;
use sigil_eval::judge::{Errors, Lints, SampleResult};
use sigil_eval::source::Facts;
use sigil_expert::score::ScoreWeights;
use sigil_expert::select::{Candidate, SelectSettings, StrictSettings, select};

/// One sample in ten compiles and passes; none has an idiom.
fn candidates() -> Vec<Candidate> {
    let one = |number: usize| {
        let good = number.is_multiple_of(10);
        let text = format!("fn f{number}() -> u8 {{ {} }}", number % 200);
        let verdict = if good {
            json!({"kind": "pass", "forgeable": false})
        } else {
            json!({"kind": "compile_error"})
        };
        let result: SampleResult = serde_json::from_value(json!({
            "index": number, "task_id": format!("t{number}"), "digest": "d", "verdict": verdict,
            "compiled": good, "passed": good, "how": "continuation", "cut_bytes": 0,
            "edition": "2021", "crate_kind": "library", "second_pass": false, "placement": null,
            "errors": Errors::default(), "lints": Lints::default(), "tests": null,
            "facts": Facts::of(&text), "prompt_match": null, "message": "",
        }))
        .expect("it is what the judge writes");
        Candidate {
            task_id: format!("t{number}"),
            composition: format!("c{number}"),
            text,
            prompt: "fn".to_owned(),
            result: Some(result),
        }
    };
    (0..100).map(one).collect()
}

#[test]
fn a_weak_model_keeps_what_passes_unless_the_old_rule_is_asked_for() {
    let kept = |settings: &SelectSettings| {
        let (rows, fates) = select(candidates(), &ScoreWeights::default(), settings, 1);
        assert_eq!((fates.samples, fates.passed), (100, 10));
        rows.len()
    };
    let usual = SelectSettings { max_composition_share: 1.0, ..SelectSettings::default() };
    assert_eq!(kept(&usual), 10, "every sample that passes");
    let strict = StrictSettings { documented: false, ..StrictSettings::default() };
    assert_eq!(kept(&SelectSettings { strict: Some(strict), ..usual }), 0, "it starves");
}
