//! A rule set that was checked, ready to judge.
//!
//! Next: `session.rs` for how a row is judged.

use std::sync::Arc;

use crate::rules::{Needs, Rule};
use crate::{Digest, Row, RuleSet, RuleSetError, Session, Verdict};

/// Judges rows by one rule set. Cheap to clone; any number of threads may share it.
#[derive(Clone, Debug)]
pub struct Filter {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) rules: RuleSet,
    pub(crate) digest: Digest,
    pub(crate) needs: Needs,
}

impl Filter {
    /// Checks a rule set.
    ///
    /// # Errors
    ///
    /// [`RuleSetError`] names the setting that no filter can be made from.
    pub fn new(rules: RuleSet) -> Result<Self, RuleSetError> {
        rules.validate()?;
        let needs =
            rules.enabled().into_iter().map(Rule::needs).fold(Needs::default(), Needs::with);
        let digest = rules.digest();
        Ok(Self { inner: Arc::new(Inner { rules, digest, needs }) })
    }

    /// The rules that the filter judges by.
    pub fn rules(&self) -> &RuleSet {
        &self.inner.rules
    }

    /// The identity of rules, settings, parser and grammar.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// Makes a session: a parser and buffers for one thread, to be used for row after row.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Judges a single row, stopping at the deciding stage. For many rows use a [`Session`].
    pub fn decide(&self, source: &[u8], path: Option<&str>) -> Verdict {
        self.session().decide(&row(source, path))
    }

    /// Judges a single row with all facts and every reason. For many rows use a [`Session`].
    pub fn audit(&self, source: &[u8], path: Option<&str>) -> Verdict {
        self.session().audit(&row(source, path))
    }

    /// Judges many rows on all threads of rayon's pool; verdicts come in the order of the rows.
    #[cfg(feature = "parallel")]
    pub fn decide_all(&self, rows: &[Row<'_>]) -> Vec<Verdict> {
        use rayon::prelude::*;
        let judge = |session: &mut Session, row| session.decide(row);
        rows.par_iter().map_init(|| self.session(), judge).collect()
    }

    /// The same as [`decide_all`](Self::decide_all), with all facts and every reason.
    #[cfg(feature = "parallel")]
    pub fn audit_all(&self, rows: &[Row<'_>]) -> Vec<Verdict> {
        use rayon::prelude::*;
        let judge = |session: &mut Session, row| session.audit(row);
        rows.par_iter().map_init(|| self.session(), judge).collect()
    }
}

fn row<'a>(source: &'a [u8], path: Option<&'a str>) -> Row<'a> {
    Row::new(source).with_path(path.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_sessions_go_to_other_threads() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Filter>();
        shared::<Verdict>();
        shared::<RuleSet>();
        sent::<Session>();
    }

    #[test]
    fn the_digest_changes_with_every_setting() {
        let digest = |rules: RuleSet| Filter::new(rules).map(|filter| filter.digest());
        let mut tighter = RuleSet::phase1();
        tighter.max_parse_bytes -= 1;
        assert_eq!(digest(RuleSet::phase1()), digest(RuleSet::phase1()));
        assert_ne!(digest(RuleSet::phase1()), digest(tighter));
        assert_ne!(digest(RuleSet::phase1()), digest(RuleSet::phase2()));
    }
}
