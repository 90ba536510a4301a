//! Shows progress on a terminal, and nothing elsewhere.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use sigil_places::no_color;

/// Counts rows.
pub(crate) fn rows() -> ProgressBar {
    bar("rows")
}

/// Tells of downloads.
pub(crate) fn downloads() -> impl FnMut(&str, u64, u64) {
    let bar = bar("");
    move |file, there, whole| {
        bar.set_message(format!("{file}: {} of {} MB", there >> 20, whole >> 20));
        if there == whole {
            bar.finish_and_clear();
        }
    }
}

fn bar(unit: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let colour = if no_color() { "" } else { ".cyan" };
    let count = if unit.is_empty() { String::new() } else { format!("{{human_pos}} {unit}") };
    let template = format!("{{spinner{colour}}} {count} {{msg}} {{elapsed}}");
    let style =
        ProgressStyle::with_template(&template).expect("the template is constant and valid");
    ProgressBar::new_spinner().with_style(style)
}
