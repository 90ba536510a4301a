//! Regions of the source that the walk collects: in order, merged where they touch or nest.

use crate::Span;

/// Adds `span` to `spans`, which are in order of their starts; a span inside the last one is its part.
pub(crate) fn add(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if span.start < last.end => last.end = last.end.max(span.end),
        _ => spans.push(span),
    }
}

/// Joins two ordered lists into one.
pub(crate) fn union(a: &[Span], b: &[Span]) -> Vec<Span> {
    let mut all: Vec<Span> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut joined = Vec::with_capacity(all.len());
    for span in all {
        add(&mut joined, span);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_overlap_become_one() {
        let span = |start, end| Span { start, end };
        assert_eq!(
            union(&[span(0, 4), span(10, 12)], &[span(2, 6), span(12, 14)]),
            [span(0, 6), span(10, 12), span(12, 14)]
        );
    }
}
