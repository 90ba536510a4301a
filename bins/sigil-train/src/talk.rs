//! What the program says: lines on stderr, and the same in `run.log_file` once there is one.
//!
//! stdout is not used here: it is for data. The bar of `progress.rs` writes through this too.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    rc::Rc,
};

use indicatif::ProgressBar;

use crate::live::Live;

/// Says lines, and remembers them until a file takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// Said before there was a file.
    early: Vec<String>,
    file: Option<File>,
    is_without_file: bool,
    /// The screen that has taken the terminal.
    live: Option<Live>,
}

impl Talk {
    /// Says a line, or several.
    pub(crate) fn say(&self, text: &str) {
        let live = self.0.borrow().live.clone();
        if !live.is_some_and(|live| live.say(text)) {
            eprintln!("{text}");
        }
        self.record(text);
    }

    /// Says everything on a screen from now on, or on stderr again.
    pub(crate) fn show_on(&self, live: Option<Live>) {
        self.0.borrow_mut().live = live;
    }

    /// Says a line above a bar.
    pub(crate) fn say_above(&self, bar: &ProgressBar, text: &str) {
        bar.println(text);
        self.record(text);
    }

    /// Says something worth knowing that is no failure.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        self.say(&format!("note: {text}"));
    }

    /// Writes a line to the file only.
    pub(crate) fn record(&self, text: &str) {
        let mut state = self.0.borrow_mut();
        if state.is_without_file {
            return;
        }
        let Some(file) = &mut state.file else {
            state.early.push(text.to_owned());
            return;
        };
        if let Err(error) = writeln!(file, "{text}") {
            state.is_without_file = true;
            state.file = None;
            let text = format!("note: the log file cannot be written any more: {error}");
            if !state.live.as_ref().is_some_and(|live| live.say(&text)) {
                eprintln!("{text}");
            }
        }
    }

    /// Sends everything said so far and from now on to the end of a file too, or to none.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub(crate) fn to_file(&self, path: Option<&Path>) -> std::io::Result<()> {
        let Some(path) = path else {
            let mut state = self.0.borrow_mut();
            state.is_without_file = true;
            state.early.clear();
            return Ok(());
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let early = {
            let mut state = self.0.borrow_mut();
            state.file = Some(file);
            std::mem::take(&mut state.early)
        };
        early.iter().for_each(|line| self.record(line));
        Ok(())
    }
}
