//! Mutants for solutions that have nothing else to change: the same function with another result.
//!
//! The body becomes a closure, so that its `return`s give the result to what follows, which spoils it by
//! its type. Only used where the other kinds of `mutants.rs` leave too few.

use std::ops::Range;

/// The programs that compute `text`'s function and then change what it gives, as pairs of a name for the
/// change and the whole text. `body` is the span between its braces, `output` its return type as
/// written.
pub(crate) fn changed_results(
    text: &str,
    body: Range<usize>,
    output: &str,
) -> Vec<(String, String)> {
    let inner = &text[body.clone()];
    spoilers(output)
        .iter()
        .map(|spoiler| {
            let instead = format!(" let right = (move || -> {output} {{{inner}}})(); {spoiler} ");
            let mut changed = text.to_owned();
            changed.replace_range(body.clone(), &instead);
            (format!("its result => {spoiler}"), changed)
        })
        .collect()
}

/// Expressions of the same type as `right`, none of which is `right` but for a few values.
fn spoilers(output: &str) -> &'static [&'static str] {
    let plain: String = output.chars().filter(|c| !c.is_whitespace()).collect();
    match plain.as_str() {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128"
        | "usize" => &["right.wrapping_add(1)", "right.wrapping_sub(1)", "right.wrapping_mul(3)"],
        "f32" | "f64" => &["right + 1.0", "right - 1.0", "right * 3.0"],
        "bool" => &["!right"],
        "String" => &["right + \" \"", "right.chars().skip(1).collect()"],
        vector if vector.starts_with("Vec<") => &[
            "{ let mut right = right; right.pop(); right }",
            "{ let mut right = right; right.reverse(); right }",
            "right.into_iter().skip(1).collect()",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_becomes_a_closure_and_its_result_is_spoiled() {
        let text = "fn f(x: bool) -> bool { return x; }";
        let body = text.find('{').map_or(0, |at| at + 1)..text.len() - 1;
        assert_eq!(
            changed_results(text, body.clone(), "bool"),
            [(
                "its result => !right".to_owned(),
                "fn f(x: bool) -> bool { let right = (move || -> bool { return x; })(); !right }"
                    .to_owned()
            )]
        );
        assert_eq!(changed_results(text, body, "impl Fn()").len(), 0);
    }
}
