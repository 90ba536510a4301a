//! The page: sections in the order in which they were added.
//!
//! Text goes in through `escape.rs` alone. Next: `table.rs`, `chart.rs`.

use crate::chart::LineChart;
use crate::escape::push_text;
use crate::table::Table;

const STYLE: &str = include_str!("style.css");

/// From so many headings on, a page begins with a list of them.
const HEADINGS_WITH_CONTENTS: usize = 5;

/// A report in the making.
///
/// ```
/// let mut page = sigil_report::Page::new("Evaluation");
/// page.heading("Verdicts").paragraph("12 of 16 samples pass.").preformatted("fn f() -> Vec<u8> {");
/// assert!(page.render().contains("Vec&lt;u8&gt;"));
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    headings: Vec<String>,
    body: String,
}

impl Page {
    /// An empty page with a title.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), headings: Vec::new(), body: String::new() }
    }

    fn element(&mut self, open: &str, text: &str, close: &str) -> &mut Self {
        self.body.push_str(open);
        push_text(&mut self.body, text);
        self.body.push_str(close);
        self.body.push('\n');
        self
    }

    /// Adds a heading, which is listed at the top of a long page.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.headings.push(text.to_owned());
        let open = format!("<h2 id=\"s{}\">", self.headings.len());
        self.element(&open, text, "</h2>")
    }

    /// Adds a heading of a part of a section.
    pub fn subheading(&mut self, text: &str) -> &mut Self {
        self.element("<h3>", text, "</h3>")
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) -> &mut Self {
        self.element("<p>", text, "</p>")
    }

    /// Adds text whose lines and spaces are kept, such as code or a compiler's messages.
    pub fn preformatted(&mut self, text: &str) -> &mut Self {
        // A line break at the very beginning of the element is not shown; this one is it.
        self.element("<pre>\n", text, "</pre>")
    }

    /// Adds a table. One without rows adds nothing.
    pub fn table(&mut self, table: &Table) -> &mut Self {
        table.render(&mut self.body);
        self
    }

    /// Adds a chart. One without a finite point adds nothing.
    pub fn chart(&mut self, chart: &LineChart) -> &mut Self {
        chart.render(&mut self.body);
        self
    }

    /// The page as HTML.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(self.body.len() + STYLE.len() + 1024);
        out.push_str(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\"><title>",
        );
        push_text(&mut out, &self.title);
        out.push_str("</title>\n<style>\n");
        out.push_str(STYLE);
        out.push_str("</style></head><body>\n<h1>");
        push_text(&mut out, &self.title);
        out.push_str("</h1>\n");
        if self.headings.len() >= HEADINGS_WITH_CONTENTS {
            out.push_str("<nav><ul>\n");
            for (index, heading) in self.headings.iter().enumerate() {
                out.push_str(&format!("<li><a href=\"#s{}\">", index + 1));
                push_text(&mut out, heading);
                out.push_str("</a></li>\n");
            }
            out.push_str("</ul></nav>\n");
        }
        out.push_str(&self.body);
        out.push_str("</body></html>\n");
        out
    }
}
