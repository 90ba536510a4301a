//! What verdicts add up to: rates, pass@k, intervals, comparisons, and the files that tell them.
//!
//! Start at `metrics.rs`. Nothing here depends on the order in which samples were judged, on a clock or
//! on the machine.

mod compare;
mod metrics;
mod page;
mod pass_at_k;
mod random;
mod report;
mod results;
mod self_check;
mod self_check_text;

pub use compare::{Comparison, Flip, compare};
pub use metrics::{Definition, Metrics, Protocol, definitions};
pub use page::{comparison_page, evaluation_page};
pub use pass_at_k::{Estimate, RESAMPLES, pass_at_k};
pub use random::SplitMix;
pub use report::{comparison_markdown, markdown};
pub use results::{read_results, to_lines};
pub use self_check::{
    FailingTask, KnownSurvivor, MutantTable, RepairedTask, SelfCheck, Survivor, SurvivorClass,
    mutant_name, read_survivors,
};
pub use self_check_text::{self_check_markdown, self_check_page};
