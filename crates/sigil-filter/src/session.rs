//! Judging rows, one after another, with one parser and one set of buffers.
//!
//! A verdict is reached in stages. At each, every rule that is still open is asked; a rule whose
//! answer is clear from the outline is not asked again, in either mode, so that both modes keep and
//! drop the same rows. `audit` goes on to the end, `decide` stops at the first rule that drops.

use std::time::{Duration, Instant};

use crate::facts::{Facts, TextFacts, TreeFacts, character_facts, count_chars, line_facts};
use crate::lex::{Token, Tokens, lex};
use crate::outline::{Extent, Outline, outline};
use crate::rules::{Evidence, Gate, Needs, Rule, SyntaxError};
use crate::tree::{Parsed, TreeParser, Walked, tree_facts};
use crate::verdict::edited;
use crate::{Edit, Filter, Mode, Reason, Row, RuleSet, Stage, Verdict};

/// Time spent in each stage. It is for telemetry and enters no verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageTimes {
    /// Text facts, and rules that need no more.
    pub bytes: Duration,
    /// Tokens and outline.
    pub tokens: Duration,
    /// Parse, walk, and the rules that need them.
    pub tree: Duration,
}

impl StageTimes {
    /// The time of one stage.
    pub const fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Bytes => self.bytes,
            Stage::Tokens => self.tokens,
            Stage::Tree => self.tree,
        }
    }
}

/// A parser and buffers for one thread.
pub struct Session {
    filter: Filter,
    parser: Option<TreeParser>,
    tokens: Tokens,
    code: Vec<Token>,
    marks: Vec<u32>,
    timed: bool,
    times: StageTimes,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// What is asked for beyond the verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Decide,
    Audit,
    /// An audit that concludes nothing from the outline.
    AuditByTree,
}

impl Session {
    pub(crate) fn new(filter: Filter) -> Self {
        Self {
            filter,
            parser: None,
            tokens: Tokens::default(),
            code: Vec::new(),
            marks: Vec::new(),
            timed: false,
            times: StageTimes::default(),
        }
    }

    /// Measures the stages of the rows to come, for [`times`](Self::times).
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// The time spent on the last row; zero unless the session is [`timed`](Self::timed).
    pub fn times(&self) -> StageTimes {
        self.times
    }

    /// Judges a row and stops as soon as one rule drops it.
    pub fn decide(&mut self, row: &Row<'_>) -> Verdict {
        self.judge(row, How::Decide)
    }

    /// Judges a row with all facts and every reason.
    pub fn audit(&mut self, row: &Row<'_>) -> Verdict {
        self.judge(row, How::Audit)
    }

    /// Audits a row by its tree alone, of which it visits every node, where the other two would conclude
    /// from tokens.
    ///
    /// It is the reference that the shortcuts are checked against.
    pub fn audit_by_tree(&mut self, row: &Row<'_>) -> Verdict {
        self.judge(row, How::AuditByTree)
    }

    fn judge(&mut self, row: &Row<'_>, how: How) -> Verdict {
        let filter = self.filter.clone();
        let mut judging = Judging {
            session: self,
            row,
            how,
            needs: filter.inner.needs,
            reasons: Vec::new(),
            facts: Facts::default(),
            stage: Stage::Bytes,
            edits: Vec::new(),
            clock: None,
        };
        judging.session.times = StageTimes::default();
        let complete = judging.run(&filter);
        let (reasons, facts, stage, edits) =
            (judging.reasons, judging.facts, judging.stage, judging.edits);
        let keep = reasons.is_empty();
        Verdict {
            keep,
            mode: if how == How::Decide { Mode::Decide } else { Mode::Audit },
            stage,
            reasons,
            reasons_complete: complete,
            facts,
            edits: if keep { edits } else { Vec::new() },
            rule_set: filter.digest(),
        }
    }
}

/// One row on its way through the stages.
struct Judging<'s, 'r> {
    session: &'s mut Session,
    row: &'r Row<'r>,
    how: How,
    needs: Needs,
    reasons: Vec<Reason>,
    facts: Facts,
    stage: Stage,
    edits: Vec<Edit>,
    clock: Option<Instant>,
}

impl Judging<'_, '_> {
    /// Fills in the verdict's parts; says whether the reasons are complete.
    fn run(&mut self, filter: &Filter) -> bool {
        let bytes = self.row.source;
        self.facts.text.bytes = bytes.len();
        self.start_clock();
        let Ok(source) = std::str::from_utf8(bytes) else {
            self.reasons.push(Reason::named("invalid_utf8"));
            self.stop_clock(Stage::Bytes);
            return self.how != How::Decide;
        };
        let rules = filter.inner.rules.enabled();
        self.measure(source);
        let mut open = Vec::with_capacity(rules.len());
        for rule in &rules {
            match rule.by_bytes(&self.evidence(source)) {
                Gate::Pass => {}
                Gate::Fail(reason) => {
                    self.reasons.push(reason);
                    if self.how == How::Decide {
                        self.stop_clock(Stage::Bytes);
                        return false;
                    }
                }
                Gate::Unknown => open.push(*rule),
            }
        }
        self.stop_clock(Stage::Bytes);
        if open.is_empty() && self.how == How::Decide {
            return true;
        }
        let outline = self.outline(source);
        if !self.by_outline(source, &outline, &mut open) {
            return false;
        }
        if open.is_empty() && self.how == How::Decide {
            return true;
        }
        self.by_tree(source, &outline, &open, &filter.inner.rules);
        self.check_what_remains(source, filter);
        self.how != How::Decide || self.reasons.is_empty()
    }

    fn evidence<'a>(&'a self, source: &'a str) -> Evidence<'a> {
        Evidence { row: self.row, source, text: &self.facts.text }
    }

    fn measure(&mut self, source: &str) {
        let all = self.how != How::Decide;
        let needs = self.needs;
        let text =
            TextFacts { bytes: source.len(), chars: count_chars(source), ..TextFacts::default() };
        let lines =
            (all || needs.lines).then(|| line_facts(source, &text, all || needs.duplicate_lines));
        let characters = (all || needs.characters).then(|| character_facts(source));
        self.facts.text = TextFacts { lines, characters, ..text };
    }

    fn outline(&mut self, source: &str) -> Outline {
        self.start_clock();
        self.stage = Stage::Tokens;
        let extent = match self.how {
            How::Decide => self.needs.outline.unwrap_or(Extent::Attributes),
            How::Audit | How::AuditByTree => Extent::Full,
        };
        // What is too long to be parsed is too long to be cut into tokens; nothing is concluded then.
        if source.len() > self.session.filter.inner.rules.max_parse_bytes {
            return Outline::default();
        }
        lex(source, &mut self.session.tokens);
        outline(&self.session.tokens, source, &mut self.session.code, extent)
    }

    /// Asks the open rules about the outline; says whether to go on.
    fn by_outline<'a>(
        &mut self,
        source: &str,
        outline: &Outline,
        open: &mut Vec<&'a dyn Rule>,
    ) -> bool {
        let mut go_on = true;
        if outline.clean && self.how != How::AuditByTree {
            let mut left: Vec<&'a dyn Rule> = Vec::with_capacity(open.len());
            for rule in open.drain(..) {
                match rule.by_outline(&self.evidence(source), outline) {
                    Gate::Pass => {}
                    Gate::Fail(reason) => {
                        self.reasons.push(reason);
                        if self.how == How::Decide {
                            go_on = false;
                            break;
                        }
                    }
                    Gate::Unknown => left.push(rule),
                }
            }
            *open = left;
        }
        self.stop_clock(Stage::Tokens);
        go_on
    }

    fn by_tree(&mut self, source: &str, outline: &Outline, open: &[&dyn Rule], rules: &RuleSet) {
        self.start_clock();
        self.stage = Stage::Tree;
        let max_bytes = rules.max_parse_bytes;
        let opinion_above = rules.syntax_error.as_ref().map(SyntaxError::opinion_above);
        let Session { parser, tokens, marks, .. } = &mut *self.session;
        let parser = parser.get_or_insert_with(TreeParser::new);
        let facts = match parser.parse(source, max_bytes) {
            Parsed::Tree(tree) => {
                let grammar = &parser.grammar;
                let clean = outline.clean && self.how != How::AuditByTree;
                let over = Walked { tree: &tree, grammar, source, tokens, clean };
                tree_facts(&over, outline, opinion_above, marks)
            }
            Parsed::Stopped => {
                TreeFacts { bytes: source.len(), parse_stopped: true, ..TreeFacts::default() }
            }
        };
        if facts.parse_stopped {
            if !open.is_empty() {
                let limit = max_bytes as f64;
                self.reasons.push(Reason::measured("parse_limit", source.len() as f64, limit));
            }
        } else {
            for rule in open {
                if let Some(reason) = rule.by_tree(&self.evidence(source), &facts) {
                    self.reasons.push(reason);
                    if self.how == How::Decide {
                        break;
                    }
                }
                rule.edit(&facts, &mut self.edits);
            }
        }
        self.facts.tree = Some(Box::new(facts));
        self.stop_clock(Stage::Tree);
    }

    /// Puts edits in order; a row of which too little remains after them is too short.
    fn check_what_remains(&mut self, source: &str, filter: &Filter) {
        if self.edits.is_empty() {
            return;
        }
        self.edits.sort_by_key(|edit| edit.span);
        // An edit inside another one is done with it.
        let mut end = 0;
        self.edits.retain(|edit| {
            let apart = edit.span.start >= end;
            end = end.max(edit.span.end);
            apart
        });
        let min_chars = filter.inner.rules.too_short.as_ref().map_or(1, |rule| rule.min_chars);
        let short = self.reasons.iter().any(|reason| reason.id == "too_short");
        let left = edited(source, &self.edits).map_or(0, |text| count_chars(text.trim()));
        if left < min_chars && !short && (self.how != How::Decide || self.reasons.is_empty()) {
            self.reasons.push(Reason::measured("too_short", left as f64, min_chars as f64));
        }
    }

    fn start_clock(&mut self) {
        if self.session.timed {
            self.clock = Some(Instant::now());
        }
    }

    fn stop_clock(&mut self, stage: Stage) {
        let spent = self.clock.take().map_or(Duration::ZERO, |start| start.elapsed());
        let times = &mut self.session.times;
        *match stage {
            Stage::Bytes => &mut times.bytes,
            Stage::Tokens => &mut times.tokens,
            Stage::Tree => &mut times.tree,
        } += spent;
    }
}
