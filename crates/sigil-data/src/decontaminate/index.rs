//! Which task a row holds.
//!
//! Is: shares of a task's n-grams that a row has. Names as they are: 10-grams of names, keywords and
//! literals (as DeepSeek-Coder and Qwen2.5-Coder compare 10-grams). Names numbered: windows of 24
//! tokens with signs. N-grams that several tasks share are common phrases and do not count. A task too
//! short for that is looked for as a whole, and a sentence in a string is as good as an n-gram. Is not: a
//! threshold to be tuned per run. Next: `lexer.rs`.

use std::collections::{BTreeMap, HashMap};

use super::Task;
use super::lexer::{Kind, Token, tokens};
use crate::Digest;

/// Words in an n-gram with names as they are.
const WORDS: usize = 10;
/// Tokens in a window with names numbered.
const WINDOW: usize = 24;
/// An n-gram of more tasks than this is a common phrase.
const SHARED_BY: usize = 3;
/// Share of a task's n-grams from which a row holds the task.
const SHARE: f64 = 0.4;
/// The same, if the row also defines the function that the task asks for.
const SHARE_WITH_ENTRY_POINT: f64 = 0.15;
/// Fewest n-grams in common; a task that has fewer is looked for as a whole.
const FEWEST: usize = 4;
/// Fewest tokens of a whole task whose names may differ: shorter ones are everywhere.
const WHOLE_RENAMED: usize = 18;

/// Fewest bytes, without white space, of a string that says which task it comes from.
const SENTENCE: usize = 60;

/// Holds the n-grams of all tasks.
#[derive(Debug, Clone, Default)]
pub struct BenchmarkIndex {
    tasks: Vec<Indexed>,
    words: HashMap<u64, Vec<u32>>,
    windows: HashMap<u64, Vec<u32>>,
    /// Long strings.
    sentences: HashMap<u64, Vec<u32>>,
    /// Short tasks by their number of tokens: hashes of all tokens, with names and without.
    wholes: BTreeMap<usize, BTreeMap<u64, u32>>,
    digest: Option<Digest>,
}

#[derive(Debug, Clone)]
struct Indexed {
    id: String,
    entry_point: Option<String>,
    words: usize,
    windows: usize,
}

/// Says which task a row holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The task.
    pub task: String,
    /// Share of its n-grams that the row has.
    pub share: f64,
}

impl BenchmarkIndex {
    /// Indexes tasks.
    pub fn new(tasks: &[Task]) -> Self {
        let mut index = Self::default();
        let mut texts: Vec<&[u8]> = Vec::new();
        for (number, task) in (0..).zip(tasks) {
            texts.extend([task.id.as_bytes(), task.code.as_bytes()]);
            let tokens = tokens(&task.code);
            for (map, grams) in [
                (&mut index.words, word_grams(&tokens)),
                (&mut index.windows, window_grams(&tokens)),
                (&mut index.sentences, sentences(&tokens)),
            ] {
                for gram in grams {
                    map.entry(gram).or_default().push(number);
                }
            }
            index.tasks.push(Indexed {
                id: task.id.clone(),
                entry_point: task.entry_point.clone(),
                words: 0,
                windows: 0,
            });
        }
        index.words.retain(|_, tasks| tasks.len() <= SHARED_BY);
        index.windows.retain(|_, tasks| tasks.len() <= SHARED_BY);
        index.sentences.retain(|_, tasks| tasks.len() <= SHARED_BY);
        // Counting does not depend on the order of the map.
        let count = |map: &HashMap<u64, Vec<u32>>| {
            let mut counts = vec![0; tasks.len()];
            let mut all: Vec<u32> = map.values().flatten().copied().collect();
            all.sort_unstable();
            all.into_iter().for_each(|task| counts[task as usize] += 1);
            counts
        };
        let (words, windows) = (count(&index.words), count(&index.windows));
        for (task, (words, windows)) in index.tasks.iter_mut().zip(words.into_iter().zip(windows)) {
            (task.words, task.windows) = (words, windows);
        }
        for (number, task) in (0..).zip(tasks) {
            let Indexed { words, windows, .. } = &index.tasks[number as usize];
            if (*words).max(*windows) >= FEWEST {
                continue;
            }
            let tokens = tokens(&task.code);
            let function = task.entry_point.as_deref().and_then(|name| declared(&tokens, name));
            let tokens = &hashes(&tokens)[function.unwrap_or(0)..];
            let hashes = index.wholes.entry(tokens.len()).or_default();
            hashes.insert(named(tokens), number);
            if tokens.len() >= WHOLE_RENAMED {
                hashes.insert(numbered(tokens), number);
            }
        }
        index.digest = Some(Digest::of_fields(texts));
        index
    }

    /// Says whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns the number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Names the tasks, for cache keys.
    pub fn digest(&self) -> Digest {
        self.digest.unwrap_or_else(|| Digest::of(b""))
    }

    /// Finds the task of which the text has the largest share, if that is enough to hold it.
    pub fn find(&self, text: &str) -> Option<Hit> {
        if self.is_empty() {
            return None;
        }
        let tokens = tokens(text);
        let mut common: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        for gram in word_grams(&tokens) {
            for &task in self.words.get(&gram).into_iter().flatten() {
                common.entry(task).or_default().0 += 1;
            }
        }
        for gram in window_grams(&tokens) {
            for &task in self.windows.get(&gram).into_iter().flatten() {
                common.entry(task).or_default().1 += 1;
            }
        }
        let whole = |task: u32| Hit { task: self.tasks[task as usize].id.clone(), share: 1.0 };
        let sentence = sentences(&tokens).into_iter().find_map(|text| self.sentences.get(&text));
        let mut best = sentence.map(|tasks| whole(tasks[0]));
        let all = hashes(&tokens);
        for (&length, hashes) in self.wholes.iter().filter(|(length, _)| **length > 0) {
            let mut grams = all.windows(length).flat_map(|gram| [named(gram), numbered(gram)]);
            if let Some(&task) = grams.find_map(|gram| hashes.get(&gram)) {
                best = Some(whole(task));
            }
        }
        for (number, (words, windows)) in common {
            let task = &self.tasks[number as usize];
            let share = share(words, task.words).max(share(windows, task.windows));
            let named = task.entry_point.as_deref().is_some_and(|name| defines(&tokens, name));
            let enough = if named { SHARE_WITH_ENTRY_POINT } else { SHARE };
            if share >= enough && best.as_ref().is_none_or(|best| share > best.share) {
                best = Some(Hit { task: task.id.clone(), share });
            }
        }
        best
    }
}

fn share(common: usize, all: usize) -> f64 {
    // A task with few n-grams must be there as a whole.
    if common < FEWEST.min(all) || all == 0 { 0.0 } else { common as f64 / all as f64 }
}

fn defines(tokens: &[Token<'_>], name: &str) -> bool {
    declared(tokens, name).is_some()
}

/// Finds where a function is declared.
fn declared(tokens: &[Token<'_>], name: &str) -> Option<usize> {
    tokens.windows(2).position(|pair| pair[0].text == "fn" && pair[1].text == name)
}

/// The distinct n-grams of words and literals.
fn word_grams(tokens: &[Token<'_>]) -> Vec<u64> {
    let words: Vec<u64> = tokens
        .iter()
        .filter(|token| token.kind != Kind::Sign)
        .map(|token| hash(token.text.as_bytes()))
        .collect();
    let grams = words.windows(WORDS).map(|gram| gram.iter().fold(1, |all, &word| mix(all, word)));
    distinct(grams.collect())
}

/// The distinct windows of tokens, with names numbered by their first use in the window.
fn window_grams(tokens: &[Token<'_>]) -> Vec<u64> {
    distinct(hashes(tokens).windows(WINDOW).map(numbered).collect())
}

/// The distinct long strings.
fn sentences(tokens: &[Token<'_>]) -> Vec<u64> {
    let long = |token: &&Token<'_>| {
        let text = token.text.bytes().filter(|byte| !byte.is_ascii_whitespace());
        token.kind == Kind::Literal && token.text.contains('"') && text.count() >= SENTENCE
    };
    distinct(tokens.iter().filter(long).map(|token| hash(token.text.as_bytes())).collect())
}

fn hashes(tokens: &[Token<'_>]) -> Vec<(Kind, u64)> {
    tokens.iter().map(|token| (token.kind, hash(token.text.as_bytes()))).collect()
}

fn named(tokens: &[(Kind, u64)]) -> u64 {
    tokens.iter().fold(3, |all, &(_, token)| mix(all, token))
}

fn numbered(tokens: &[(Kind, u64)]) -> u64 {
    let mut names: Vec<u64> = Vec::with_capacity(tokens.len());
    tokens.iter().fold(2, |all, &(kind, token)| {
        if kind != Kind::Name {
            return mix(all, token);
        }
        let number = names.iter().position(|&name| name == token).unwrap_or_else(|| {
            names.push(token);
            names.len() - 1
        });
        mix(all, number as u64)
    })
}

fn distinct(mut grams: Vec<u64>) -> Vec<u64> {
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// FNV-1a over what is no white space, so that a text that was wrapped stays the same.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
}

fn mix(all: u64, part: u64) -> u64 {
    (all.rotate_left(7) ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
