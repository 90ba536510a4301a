//! How a run looks on a screen of any size.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style},
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Sparkline},
};

use super::{curve::range, state::State};

/// Columns of what stands beside the curve.
const SIDE: u16 = 38;
/// Lines of messages, their frame included.
const MESSAGES: u16 = 7;

/// Colours, or none of them.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) has_colour: bool,
}

impl Look {
    fn of(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }
}

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State, look: Look, is_stopping: bool) {
    let [head, bar, middle, messages, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Max(MESSAGES),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let side = if middle.width >= 2 * SIDE { SIDE } else { 0 };
    let [curve, side] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(middle);
    let title = format!("{}  →  {}", state.planned.model, state.planned.run.display());
    frame.render_widget(Line::from(title), head);
    progress(frame, state, look, bar);
    losses(frame, state, look, curve);
    beside(frame, state, look, side);
    let newest = messages.height.saturating_sub(1).into();
    let from = state.said.len().saturating_sub(newest);
    let lines: Vec<Line<'_>> = state.said[from..].iter().map(|said| said.as_str().into()).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::new().title("messages")), messages);
    let keys_text = if is_stopping {
        "stopping after this step; Ctrl-C again ends at once, without saving"
    } else {
        "q: back to lines   Ctrl-C: save and stop"
    };
    frame.render_widget(Line::styled(keys_text, look.of(Color::DarkGray)), keys);
}

fn progress(frame: &mut Frame<'_>, state: &State, look: Look, area: Rect) {
    let rest =
        state.rest().map_or_else(|| "ETA …".to_owned(), |rest| format!("ETA {}", clock(rest)));
    let label = format!("step {}/{}   {rest}", state.step, state.total_steps);
    let gauge =
        Gauge::default().ratio(state.share()).label(label).gauge_style(look.of(Color::Cyan));
    frame.render_widget(gauge, area);
}

fn losses(frame: &mut Frame<'_>, state: &State, look: Look, area: Rect) {
    let last = state.total_steps.max(state.step).max(1) as f64;
    // One point a column: steps of small batches jump more than the curve moves.
    let training = state.loss.binned(last / f64::from(area.width.max(1)));
    let ranges = [range(&training), range(state.eval_loss.points())];
    let range = ranges.into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let Some((least, most)) = range else {
        frame.render_widget(Block::bordered().title("loss: no step yet"), area);
        return;
    };
    let margin = ((most - least) * 0.05).max(1e-3);
    let (low, high) = (least - margin, most + margin);
    let data = |name: &'static str, marker, points, colour| {
        Dataset::default()
            .name(name)
            .marker(marker)
            .graph_type(GraphType::Line)
            .style(look.of(colour))
            .data(points)
    };
    let mut sets = vec![data("training", Marker::Braille, &training, Color::Cyan)];
    if !state.eval_loss.points().is_empty() {
        sets.push(data("held out", Marker::Dot, state.eval_loss.points(), Color::Yellow));
    }
    let middle = f64::midpoint(low, high);
    let chart = Chart::new(sets)
        .block(Block::bordered().title("loss, nats per token"))
        .x_axis(
            Axis::default()
                .bounds([0.0, last])
                .labels(["0".to_owned(), format!("{last:.0} steps")]),
        )
        .y_axis(
            Axis::default()
                .bounds([low, high])
                .labels([low, middle, high].map(|value| format!("{value:.3}"))),
        );
    frame.render_widget(chart, area);
}

fn beside(frame: &mut Frame<'_>, state: &State, look: Look, area: Rect) {
    let [numbers, speed, verdicts] =
        Layout::vertical([Constraint::Length(10), Constraint::Max(6), Constraint::Fill(1)])
            .areas(area);
    let row = &state.row;
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(dash, |value| format!("{value:.digits$}"))
    };
    let eval = state.eval_loss.newest(1).first().copied();
    let set = state.newest_set.as_ref();
    let lines = [
        ("loss", number(row.loss, 4)),
        ("held-out loss", number(eval, 4)),
        ("learning rate", row.learning_rate.map_or_else(dash, |lr| format!("{lr:.2e}"))),
        ("gradient norm", number(row.grad_norm, 2)),
        ("tokens seen", row.tokens_seen.map_or_else(dash, |seen| seen.to_string())),
        ("newest set", set.map_or_else(dash, |(step, _)| format!("step {step}"))),
        // What was taken of the device, or what the process holds at most, rows and programs included,
        // beside what the plan counts.
        ("memory", row.peak_memory_bytes.map_or_else(dash, size)),
        ("planned tensors", state.planned.memory_bytes.map_or_else(dash, size)),
        ("tokens/s", number(row.tokens_per_second, 0)),
    ];
    let lines: Vec<Line<'_>> =
        lines.iter().map(|(name, value)| Line::from(format!(" {name:<16}{value}"))).collect();
    frame.render_widget(Paragraph::new(lines), numbers);

    let speeds = state.speed.newest(speed.width.into());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no rate is negative"
    )]
    let bars: Vec<u64> = speeds.iter().map(|speed| *speed as u64).collect();
    let sparkline = Sparkline::default()
        .block(Block::new().title(" tokens/s, newest at the right"))
        .style(look.of(Color::Green))
        .data(bars);
    frame.render_widget(sparkline, speed);
    let shown = usize::from(verdicts.height.saturating_sub(1));
    let from = state.verdicts.len().saturating_sub(shown);
    let mut lines = vec![Line::from(" judged sets      pass   compile")];
    if state.verdicts.is_empty() {
        lines.push(Span::styled(" none (see --watch-eval)", look.of(Color::DarkGray)).into());
    }
    let percent =
        |rate: Option<f64>| rate.map_or_else(dash, |rate| format!("{:.1} %", 100.0 * rate));
    lines.extend(state.verdicts[from..].iter().map(|verdict| {
        let (passed, compiled) = (percent(verdict.passed), percent(verdict.compiled));
        Line::from(format!(" step {:<8}{passed:>9}{compiled:>9}", verdict.step))
    }));
    frame.render_widget(Paragraph::new(lines), verdicts);
}

fn dash() -> String {
    "–".to_owned()
}

fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 10_240.0 {
        format!("{mebibytes:.0} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ratatui::{Terminal, backend::TestBackend};
    use sigil_run::MetricsRow;

    use super::*;
    use crate::live::Planned;

    fn state() -> State {
        let mut state = State::new(Planned {
            run: "out/quickstart".into(),
            model: "sigil-base".to_owned(),
            memory_bytes: Some(200 << 20),
        });
        state.begin(0, 100);
        for step in 1..=40 {
            state.take(&MetricsRow {
                loss: Some(3.0 - step as f64 / 40.0),
                learning_rate: Some(1e-3),
                grad_norm: Some(0.5),
                tokens_per_second: Some(15_000.0 + step as f64),
                tokens_seen: Some(step * 512),
                peak_memory_bytes: Some(150 << 20),
                ..MetricsRow::new(step)
            });
        }
        state.evaluated(40, 2.25);
        state.saved(40, Path::new("out/quickstart/checkpoints/step-00000040"));
        state.judged(
            b"{\"step\":20,\"extra\":{\"judge/pass_rate\":0.125,\"judge/compile_rate\":0.5}}\n\
              {\"step\":40,\"extra\":{\"judge/pass_rate\":0.25}}\n",
        );
        state.say("note: \u{1b}[31mred\u{1b}[0m and\tmore");
        state
    }

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it has a size");
        let look = Look { has_colour: true };
        terminal.draw(|frame| draw(frame, state, look, false)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn a_run_is_seen_at_a_glance() {
        let shown = screen(&state(), 110, 32);
        for part in [
            "sigil-base  →  out/quickstart",
            "step 40/100   ETA ",
            "loss, nats per token",
            "held-out loss   2.2500",
            "loss            2.0000",
            "tokens/s        15040",
            "tokens seen     20480",
            "memory          150 MiB",
            "planned tensors 200 MiB",
            "step 20         12.5 %   50.0 %",
            "step 40         25.0 %        –",
            "newest set      step 40",
            "q: back to lines",
        ] {
            assert!(shown.contains(part), "`{part}` is not in\n{shown}");
        }
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.contains("note:  [31mred [0m and more"), "{shown}");
    }

    #[test]
    fn any_size_and_an_empty_run_can_be_drawn() {
        let empty = State::new(Planned::default());
        for (width, height) in [(1, 1), (3, 2), (20, 5), (76, 10), (77, 3), (300, 100)] {
            screen(&state(), width, height);
            screen(&empty, width, height);
        }
        assert!(screen(&empty, 80, 24).contains("no step yet"));
    }

    #[test]
    fn the_rest_is_told_from_the_steps_taken_here() {
        let mut state = State::new(Planned::default());
        assert_eq!(state.rest(), None);
        state.begin(50, 100);
        assert_eq!(state.rest(), None, "no step was taken here");
        state.take(&MetricsRow { loss: Some(1.0), ..MetricsRow::new(100) });
        assert_eq!(state.rest(), Some(Duration::ZERO));
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
    }
}
