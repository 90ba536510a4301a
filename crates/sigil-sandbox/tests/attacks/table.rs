//! What an attack is: a job, what must come of it, and what comes of it when the one layer is missing.
//!
//! The attacks themselves are in `at_run_time.rs` and `at_compile_time.rs`.

use sigil_sandbox::controls::Layer;
use sigil_sandbox::{Ended, Infra, Job, Outcome, TakenFile};

use crate::ground::Ground;

/// What must come of an attack, or of its control.
#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// It says that it was refused.
    Held,
    /// It says that it succeeded; for controls.
    Succeeds,
    /// It ends like this.
    Ends(Ended),
    /// Anything else, by its name.
    Judged(&'static str, fn(&Ground, &Result<Outcome, Infra>) -> bool),
}

/// Turns the attack's job into the one that shows that the attack is real.
#[derive(Clone, Copy)]
pub(crate) enum Control {
    /// The same job on a sandbox without these layers.
    Without(&'static [Layer]),
    /// A job that is given what the attack wants, on the same sandbox.
    Given(fn(&Ground, Job) -> Job),
}

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// A job that runs before it in the same slot.
    pub(crate) before: Option<fn(&Ground) -> Job>,
    /// Makes its job.
    pub(crate) job: fn(&Ground) -> Job,
    pub(crate) expect: Expect,
    pub(crate) control: Control,
    pub(crate) control_expect: Expect,
    /// Whether the reduced tier promises it too.
    pub(crate) reduced: bool,
    /// Whether it needs a compiler inside.
    pub(crate) compiles: bool,
}

impl Expect {
    /// Whether this is what came.
    pub(crate) fn fits(self, ground: &Ground, result: &Result<Outcome, Infra>) -> bool {
        if let Self::Judged(_, judge) = self {
            return judge(ground, result);
        }
        let Ok(outcome) = result else { return false };
        match self {
            Self::Held => outcome.ended == Ended::Exited(0),
            Self::Succeeds => outcome.ended == Ended::Exited(1),
            Self::Ends(ended) => outcome.ended == ended,
            Self::Judged(..) => false,
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Held => "refused".to_owned(),
            Self::Succeeds => "succeeds".to_owned(),
            Self::Ends(ended) => ended.to_string(),
            Self::Judged(text, _) => text.to_owned(),
        }
    }
}

/// What came, in a few words.
pub(crate) fn in_words(attack: &Attack, result: &Result<Outcome, Infra>) -> String {
    match result {
        // A compiler's code is its own.
        Ok(outcome) if attack.compiles => outcome.ended.to_string(),
        Ok(outcome) if outcome.ended == Ended::Exited(0) => "refused".to_owned(),
        Ok(outcome) if outcome.ended == Ended::Exited(1) => "succeeded".to_owned(),
        Ok(outcome) => outcome.ended.to_string(),
        Err(error) => format!("infra: {error}"),
    }
}

/// The file that was asked for.
pub(crate) fn taken(result: &Result<Outcome, Infra>) -> Option<&TakenFile> {
    result.as_ref().ok()?.files.first().map(|(_, file)| file)
}
