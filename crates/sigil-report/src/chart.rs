//! Line charts as inline SVG.
//!
//! Lines differ by colour and by dashes, so that no meaning hangs on colour alone. Next: `scale.rs`.

use std::fmt::Write as _;

use crate::escape::push_text;
use crate::scale::Scale;

/// The drawing's size in its own units.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// Points beyond this number are thinned: a page is looked at, not computed with.
const MOST_POINTS: usize = 2000;

/// Points up to this number are marked.
const MOST_MARKS: usize = 40;

const DASHES: [&str; 6] = ["none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2"];

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order in which they are joined. At one that is not finite the line has a gap.
    pub points: Vec<(f64, f64)>,
}

/// A chart of lines over a common axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// What it shows; read aloud in place of the drawing.
    pub title: String,
    /// What the horizontal axis is, with its unit.
    pub x_axis: String,
    /// What the vertical axis is, with its unit.
    pub y_axis: String,
    /// The lines.
    pub series: Vec<Series>,
}

impl LineChart {
    pub(crate) fn render(&self, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let whole = || points().filter(|(x, y)| x.is_finite() && y.is_finite());
        let (Some(x_scale), Some(y_scale)) = (
            Scale::around(whole().map(|(x, _)| *x), 8),
            Scale::around(whole().map(|(_, y)| *y), 5),
        ) else {
            return;
        };
        let x_at = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * x_scale.place(x);
        let y_at = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y_scale.place(y);
        out.push_str("<figure><h3>");
        push_text(out, &self.title);
        let legend_height = 18.0 * self.series.len() as f64;
        let _ = write!(
            out,
            "</h3>\n<svg viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\"><title>",
            HEIGHT + legend_height
        );
        push_text(out, &self.title);
        out.push_str("</title>\n");
        for (value, name) in y_scale.marks() {
            let at = y_at(value);
            let _ = writeln!(
                out,
                "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (value, name) in x_scale.marks() {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                x_at(value),
                HEIGHT - BOTTOM + 16.0
            );
        }
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">",
            WIDTH - RIGHT,
            HEIGHT - 8.0
        );
        push_text(out, &self.x_axis);
        let _ = write!(out, "</text>\n<text x=\"{LEFT}\" y=\"{}\">", HEIGHT - 8.0);
        push_text(out, &self.y_axis);
        out.push_str("</text>\n");
        for (index, series) in self.series.iter().enumerate() {
            let style =
                format!("class=\"line s{}\" stroke-dasharray=\"{}\"", index % 6, DASHES[index % 6]);
            for run in series.points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
                if run.is_empty() {
                    continue;
                }
                let _ = write!(out, "<polyline {style} points=\"");
                let every = run.len().div_ceil(MOST_POINTS);
                let last = run.len() - 1;
                let kept = run.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
                for (_, (x, y)) in kept {
                    let _ = write!(out, "{:.1},{:.1} ", x_at(*x), y_at(*y));
                }
                out.push_str("\"/>\n");
                // Few points are marked: one alone makes no line, and between two there was nothing.
                let marked = if run.len() <= MOST_MARKS { run } else { &[] };
                for (x, y) in marked {
                    let _ = writeln!(
                        out,
                        "<circle class=\"line s{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
                        index % 6,
                        x_at(*x),
                        y_at(*y)
                    );
                }
            }
            let at = HEIGHT + 18.0 * index as f64 + 4.0;
            let _ = write!(
                out,
                "<line {style} x1=\"{LEFT}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\"/><text x=\"{}\" y=\"{}\">",
                LEFT + 40.0,
                LEFT + 48.0,
                at + 4.0
            );
            push_text(out, &series.name);
            out.push_str("</text>\n");
        }
        out.push_str("</svg></figure>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, f64)]) -> String {
        let series = Series { name: "loss".into(), points: points.to_vec() };
        let chart =
            LineChart { title: "Loss".into(), series: vec![series], ..LineChart::default() };
        let mut out = String::new();
        chart.render(&mut out);
        out
    }

    #[test]
    fn a_line_has_a_gap_where_a_value_is_missing() {
        let out = drawn(&[(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)]);
        assert_eq!(out.matches("<polyline").count(), 2, "{out}");
        assert!(!out.contains("NaN"), "{out}");
    }

    #[test]
    fn a_single_point_is_seen() {
        let out = drawn(&[(150.0, 0.25)]);
        assert_eq!(out.matches("<circle").count(), 1, "{out}");
        let many: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), 1.0)).collect();
        assert!(!drawn(&many).contains("<circle"));
    }

    #[test]
    fn a_chart_without_points_is_nothing() {
        assert_eq!(drawn(&[]), "");
        assert_eq!(drawn(&[(f64::NAN, 1.0), (1.0, f64::INFINITY)]), "");
    }

    #[test]
    fn many_points_are_thinned_and_both_ends_stay() {
        let points: Vec<(f64, f64)> = (0..100_001).map(|i| (f64::from(i), f64::from(i))).collect();
        let out = drawn(&points);
        assert!(out.matches(',').count() <= MOST_POINTS + 2, "{}", out.matches(',').count());
        let line = out
            .split("points=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("there is a line");
        assert!(line.starts_with("64.0,260.0 ") && line.trim().ends_with("738.0,10.0"), "{line}");
    }
}
