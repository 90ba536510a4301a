//! No text that goes into a page leaves the element it was put into.
//!
//! A page of any texts must have the same tags, in the same order, as the same page of harmless ones;
//! and what a reader sees must be the text itself.

use proptest::prelude::*;
use sigil_report::{Cell, Column, LineChart, Page, Series, Table};

/// A page with a text in every place that takes one.
fn page(texts: &[String; 10]) -> String {
    let [title, heading, sub, paragraph, pre, column, cell, chart, axis, series] = texts;
    let mut page = Page::new(title);
    let mut table = Table::new([Column::text(column), Column::number(column)]);
    table.row([cell.as_str().into(), Cell::Bar { value: 1.0, most: 3.0 }]);
    let chart = LineChart {
        title: chart.clone(),
        x_axis: axis.clone(),
        y_axis: axis.clone(),
        series: vec![Series { name: series.clone(), points: vec![(0.0, 1.0), (1.0, 0.5)] }],
    };
    for _ in 0..5 {
        page.heading(heading);
    }
    page.subheading(sub).paragraph(paragraph).preformatted(pre).table(&table).chart(&chart);
    page.render()
}

/// Splits a page into tags and the text between them. As strict as the renderer: a `<` always begins a
/// tag, and a tag ends at the next `>` outside of quotes.
fn split(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut texts) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        texts.push(rest[..open].to_owned());
        let mut quoted = false;
        let end = rest[open..]
            .find(|c| {
                quoted ^= c == '"';
                c == '>' && !quoted
            })
            .expect("every tag ends");
        tags.push(rest[open..=open + end].to_owned());
        rest = &rest[open + end + 1..];
    }
    texts.push(rest.to_owned());
    (tags, texts)
}

fn seen(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Texts that try, and any other.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("</pre>"),
        Just("<script>alert(1)</script>"),
        Just("\"><img src=x onerror=y>"),
        Just("' onload='"),
        Just("]]>"),
        Just("<!--"),
        Just("-->"),
        Just("</style>"),
        Just("</title>"),
        Just("&lt;"),
        Just("&#60;"),
        Just("</svg>"),
        Just("\0"),
        Just("\u{202e}"),
        Just("\n"),
        Just("a"),
    ];
    prop_oneof![
        proptest::collection::vec(parts, 0..6).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn tags_do_not_depend_on_texts(texts in proptest::array::uniform10(hostile())) {
        let (tags, shown) = split(&page(&texts));
        let (plain_tags, _) = split(&page(&std::array::from_fn(|_| "x".to_owned())));
        prop_assert_eq!(&tags, &plain_tags);
        // The preformatted text is there whole, but for what cannot be seen.
        let visible = |text: &str| -> String {
            text.chars().filter(|c| !c.is_control() && *c != '\u{fffd}' && !('\u{2000}'..='\u{206f}').contains(c) && *c != '\u{061c}').collect()
        };
        let pre = tags.iter().position(|tag| tag == "<pre>").expect("there is one");
        prop_assert_eq!(visible(&seen(&shown[pre + 1])), visible(&texts[4]));
    }
}

#[test]
fn a_page_loads_and_runs_nothing() {
    let page = page(&std::array::from_fn(|_| "x".to_owned()));
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    for word in ["<script", "http:", "https:", "url(", "@import", "javascript:", " src=", " on"] {
        assert!(!page.contains(word), "{word}");
    }
}
