//! The model card as a whole: what it says, and that hostile values stay values.

use expect_test::expect;
use sigil_run::{CardMetric, CardSource, MetricsRow, ModelCard};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn card() -> ModelCard {
    ModelCard {
        title: "quickstart at step 40".into(),
        description: "A LoRA adapter for writing Rust.\n\nTrained on this repository's crates."
            .into(),
        base_model: Some(CardSource { name: "Qwen/Qwen2.5-Coder-0.5B".into(), is_on_hub: true }),
        library_name: "peft".into(),
        license: Some("apache-2.0".into()),
        pipeline_tag: "text-generation".into(),
        tags: vec!["rust".into(), "qlora".into()],
        datasets: vec![
            CardSource { name: "ammarnasr/the-stack-rust-clean".into(), is_on_hub: true },
            CardSource { name: "data/own_rows.jsonl".into(), is_on_hub: false },
        ],
        step: 40,
        command: "sigil-train --config configs/quickstart.toml".into(),
        config_toml: "[train]\nnum_steps = 40\n".into(),
        lora: pairs(&[("r", "16"), ("target_modules", "q_proj, v_proj")]),
        quantization: pairs(&[("kind", "nf4"), ("double quantization", "yes")]),
        data: pairs(&[("rows", "1200")]),
        metrics: Some(MetricsRow {
            loss: Some(1.25),
            learning_rate: Some(1e-4),
            tokens_seen: Some(81_920),
            ..MetricsRow::new(40)
        }),
        results: vec![
            CardMetric {
                dataset: "held-out crates".into(),
                kind: "loss".into(),
                name: "Evaluation loss".into(),
                value: 1.5,
            },
            CardMetric {
                dataset: "held-out crates".into(),
                kind: "perplexity".into(),
                name: "Perplexity".into(),
                value: f64::NAN,
            },
        ],
        seeds: vec![("run".into(), 42)],
        versions: pairs(&[("sigil-train", "0.1.0")]),
        limitations: vec!["It writes code that may not compile.".into()],
    }
}

#[test]
fn a_whole_card() {
    expect![[r#"
        ---
        base_model: "Qwen/Qwen2.5-Coder-0.5B"
        library_name: "peft"
        license: "apache-2.0"
        pipeline_tag: "text-generation"
        tags:
        - "rust"
        - "qlora"
        datasets:
        - "ammarnasr/the-stack-rust-clean"
        model-index:
        - name: "quickstart at step 40"
          results:
          - task:
              type: "text-generation"
            dataset:
              name: "held-out crates"
              type: "held-out crates"
            metrics:
            - type: "loss"
              name: "Evaluation loss"
              value: 1.5
        ---

        # quickstart at step 40

        A LoRA adapter for writing Rust.

        Trained on this repository's crates.

        ## Model

        | | |
        |---|---|
        | Base model | Qwen/Qwen2.5-Coder-0.5B |
        | Optimizer step | 40 |

        ## Command

        ```sh
        sigil-train --config configs/quickstart.toml
        ```

        ## LoRA

        | | |
        |---|---|
        | r | 16 |
        | target\_modules | q\_proj, v\_proj |

        ## Quantization

        | | |
        |---|---|
        | kind | nf4 |
        | double quantization | yes |

        ## Data

        | | |
        |---|---|
        | Source | ammarnasr/the-stack-rust-clean |
        | Source | data/own\_rows.jsonl |
        | rows | 1200 |

        ## Metrics so far

        | | |
        |---|---|
        | step | 40 |
        | train/loss | 1.250000 |
        | train/learning\_rate | 1.000000e-4 |
        | train/tokens\_seen | 81920 |
        | Evaluation loss (held-out crates) | 1.500000 |
        | Perplexity (held-out crates) | NaN |

        ## Seeds

        | | |
        |---|---|
        | run | 42 |

        ## Versions

        | | |
        |---|---|
        | sigil-train | 0.1.0 |

        ## Config

        ```toml
        [train]
        num_steps = 40
        ```

        ## Limitations

        - It writes code that may not compile.
    "#]]
    .assert_eq(&card().render());
}

#[test]
fn an_empty_card_has_no_empty_sections_and_no_placeholders() {
    let text = ModelCard { title: "x".into(), ..ModelCard::default() }.render();
    expect![[r#"
        ---
        ---

        # x
    "#]]
    .assert_eq(&text);
}

#[test]
fn hostile_values_stay_values() {
    let hostile = "a\"\n---\nlicense: mit | `x` [link](http://x) <script> \\";
    let mut card = card();
    card.title = hostile.into();
    card.tags = vec![hostile.into()];
    card.datasets = vec![CardSource { name: hostile.into(), is_on_hub: true }];
    card.lora = pairs(&[(hostile, hostile)]);
    card.command = "echo '```'\n```\n# not a heading".into();
    let text = card.render();
    assert_eq!(text.lines().filter(|line| *line == "---").count(), 2, "{text}");
    assert!(!text.lines().any(|line| line.starts_with("license: mit")), "{text}");
    let body = text.splitn(3, "---\n").last().expect("there is a body");
    assert!(!body.contains("<script>") && !body.contains("[link]("), "{body}");
    assert!(body.contains("````sh\necho '```'\n```\n# not a heading\n````"), "{body}");
}
