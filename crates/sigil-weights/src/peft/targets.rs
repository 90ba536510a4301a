//! Which linear layers get an adapter, and how wide and strong it is.
//!
//! The rules are PEFT's: exclusions first; a listed name matches a module of that full name, or any
//! module that ends with a dot and that name in a chosen layer; a string is a regular expression
//! for the full name. Ranks and alphas may differ by pattern. Modules are names only here, so that
//! the same rules serve training and loading. Source: PEFT 0.21.2 `check_target_module_exists`,
//! `get_pattern_key`.

use std::collections::BTreeSet;

use super::pattern::Pattern;
use super::{AdapterConfig, ModuleSet, PeftError, TargetModules};

/// The adapter of one module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoraTarget {
    /// Width.
    pub rank: usize,
    /// Strength before division by the rank.
    pub alpha: f64,
    /// What the branch's output is multiplied with.
    pub scaling: f64,
}

/// The answer for a list of modules.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedTargets {
    /// One entry per module asked about, in the same order; none where there is no adapter.
    pub modules: Vec<Option<LoraTarget>>,
    /// Names listed in `target_modules` that no module matched, sorted.
    pub unmatched: Vec<String>,
}

/// Decides for each linear layer of a model whether and how it is adapted.
///
/// `modules` are full names without `.weight`, such as `model.layers.0.self_attn.q_proj`; the
/// output head is not among them.
///
/// # Errors
/// A pattern is not a regular expression, or no module at all is targeted.
pub fn resolve_targets<S: AsRef<str>>(
    config: &AdapterConfig,
    modules: &[S],
) -> Result<ResolvedTargets, PeftError> {
    let rules = Rules::compile(config)?;
    let mut resolved = Vec::with_capacity(modules.len());
    let mut matched = BTreeSet::new();
    for module in modules {
        let module = module.as_ref();
        let targeted = rules.targets(module, &mut matched)?;
        resolved.push(if targeted { Some(rules.shape(module)?) } else { None });
    }
    if resolved.iter().all(Option::is_none) {
        return Err(no_targets(config, modules));
    }
    let unmatched = match &config.target_modules {
        TargetModules::Names(names) => {
            let missing = names.iter().filter(|name| !matched.contains(name.as_str()));
            missing.cloned().collect::<BTreeSet<_>>().into_iter().collect()
        }
        _ => Vec::new(),
    };
    Ok(ResolvedTargets { modules: resolved, unmatched })
}

fn no_targets<S: AsRef<str>>(config: &AdapterConfig, modules: &[S]) -> PeftError {
    let short = modules.iter().filter_map(|module| module.as_ref().rsplit('.').next());
    let available: BTreeSet<&str> = short.collect();
    let targets = match &config.target_modules {
        TargetModules::Names(names) => format!("{names:?}"),
        TargetModules::Pattern(pattern) => format!("{pattern:?}"),
        TargetModules::AllLinear => "\"all-linear\"".to_owned(),
    };
    let available = available.into_iter().collect::<Vec<_>>().join(", ");
    PeftError::NoTargets { targets, available }
}

/// The configuration with its expressions compiled.
struct Rules<'a> {
    config: &'a AdapterConfig,
    target: Option<Pattern>,
    exclude: Option<Pattern>,
    layers: Vec<Pattern>,
    ranks: Vec<(Pattern, usize)>,
    alphas: Vec<(Pattern, f64)>,
}

impl<'a> Rules<'a> {
    fn compile(config: &'a AdapterConfig) -> Result<Self, PeftError> {
        let target = match &config.target_modules {
            TargetModules::Pattern(text) => Some(Pattern::whole("target_modules", text)?),
            _ => None,
        };
        let exclude = match &config.exclude_modules {
            Some(ModuleSet::Pattern(text)) => Some(Pattern::whole("exclude_modules", text)?),
            _ => None,
        };
        let mut layers = Vec::new();
        if config.layers_pattern.is_empty() {
            layers.push(Pattern::layer_number(None)?);
        }
        for list in &config.layers_pattern {
            layers.push(Pattern::layer_number(Some(list))?);
        }
        let mut ranks = Vec::new();
        for (text, rank) in &config.rank_pattern {
            ranks.push((Pattern::last_parts("rank_pattern", text)?, *rank));
        }
        let mut alphas = Vec::new();
        for (text, alpha) in &config.alpha_pattern {
            alphas.push((Pattern::last_parts("alpha_pattern", text)?, *alpha));
        }
        Ok(Self { config, target, exclude, layers, ranks, alphas })
    }

    /// Whether a module is targeted; names that matched it are added to `matched`.
    fn targets(&self, module: &str, matched: &mut BTreeSet<&'a str>) -> Result<bool, PeftError> {
        let excluded = match (&self.config.exclude_modules, &self.exclude) {
            (_, Some(pattern)) => pattern.matches(module)?,
            (Some(ModuleSet::Names(names)), None) => {
                names.iter().any(|name| ends_with_name(module, name))
            }
            _ => false,
        };
        if excluded {
            return Ok(false);
        }
        let names = match (&self.config.target_modules, &self.target) {
            (TargetModules::Names(names), _) => names,
            (_, Some(pattern)) => return pattern.matches(module),
            _ => return Ok(true),
        };
        let hits: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| ends_with_name(module, name)).collect();
        // A full name is taken whatever its layer is.
        let targeted = !hits.is_empty() && (hits.contains(&module) || self.in_layers(module)?);
        if targeted {
            matched.extend(hits);
        }
        Ok(targeted)
    }

    fn in_layers(&self, module: &str) -> Result<bool, PeftError> {
        let Some(chosen) = &self.config.layers_to_transform else { return Ok(true) };
        for pattern in &self.layers {
            if let Some(layer) = pattern.layer(module)? {
                return Ok(chosen.contains(&layer));
            }
        }
        Ok(false)
    }

    fn shape(&self, module: &str) -> Result<LoraTarget, PeftError> {
        let rank = first_match(&self.ranks, module)?.unwrap_or(self.config.rank);
        let alpha = first_match(&self.alphas, module)?.unwrap_or(self.config.alpha);
        Ok(LoraTarget { rank, alpha, scaling: self.config.scaling(rank, alpha) })
    }
}

fn first_match<T: Copy>(patterns: &[(Pattern, T)], module: &str) -> Result<Option<T>, PeftError> {
    for (pattern, value) in patterns {
        if pattern.matches(module)? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn ends_with_name(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
