//! Which samples of which prompts are made: all, or those that were asked for by id and number.
//!
//! What is left out decides nothing about what is made: the settings and the room of a sample follow
//! from all prompts. So a row of a file is made again alone by its id and its number.

use crate::{cli::Arguments, exit::Failure, prompts::Prompt};

/// Ids that a message names at most.
const MOST_NAMED: usize = 5;

/// Prompts by their place, and numbers of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Samples that each prompt would have if none was left out.
    pub(crate) n: u32,
    prompts: Vec<usize>,
    numbers: Vec<u32>,
}

impl Selection {
    /// What `-n`, `--only` and `--sample` ask for.
    ///
    /// # Errors
    /// An id that no prompt has.
    pub(crate) fn new(arguments: &Arguments, prompts: &[Prompt]) -> Result<Self, Failure> {
        let mut numbers = arguments.sample.clone();
        numbers.sort_unstable();
        numbers.dedup();
        // A number beyond -n belongs to a longer series.
        let n = numbers.last().map_or(1, |last| last.saturating_add(1)).max(arguments.n);
        if numbers.is_empty() {
            numbers = (0..n).collect();
        }
        if let Some(id) = arguments.only.iter().find(|id| !prompts.iter().any(|p| p.id == **id)) {
            let named: Vec<&str> = prompts.iter().take(MOST_NAMED).map(|p| p.id.as_str()).collect();
            let more = if prompts.len() > MOST_NAMED { ", ..." } else { "" };
            return Err(Failure::new(4, format!("no prompt has the id `{id}`"))
                .hint(format!("the ids are {}{more}", named.join(", "))));
        }
        let named =
            |prompt: &Prompt| arguments.only.is_empty() || arguments.only.contains(&prompt.id);
        Ok(Self {
            n,
            prompts: (0..prompts.len()).filter(|&at| named(&prompts[at])).collect(),
            numbers,
        })
    }

    /// Place of the prompt and number of each sample, prompt after prompt.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let of = |&prompt: &usize| self.numbers.iter().map(move |&number| (prompt, number));
        self.prompts.iter().flat_map(of)
    }
}
