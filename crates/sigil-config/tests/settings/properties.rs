//! No text of any kind makes the loader panic, and its answer is always a sentence.

use proptest::prelude::*;
use sigil_config::Layers;

/// Lines that look like a configuration often enough to get past the parsers.
fn plausible() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("train".to_owned()),
        Just("lora".to_owned()),
        Just("misc".to_owned()),
        Just("num_steps".to_owned()),
        Just("lr".to_owned()),
        Just("bf16".to_owned()),
        Just("target_modules".to_owned()),
        Just("dataset_weights".to_owned()),
        Just("sweep_metadata".to_owned()),
        "[a-z_.\"'é]{0,6}",
    ];
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("[a, 1, {b: c}]".to_owned()),
        Just("&x {a: 1}".to_owned()),
        Just("*x".to_owned()),
        Just("{ a = 1 }".to_owned()),
        Just("hf_aaaaaaaaaa".to_owned()),
        "-?[0-9]{0,25}(\\.[0-9]{0,3})?(e-?[0-9]{0,4})?",
        "\\PC{0,12}",
    ];
    let line =
        (0usize..3, key, prop_oneof![Just(": "), Just(" = "), Just("]\n"), Just(":\n")], value);
    let line = line.prop_map(|(depth, key, between, value)| {
        let open = if between == "]\n" { "[" } else { "" };
        format!("{}{open}{key}{between}{value}\n", "  ".repeat(depth))
    });
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

fn answer(layers: Layers) {
    match layers.load() {
        Ok(loaded) => assert!(loaded.print_config().contains("[train]")),
        Err(errors) => assert!(errors.to_string().ends_with("in the configuration")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_as_a_file(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for name in ["a.toml", "a.yml"] {
            answer(Layers::new().file(name, text.clone()));
        }
    }

    #[test]
    fn any_text_as_a_file(text in "[-a-z0-9:=\\[\\]{}&*!|>'\"#%@`,.?~ \t\n\r\u{0}\u{85}\u{feff}é😀]{0,120}") {
        for name in ["a.toml", "a.yml"] {
            answer(Layers::new().file(name, text.clone()));
        }
    }

    #[test]
    fn anything_that_looks_like_settings(text in plausible()) {
        for name in ["a.toml", "a.yml"] {
            answer(Layers::new().file(name, text.clone()));
        }
    }

    #[test]
    fn any_variable_and_argument(name in "[A-Z_a-z0-9.é]{0,20}", value in "\\PC{0,30}") {
        let variables = [(format!("SIGIL_{name}"), value.clone()), ("HF_TOKEN".to_owned(), value.clone())];
        answer(Layers::new().env(variables).set([format!("{name}={value}"), value]));
    }
}

#[test]
fn deep_and_long_texts_end_in_a_sentence() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
         d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n"
            .to_owned(),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
    ] {
        for name in ["a.toml", "a.yml"] {
            let errors = Layers::new().file(name, text.clone()).load();
            assert!(errors.is_err());
        }
    }
}
