//! The numbers of an evaluation.
//!
//! Every rate has all judged samples in its denominator, refused ones included; only samples about which
//! the sandbox could say nothing are left out, and counted. Keys of the predecessor keep their names and
//! get the definitions of [`definitions`]. Next: `report.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pass_at_k::{Estimate, pass_at_k};
use crate::EvalError;
use crate::judge::{SampleResult, Verdict};
use crate::source::{Facts, SyntaxFacts};

/// How samples were made and judged, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// The benchmark's name or file.
    pub benchmark: String,
    /// The seed of drawing samples, if some were drawn.
    pub seed: Option<u64>,
    /// The sampling temperature, as told by the user.
    pub temperature: Option<f64>,
    /// How the model was prompted, as told by the user.
    pub prompt: Option<String>,
    /// The values of k.
    pub k: Vec<usize>,
    /// The editions of the tasks.
    pub editions: BTreeSet<String>,
    /// `rustc -vV`'s release.
    pub rustc_version: String,
    /// `clippy-driver -V`.
    pub clippy_version: String,
    /// Lint groups that were warned about.
    pub lint_groups: Vec<String>,
    /// The sandbox: backend, tier, policy.
    pub sandbox: String,
    /// The digest of the dependency set; empty without one.
    pub dependencies: String,
    /// Tasks that were left out because their own solution does not pass.
    pub excluded_tasks: BTreeSet<String>,
}

/// All numbers. See [`definitions`] for what each one means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// How they came to be.
    pub protocol: Protocol,
    /// Tasks with at least one sample.
    pub tasks: usize,
    /// Samples in the input.
    pub total_samples: usize,
    /// Samples refused without a compiler.
    pub filtered_samples: usize,
    /// Samples judged.
    pub evaluated_samples: usize,
    /// Samples about which the sandbox could say nothing.
    pub infra_samples: usize,
    /// The fewest samples that a task has.
    pub least_samples_per_task: usize,
    /// The most samples that a task has.
    pub most_samples_per_task: usize,
    /// pass@k by k.
    pub pass_at: BTreeMap<usize, Estimate>,
    /// Rates and means by name.
    pub rates: BTreeMap<String, Estimate>,
    /// Samples by verdict.
    pub verdicts: BTreeMap<String, usize>,
    /// Refused samples by reason.
    pub filter_reasons: BTreeMap<String, usize>,
    /// Samples by the class of their first error.
    pub error_types: BTreeMap<String, usize>,
    /// Errors by code, over all samples.
    pub error_codes: BTreeMap<String, usize>,
    /// Crates that samples wanted and the set lacks, by samples.
    pub missing_dependencies: BTreeMap<String, usize>,
    /// Clippy's lints by name, over all samples.
    pub clippy_lints: BTreeMap<String, usize>,
    /// Clippy's lints by group, over all samples.
    pub clippy_groups: BTreeMap<String, usize>,
    /// Passing samples by quality: the strictest stratum that each one reaches.
    pub quality_strata: BTreeMap<String, usize>,
}

/// A name of [`Metrics::rates`] and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The key.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

type Measure = (Definition, fn(&SampleResult) -> Option<(f64, f64)>);

/// One sample's part of numerator and denominator; `None` where it has no part.
const MEASURES: &[Measure] = &[
    (
        Definition {
            name: "compile_rate",
            meaning: "samples that compile by themselves, of all judged",
        },
        |r| share(r.compiled),
    ),
    (
        Definition {
            name: "pass_rate",
            meaning: "samples that pass all tests, of those with tests",
        },
        |r| r.passed.map(|passed| (f64::from(u8::from(passed)), 1.0)),
    ),
    (
        Definition {
            name: "unforgeable_pass_rate",
            meaning: "samples that pass tests they could not reach, of those with tests",
        },
        |r| {
            r.passed.map(|_| {
                let sure = matches!(r.verdict, Verdict::Pass { forgeable: false });
                (f64::from(u8::from(sure)), 1.0)
            })
        },
    ),
    (
        Definition {
            name: "filtered_rate",
            meaning: "samples refused without a compiler, of all judged",
        },
        |r| share(matches!(r.verdict, Verdict::Refused { .. })),
    ),
    (
        Definition {
            name: "avg_clippy_warnings",
            meaning: "clippy's messages per sample that compiles",
        },
        |r| r.compiled.then(|| (f64::from(r.lints.clippy_total()), 1.0)),
    ),
    (
        Definition {
            name: "clippy_pass_rate",
            meaning: "samples that compile without a message of clippy, of all judged",
        },
        |r| share(r.compiled && r.lints.clippy_total() == 0),
    ),
    (
        Definition {
            name: "doc_comment_rate",
            meaning: "samples with a documentation comment, of all judged",
        },
        |r| share(r.facts.doc_comments > 0),
    ),
    (Definition { name: "avg_doc_comments", meaning: "documentation comments per sample" }, |r| {
        mean(r.facts.doc_comments)
    }),
    (
        Definition {
            name: "avg_idiomatic_score",
            meaning: "share of eight idioms found in a sample's tokens, averaged over samples",
        },
        |r| Some((r.facts.idioms.len() as f64 / Facts::IDIOMS.len() as f64, 1.0)),
    ),
    (Definition { name: "avg_functions", meaning: "functions per sample" }, |r| {
        mean(r.facts.functions)
    }),
    (Definition { name: "avg_structs", meaning: "structs per sample" }, |r| mean(r.facts.structs)),
    (Definition { name: "avg_impls", meaning: "impl blocks per sample" }, |r| mean(r.facts.impls)),
    (Definition { name: "avg_traits", meaning: "traits per sample" }, |r| mean(r.facts.traits)),
    (
        Definition { name: "test_rate", meaning: "samples with tests of their own, of all judged" },
        |r| share(r.facts.test_attributes > 0),
    ),
    (
        Definition { name: "main_free_rate", meaning: "samples without a `main`, of all judged" },
        |r| share(!r.facts.has_main),
    ),
    (Definition { name: "unsafe_rate", meaning: "samples with `unsafe`, of all judged" }, |r| {
        share(r.facts.unsafe_words > 0)
    }),
    (
        Definition {
            name: "unwrap_rate",
            meaning: "samples that call `unwrap` or `expect`, of all judged",
        },
        |r| share(r.facts.unwraps > 0),
    ),
    (
        Definition {
            name: "unwrap_outside_tests_rate",
            meaning: "samples that call `unwrap` or `expect` outside tests and `main`, of all parsed",
        },
        |r| by_tree(r, |tree| tree.unwraps + tree.expects > 0),
    ),
    (
        Definition {
            name: "unsafe_outside_tests_rate",
            meaning: "samples with `unsafe` blocks or items outside tests, of all parsed",
        },
        |r| by_tree(r, |tree| tree.unsafe_blocks + tree.unsafe_items > 0),
    ),
    (
        Definition {
            name: "unfinished_rate",
            meaning: "samples with `todo!` or `unimplemented!` outside tests, of all parsed",
        },
        |r| by_tree(r, |tree| tree.unfinished > 0),
    ),
    (
        Definition {
            name: "documented_items_rate",
            meaning: "public items with documentation, of all public items of parsed samples",
        },
        |r| {
            let tree = parsed(r)?;
            Some((f64::from(tree.documented_public_items), f64::from(tree.public_items)))
        },
    ),
    (
        Definition {
            name: "avg_prompt_match",
            meaning: "share of the prompt's words of more than three letters that the sample has as \
                      words, averaged over samples with a prompt",
        },
        |r| r.prompt_match.map(|share| (share, 1.0)),
    ),
];

fn share(hit: bool) -> Option<(f64, f64)> {
    Some((f64::from(u8::from(hit)), 1.0))
}

/// The syntax tree of a sample that could be read whole.
fn parsed(result: &SampleResult) -> Option<&SyntaxFacts> {
    result.syntax.as_ref().filter(|tree| !tree.damaged)
}

fn by_tree(result: &SampleResult, hit: fn(&SyntaxFacts) -> bool) -> Option<(f64, f64)> {
    share(hit(parsed(result)?))
}

fn mean(count: u32) -> Option<(f64, f64)> {
    Some((f64::from(count), 1.0))
}

/// The names of all rates and what they mean.
pub fn definitions() -> impl Iterator<Item = Definition> {
    MEASURES.iter().map(|(definition, _)| *definition)
}

impl Metrics {
    /// The numbers of results.
    ///
    /// # Errors
    /// If pass@k asks for more samples than a task has.
    pub fn of(results: &[SampleResult], mut protocol: Protocol) -> Result<Self, EvalError> {
        let judged: Vec<&SampleResult> =
            results.iter().filter(|r| !matches!(r.verdict, Verdict::Infra { .. })).collect();
        let mut by_task: BTreeMap<&str, Vec<&SampleResult>> = BTreeMap::new();
        for result in &judged {
            by_task.entry(&result.task_id).or_default().push(result);
        }
        protocol.editions = results.iter().map(|r| r.edition.clone()).collect();
        let with_tests = judged.iter().any(|r| r.passed.is_some());
        let mut pass_at = BTreeMap::new();
        for k in protocol.k.iter().filter(|_| with_tests) {
            let mut values = Vec::new();
            for (task_id, samples) in &by_task {
                let tested: Vec<bool> = samples.iter().filter_map(|r| r.passed).collect();
                let right = tested.iter().filter(|passed| **passed).count();
                if !tested.is_empty() {
                    values.push(pass_at_k(tested.len(), right, *k, task_id)?);
                }
            }
            pass_at.extend(Estimate::of_tasks(&values).map(|estimate| (*k, estimate)));
        }
        let mut rates = BTreeMap::new();
        for (definition, measure) in MEASURES {
            let clusters: Vec<(f64, f64)> = by_task
                .values()
                .map(|samples| {
                    samples
                        .iter()
                        .filter_map(|r| measure(r))
                        .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
                })
                .collect();
            if let Some(estimate) = Estimate::of_clusters(&clusters) {
                rates.insert(definition.name.to_owned(), estimate);
            }
        }
        let mut metrics = Self {
            protocol,
            tasks: by_task.len(),
            total_samples: results.len(),
            filtered_samples: 0,
            evaluated_samples: judged.len(),
            infra_samples: results.len() - judged.len(),
            least_samples_per_task: by_task.values().map(Vec::len).min().unwrap_or(0),
            most_samples_per_task: by_task.values().map(Vec::len).max().unwrap_or(0),
            pass_at,
            rates,
            verdicts: BTreeMap::new(),
            filter_reasons: BTreeMap::new(),
            error_types: BTreeMap::new(),
            error_codes: BTreeMap::new(),
            missing_dependencies: BTreeMap::new(),
            clippy_lints: BTreeMap::new(),
            clippy_groups: BTreeMap::new(),
            quality_strata: BTreeMap::new(),
        };
        for result in results {
            metrics.count(result);
        }
        Ok(metrics)
    }

    fn count(&mut self, result: &SampleResult) {
        let add = |map: &mut BTreeMap<String, usize>, name: String, count: usize| {
            *map.entry(name).or_default() += count;
        };
        add(&mut self.verdicts, result.verdict.name(), 1);
        if let Verdict::Refused { reason } = &result.verdict {
            self.filtered_samples += 1;
            add(&mut self.filter_reasons, reason.name().to_owned(), 1);
        }
        if let Some(class) = result.errors.class {
            let name = serde_json::to_value(class).expect("a class is a word");
            add(&mut self.error_types, name.as_str().unwrap_or_default().to_owned(), 1);
        }
        for (code, count) in &result.errors.codes {
            add(&mut self.error_codes, code.clone(), *count as usize);
        }
        for name in &result.errors.missing_dependencies {
            add(&mut self.missing_dependencies, name.clone(), 1);
        }
        for (lint, count) in &result.lints.clippy {
            add(&mut self.clippy_lints, lint.clone(), *count as usize);
        }
        for (group, count) in &result.lints.groups {
            add(&mut self.clippy_groups, group.clone(), *count as usize);
        }
        if result.verdict.passed() || (result.compiled && result.passed.is_none()) {
            add(&mut self.quality_strata, stratum(result).to_owned(), 1);
        }
    }
}

/// The strictest stratum that a sample which passes (or compiles, without tests) reaches.
fn stratum(result: &SampleResult) -> &'static str {
    let clean = result.lints.clippy_total() == 0 && result.lints.rustc.is_empty();
    let careful = result.facts.unwraps == 0 && result.facts.unsafe_words == 0;
    match (clean, careful, result.facts.doc_comments > 0) {
        (true, true, true) => "4_lint_free_careful_documented",
        (true, true, false) => "3_lint_free_careful",
        (true, false, _) => "2_lint_free",
        (false, _, _) => "1_passes",
    }
}
