//! The terminal: taken, drawn on by a thread, and given back whatever happens.

use std::{
    io::{Stderr, stderr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use sigil_places::no_color;
use sigil_qlora::Stop;

use super::{draw, state::State};

/// Between two pictures, where no key is pressed.
const EVERY: Duration = Duration::from_millis(200);
/// Between two looks at the verdicts of a watcher.
const VERDICTS_EVERY: Duration = Duration::from_secs(2);

/// Whether the terminal is ours.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the terminal and shows a state until it is closed.
pub(crate) fn start(state: Arc<Mutex<State>>, stop: Stop) -> std::io::Result<JoinHandle<()>> {
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    let terminal = execute!(stderr(), EnterAlternateScreen)
        .and_then(|()| Terminal::new(CrosstermBackend::new(stderr())));
    let terminal = terminal.inspect_err(|_| give_back())?;
    let shown = std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
        if let Err(error) = show(terminal, &state, &stop) {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.say(&format!("note: the screen was closed: {error}"));
        }
        // In this order: what is said once it is closed goes to a terminal that shows it.
        give_back();
        state.lock().unwrap_or_else(PoisonError::into_inner).is_open = false;
    });
    shown.inspect_err(|_| give_back())
}

/// Gives the terminal back, if it is taken. For the panic hook as well, whose words would be lost.
pub(crate) fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // Nobody can be told where the terminal is gone.
        let _gone = execute!(stderr(), LeaveAlternateScreen, Show);
        let _gone = disable_raw_mode();
    }
}

fn show(
    mut terminal: Terminal<CrosstermBackend<Stderr>>,
    state: &Mutex<State>,
    stop: &Stop,
) -> std::io::Result<()> {
    let look = draw::Look { has_colour: !no_color() };
    let mut looked: Option<Instant> = None;
    loop {
        let run = {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.is_open {
                return Ok(());
            }
            terminal.draw(|frame| draw::draw(frame, &state, look, stop.asked()))?;
            state.planned.run.clone()
        };
        if looked.is_none_or(|at| at.elapsed() >= VERDICTS_EVERY) {
            looked = Some(Instant::now());
            // No file is there as long as nothing was judged.
            if let Ok(lines) = std::fs::read(run.join("evaluations.jsonl")) {
                state.lock().unwrap_or_else(PoisonError::into_inner).judged(&lines);
            }
        }
        if !event::poll(EVERY)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                // In raw mode the key is no signal, so it is made one here; the second ends the program.
                if stop.asked() {
                    give_back();
                }
                signal_hook::low_level::raise(signal_hook::consts::SIGINT)?;
            }
            _ => {}
        }
    }
}
