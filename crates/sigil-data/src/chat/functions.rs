//! The functions and filters that transformers adds to Jinja.
//!
//! Is: `raise_exception`, `strftime_now` and `tojson`. `strftime_now` gives a fixed day, so that the
//! same data makes the same tokens on every day. Is not: the template. Next: `template.rs`.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};

use super::python_json;

/// The day that templates are told: the one that Llama's templates name by default.
const YEAR: u32 = 2024;
const MONTH: (u32, &str) = (7, "July");
const DAY: u32 = 26;
const WEEKDAY: &str = "Friday";

/// Registers the functions.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |format: String| fixed_date(&format));
    environment.add_filter("tojson", |value: Value, options: Kwargs| -> Result<Value, Error> {
        let indent: Option<usize> = options.get("indent")?;
        for known in ["ensure_ascii", "sort_keys"] {
            let _: Option<bool> = options.get(known)?;
        }
        options.assert_all_used()?;
        python_json::dump(&value, indent).map(Value::from_safe_string)
    });
}

fn fixed_date(format: &str) -> String {
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('d') => text.push_str(&format!("{DAY:02}")),
            Some('m') => text.push_str(&format!("{:02}", MONTH.0)),
            Some('b' | 'h') => text.push_str(&MONTH.1[..3]),
            Some('B') => text.push_str(MONTH.1),
            Some('Y') => text.push_str(&YEAR.to_string()),
            Some('y') => text.push_str(&format!("{:02}", YEAR % 100)),
            Some('A') => text.push_str(WEEKDAY),
            Some('a') => text.push_str(&WEEKDAY[..3]),
            Some('H' | 'M' | 'S') => text.push_str("00"),
            Some('F') => text.push_str(&format!("{YEAR}-{:02}-{DAY:02}", MONTH.0)),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_the_same_every_day() {
        assert_eq!(fixed_date("%d %b %Y"), "26 Jul 2024");
        assert_eq!(fixed_date("%A, %B %d, %Y 100%% %Q %"), "Friday, July 26, 2024 100% %Q %");
    }
}
