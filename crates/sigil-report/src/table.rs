//! Tables, whose cells are text, numbers, bars or intervals.
//!
//! Nothing is sorted here. Next: `chart.rs`.

use crate::escape::push_text;

/// A column's head, and how its cells stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    number: bool,
}

impl Column {
    /// A column of text.
    pub fn text(name: &str) -> Self {
        Self { name: name.to_owned(), number: false }
    }

    /// A column of numbers, whose ends stand below each other.
    pub fn number(name: &str) -> Self {
        Self { name: name.to_owned(), number: true }
    }
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A bar as long as `value` is of `most`.
    Bar {
        /// The value.
        value: f64,
        /// The value of a full bar.
        most: f64,
    },
    /// A value with an interval, drawn between `least` and `most`.
    Interval {
        /// The interval's lower end.
        low: f64,
        /// The value.
        value: f64,
        /// The interval's upper end.
        high: f64,
        /// The left end of the drawing.
        least: f64,
        /// The right end of the drawing.
        most: f64,
    },
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row. What it lacks of the columns is empty, and what it has too much is left away.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Self {
        self.rows.push(cells.into_iter().take(self.columns.len()).collect());
        self
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn render(&self, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        out.push_str("<div class=\"wide\"><table><thead><tr>");
        for column in &self.columns {
            out.push_str(if column.number { "<th class=\"n\">" } else { "<th>" });
            push_text(out, &column.name);
            out.push_str("</th>");
        }
        out.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (index, column) in self.columns.iter().enumerate() {
                out.push_str(if column.number { "<td class=\"n\">" } else { "<td>" });
                if let Some(cell) = row.get(index) {
                    cell.render(out);
                }
                out.push_str("</td>");
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
    }
}

impl Cell {
    fn render(&self, out: &mut String) {
        match self {
            Self::Text(text) => push_text(out, text),
            Self::Bar { value, most } => {
                let share = share(*value, 0.0, *most);
                out.push_str(&format!("<meter max=\"1\" value=\"{share:.4}\"></meter>"));
            }
            Self::Interval { low, value, high, least, most } => {
                // Room for the whole dot at both ends; the view box lets a narrow column scale, not crop.
                let at = |value: f64| 5.0 + 190.0 * share(value, *least, *most);
                out.push_str(&format!(
                    "<svg viewBox=\"0 0 200 14\" width=\"200\" height=\"14\" role=\"img\" aria-hidden=\"true\">\
                     <line class=\"axis\" x1=\"5\" y1=\"7\" x2=\"195\" y2=\"7\"/>\
                     <line class=\"band\" x1=\"{:.1}\" y1=\"7\" x2=\"{:.1}\" y2=\"7\"/>\
                     <circle class=\"dot\" cx=\"{:.1}\" cy=\"7\" r=\"4\"/></svg>",
                    at(*low),
                    at(*high),
                    at(*value)
                ));
            }
        }
    }
}

/// Where a value lies between two others, from 0 to 1; 0 where that has no meaning.
fn share(value: f64, least: f64, most: f64) -> f64 {
    let share = (value - least) / (most - least);
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn rows_have_the_columns_cells() {
        let mut table = Table::new([Column::text("task <1>"), Column::number("passes")]);
        table.row(["a & b".into(), "3".into(), "too much".into()]).row(["c".into()]);
        let mut out = String::new();
        table.render(&mut out);
        expect![[r#"
            <div class="wide"><table><thead><tr><th>task &lt;1&gt;</th><th class="n">passes</th></tr></thead><tbody>
            <tr><td>a &amp; b</td><td class="n">3</td></tr>
            <tr><td>c</td><td class="n"></td></tr>
            </tbody></table></div>
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn an_empty_table_is_nothing() {
        let mut out = String::new();
        Table::new([Column::text("a")]).render(&mut out);
        assert_eq!(out, "");
    }

    #[test]
    fn drawings_stay_inside_their_frame_whatever_the_numbers() {
        let check = |value, least, most, wanted: f64| {
            assert_eq!(share(value, least, most), wanted, "{value} in {least}..{most}");
        };
        check(0.5, 0.0, 1.0, 0.5);
        check(7.0, 0.0, 1.0, 1.0);
        check(-7.0, 0.0, 1.0, 0.0);
        check(f64::NAN, 0.0, 1.0, 0.0);
        check(1.0, 0.0, 0.0, 0.0);
        check(f64::INFINITY, 0.0, f64::INFINITY, 0.0);
    }
}
