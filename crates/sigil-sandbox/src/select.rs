//! Choosing a backend: the strongest one whose canaries all hold, here and now, or none.
//!
//! The canaries themselves are in `canary.rs`.

use crate::canary::run_canaries;
use crate::{
    Backend, Bubblewrap, Container, Firejail, Native, Reduced, Refusal, Refused, Tier, Verified,
};

/// What may be chosen.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only backends of these names; empty allows all.
    pub only: Vec<String>,
    /// Whether the reduced tier may be chosen when no full backend passes. Reports must say so.
    pub allow_reduced: bool,
}

/// All backends, strongest first. None of them runs a program without a sandbox.
pub fn backends() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(Native::new()),
        Box::new(Bubblewrap::new()),
        Box::new(Container::docker()),
        Box::new(Container::podman()),
        Box::new(Firejail::new()),
        Box::new(Reduced::new()),
    ]
}

/// Chooses the strongest allowed backend whose canaries all hold.
///
/// # Errors
/// Every backend tried with the probe or canary that failed and how to mend it. The caller must stop:
/// there is no way to run a program without a sandbox.
pub fn select(selection: &Selection) -> Result<Verified, Refused> {
    let mut tried = Vec::new();
    for backend in backends() {
        let name = backend.name();
        if !selection.only.is_empty() && !selection.only.iter().any(|allowed| allowed == name) {
            continue;
        }
        if backend.tier() == Tier::Reduced && !selection.allow_reduced {
            tried.push((name, Refusal::ReducedTier));
            continue;
        }
        match verify(backend) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => tried.push((name, refusal)),
        }
    }
    Err(Refused { tried })
}

/// Tries the canaries of one backend.
///
/// # Errors
/// Why it cannot be used.
pub fn verify(backend: Box<dyn Backend>) -> Result<Verified, Refusal> {
    let capabilities = backend.probe().map_err(Refusal::Unavailable)?;
    let report = run_canaries(backend.as_ref(), capabilities);
    if report.passed() {
        Ok(Verified::new(backend, report))
    } else {
        Err(Refusal::Canaries(report))
    }
}
