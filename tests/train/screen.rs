//! `--tui` on a real terminal: what is seen, its keys, and that the terminal is given back.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::program::{Workplace, outcome};

/// Longer than anything here takes.
const NEVER: Duration = Duration::from_secs(120);

/// A program on a terminal of 120 columns and 36 rows.
struct Terminal {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<vt100::Parser>>,
    /// Told whenever the screen has changed; ends with the program.
    changes: Receiver<()>,
    reader: JoinHandle<()>,
}

impl Terminal {
    fn start(command: &Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours: OwnedFd = openpt(flags).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let size = Winsize { ws_row: 36, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("it has a size");
        let theirs = || Stdio::from(ioctl_tiocgptpeer(&ours, flags).expect("its other end"));
        // The program becomes the one whose terminal this is, as under a shell.
        let mut on_terminal = Command::new("/usr/bin/setsid");
        on_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        on_terminal
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        on_terminal.current_dir(command.get_current_dir().expect("tests set it"));
        let child = on_terminal
            .env("TERM", "xterm-256color")
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("it starts");
        drop(on_terminal);
        let seen = Arc::new(Mutex::new(vt100::Parser::new(36, 120, 1000)));
        let keyboard = File::from(ours);
        let mut output = keyboard.try_clone().expect("a second handle");
        let parser = Arc::clone(&seen);
        let (changed, changes) = channel();
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails once the other end is closed.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                parser.lock().expect("no reader failed").process(&bytes[..count]);
                let _nobody_waits = changed.send(());
            }
        });
        Self { child, keyboard, seen, changes, reader }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("pressed");
    }

    /// Waits until the screen is as it should be, and gives its text.
    fn wait(&self, what: &str, test: impl Fn(&vt100::Screen) -> bool) -> String {
        let until = Instant::now() + NEVER;
        loop {
            let (is_so, text) = {
                let parser = self.seen.lock().expect("no reader failed");
                (test(parser.screen()), parser.screen().contents())
            };
            if is_so {
                return text;
            }
            let left = until.saturating_duration_since(Instant::now());
            self.changes.recv_timeout(left).unwrap_or_else(|_| panic!("never {what}:\n{text}"));
        }
    }

    /// Waits for the end; its code and what the terminal shows then.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("it is ours").code();
        self.reader.join().expect("it read to the end");
        let parser = self.seen.lock().expect("no reader failed");
        assert!(!parser.screen().alternate_screen(), "the screen was not given back");
        assert!(!parser.screen().hide_cursor(), "the cursor was not given back");
        (code, parser.screen().contents())
    }
}

/// A run for hours, with a screen.
fn long_run(place: &Workplace, arguments: &[&str]) -> Command {
    let mut command = place.short("run");
    command.args(["--set", "train.num_steps=1000000", "--set", "train.save_total_limit=2"]);
    command.args(arguments);
    command
}

fn has(screen: &vt100::Screen, parts: &[&str]) -> bool {
    let text = screen.contents();
    parts.iter().all(|part| text.contains(part))
}

#[test]
fn a_run_is_seen_and_stopped_on_its_screen() {
    let place = Workplace::new();
    let mut terminal = Terminal::start(&long_run(&place, &["--tui"]));
    let parts = [
        "loss, nats per token",
        "training",
        "held out",
        "tokens/s, newest at the right",
        "memory          ",
        "planned tensors ",
        "newest set      step ",
        "none (see --watch-eval)",
        "/1000000   ETA ",
        "saved step ",
        "q: back to lines   Ctrl-C: save and stop",
    ];
    let seen = terminal.wait("the run", |screen| has(screen, &parts) && screen.alternate_screen());
    assert!(!seen.contains("error"), "{seen}");
    // What a watcher finds appears by itself.
    place.file(
        "run/evaluations.jsonl",
        "{\"step\":2,\"extra\":{\"judge/pass_rate\":0.125,\"judge/compile_rate\":0.5}}\n",
    );
    terminal.wait("the verdict", |screen| has(screen, &["step 2", "12.5 %", "50.0 %"]));
    terminal.press(b"\x03");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    for part in ["interrupted after step ", "to continue:", "--resume", "saved step "] {
        assert!(seen.contains(part), "`{part}` is not in\n{seen}");
    }

    // It goes on with the curve of before.
    let mut terminal = Terminal::start(&long_run(&place, &["--tui", "--resume"]));
    terminal.wait("the run again", |screen| has(screen, &["held out", "12.5 %", " MiB"]));
    terminal.press(b"\x03");
    assert_eq!(terminal.end().0, Some(130));
}

#[test]
fn the_screen_can_be_left_and_the_run_goes_on() {
    let place = Workplace::new();
    let mut terminal = Terminal::start(&long_run(&place, &["--tui"]));
    terminal.wait("the run", |screen| has(screen, &["newest set      step "]));
    terminal.press(b"q");
    let seen = terminal.wait("the bar", |screen| {
        !screen.alternate_screen() && has(screen, &["saved step ", "/1000000 steps", "tok/s"])
    });
    assert!(!seen.contains("q: back to lines"), "{seen}");
    // The terminal is an ordinary one again: the key is a signal.
    terminal.press(b"\x03");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.contains("interrupted after step "), "{seen}");
}

#[test]
fn without_a_terminal_the_run_is_told_in_lines() {
    let place = Workplace::new();
    let output = place.short("run").arg("--tui").output().expect("it starts");
    let (_, err, code) = outcome(&output);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("note: `--tui` shows lines here: stdin and stderr are no terminal"),
        "{err}"
    );
    assert!(err.contains("step 6/6") && !err.contains('\u{1b}'), "{err}");
}
