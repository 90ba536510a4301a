//! Rotary position embedding as a configuration describes it, both spellings resolved into one.
//!
//! Precedence as in transformers 5.23: a non-empty `rope_scaling` wins over `rope_parameters`;
//! `rope_theta` and `partial_rotary_factor` inside the object win over those at the top level; a
//! top-level `original_max_position_embeddings` wins over the one inside. The arithmetic is in
//! `frequencies.rs`, to be read next.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::windows::MOST_TOKENS;
use super::{ConfigError, Family};

/// Rotary position embedding of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// Fraction of each head that is rotated; the rest passes through.
    pub partial_rotary_factor: f64,
    /// How the frequencies were stretched for longer contexts.
    pub kind: RopeKind,
}

/// The ways to stretch rotary frequencies.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RopeKind {
    /// Not stretched.
    Default,
    /// Every frequency divided by `factor` (position interpolation, arXiv 2306.15595).
    Linear {
        /// How many times longer the context became.
        factor: f64,
    },
    /// Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between them.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original_max_position_embeddings / low_freq_factor` count as low.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_position_embeddings / high_freq_factor` count as high.
        high_freq_factor: f64,
        /// Context of the pre-training, in tokens.
        original_max_position_embeddings: usize,
    },
    /// YaRN (arXiv 2309.00071): a ramp over dimensions between interpolation and extrapolation.
    Yarn {
        /// How many times longer the context became.
        factor: f64,
        /// Context of the pre-training, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplier of cosine and sine.
        attention_factor: f64,
        /// Rotations at and above which a dimension is kept as it is.
        beta_fast: f64,
        /// Rotations at and below which a dimension is fully interpolated.
        beta_slow: f64,
        /// Whether the ramp's ends are rounded to whole dimensions.
        truncate: bool,
    },
    /// NTK-aware scaling whose base grows with the sequence once it is longer than trained.
    Dynamic {
        /// How strongly the base grows.
        factor: f64,
        /// Up to this many tokens the plain frequencies hold.
        max_position_embeddings: usize,
    },
    /// LongRoPE (arXiv 2402.13753): one divisor per frequency, in a short and a long set.
    LongRope {
        /// Divisors up to the original context, one per rotated pair.
        short_factor: Vec<f64>,
        /// Divisors beyond it, one per rotated pair.
        long_factor: Vec<f64>,
        /// Context of the pre-training, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplier of cosine and sine.
        attention_factor: f64,
    },
}

/// Resolves the embedding from the top-level keys.
pub(super) fn resolve(
    family: Family,
    top: Fields<'_>,
    head_dim: usize,
    max_positions: usize,
) -> Result<Rope, ConfigError> {
    let empty = Map::new();
    let (name, map) = chosen_object(top, &empty)?;
    let file = top.file();
    let inner = Fields::new(&file, name, map);
    for nested in ["full_attention", "sliding_attention"] {
        if let Some(Value::Object(_)) = inner.value(nested) {
            let supported = "one set of RoPE parameters for all layers is";
            return Err(inner.unsupported(nested, "per-layer parameters", supported));
        }
    }
    let theta = match inner.positive("rope_theta")? {
        Some(theta) => theta,
        None => top.positive("rope_theta")?.unwrap_or(10_000.0),
    };
    let partial = match inner.positive("partial_rotary_factor")? {
        Some(partial) => partial,
        None => top.positive("partial_rotary_factor")?.unwrap_or(1.0),
    };
    let rotary_dim = check_partial(family, inner, partial, head_dim)?;
    let kind = kind(family, top, inner, rotary_dim, max_positions)?;
    Ok(Rope { theta, partial_rotary_factor: partial, kind })
}

fn chosen_object<'a>(
    top: Fields<'a>,
    empty: &'a Map<String, Value>,
) -> Result<(&'static str, &'a Map<String, Value>), ConfigError> {
    if let Some(map) = top.object("rope_scaling")?.filter(|map| !map.is_empty()) {
        return Ok(("rope_scaling", map));
    }
    Ok(("rope_parameters", top.object("rope_parameters")?.unwrap_or(empty)))
}

/// Returns the rotated width of a head.
fn check_partial(
    family: Family,
    inner: Fields<'_>,
    partial: f64,
    head_dim: usize,
) -> Result<usize, ConfigError> {
    const KEY: &str = "partial_rotary_factor";
    if partial > 1.0 {
        return Err(inner.range(KEY, partial, "it must be at most 1"));
    }
    if partial < 1.0 && family != Family::Phi3 {
        let supported = format!("1 is, for {}", family.model_type());
        return Err(inner.unsupported(KEY, partial, supported));
    }
    let rotary_dim = Rope::rotated(head_dim, partial);
    if rotary_dim == 0 || !rotary_dim.is_multiple_of(2) {
        let rule = format!("it leaves {rotary_dim} of {head_dim}, which must be even and above 0");
        return Err(inner.range(KEY, partial, rule));
    }
    Ok(rotary_dim)
}

fn kind(
    family: Family,
    top: Fields<'_>,
    inner: Fields<'_>,
    rotary_dim: usize,
    max_positions: usize,
) -> Result<RopeKind, ConfigError> {
    let (key, written) = match inner.text("rope_type")? {
        Some(written) => ("rope_type", written),
        None => ("type", inner.text("type")?.unwrap_or("default")),
    };
    let name = match written {
        "su" | "yarn" if family == Family::Phi3 => "longrope",
        other => other,
    };
    if family == Family::Phi3 && !matches!(name, "default" | "longrope") {
        let supported = "default and longrope are, for phi3";
        return Err(inner.unsupported(key, format!("{written:?}"), supported));
    }
    let original = || original_positions(family, top, inner, max_positions);
    match name {
        "default" => Ok(RopeKind::Default),
        "linear" => Ok(RopeKind::Linear { factor: required(inner, "factor")? }),
        "dynamic" => Ok(RopeKind::Dynamic {
            factor: required(inner, "factor")?,
            max_position_embeddings: max_positions,
        }),
        "llama3" => llama3(inner, original()?),
        "yarn" => yarn(inner, original()?, max_positions),
        "longrope" => long_rope(inner, original()?, max_positions, rotary_dim),
        other => {
            let supported = "default, linear, llama3, yarn, dynamic and longrope are";
            Err(inner.unsupported(key, format!("{other:?}"), supported))
        }
    }
}

fn required(inner: Fields<'_>, key: &str) -> Result<f64, ConfigError> {
    inner.positive(key)?.ok_or_else(|| inner.missing(key))
}

fn original_positions(
    family: Family,
    top: Fields<'_>,
    inner: Fields<'_>,
    max_positions: usize,
) -> Result<usize, ConfigError> {
    const KEY: &str = "original_max_position_embeddings";
    if let Some(original) = top.size(KEY, MOST_TOKENS)? {
        return Ok(original);
    }
    if family == Family::Phi3 {
        return Ok(4096);
    }
    Ok(inner.size(KEY, MOST_TOKENS)?.unwrap_or(max_positions))
}

fn llama3(inner: Fields<'_>, original: usize) -> Result<RopeKind, ConfigError> {
    let low = required(inner, "low_freq_factor")?;
    let high = required(inner, "high_freq_factor")?;
    if high <= low {
        let rule = format!("it must be above low_freq_factor, which is {low}");
        return Err(inner.range("high_freq_factor", high, rule));
    }
    Ok(RopeKind::Llama3 {
        factor: required(inner, "factor")?,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    })
}

fn yarn(inner: Fields<'_>, original: usize, max_positions: usize) -> Result<RopeKind, ConfigError> {
    let factor = match inner.positive("factor")? {
        Some(factor) => factor,
        None => max_positions as f64 / original as f64,
    };
    let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
    let attention_factor = match inner.positive("attention_factor")? {
        Some(given) => given,
        None => match (inner.number("mscale")?, inner.number("mscale_all_dim")?) {
            (Some(one), Some(all)) if one != 0.0 && all != 0.0 => scale(one) / scale(all),
            _ => scale(1.0),
        },
    };
    let or_default = |given: Option<f64>, default| given.filter(|x| *x != 0.0).unwrap_or(default);
    Ok(RopeKind::Yarn {
        factor,
        original_max_position_embeddings: original,
        attention_factor,
        beta_fast: or_default(inner.number("beta_fast")?, 32.0),
        beta_slow: or_default(inner.number("beta_slow")?, 1.0),
        truncate: inner.flag("truncate", true)?,
    })
}

fn long_rope(
    inner: Fields<'_>,
    original: usize,
    max_positions: usize,
    rotary_dim: usize,
) -> Result<RopeKind, ConfigError> {
    let list = |key: &str| -> Result<Vec<f64>, ConfigError> {
        let list = inner.numbers(key)?.ok_or_else(|| inner.missing(key))?;
        if list.len() != rotary_dim / 2 {
            let value = format!("a list of {}", list.len());
            return Err(inner.range(key, value, format!("it must hold {}", rotary_dim / 2)));
        }
        match list.iter().find(|factor| **factor <= 0.0) {
            Some(bad) => Err(inner.range(key, bad, "every entry must be above 0")),
            None => Ok(list),
        }
    };
    let factor = match inner.positive("factor")? {
        Some(factor) => factor,
        None => max_positions as f64 / original as f64,
    };
    let attention_factor = match inner.positive("attention_factor")? {
        Some(given) => given,
        None => long_rope_attention(factor, original),
    };
    Ok(RopeKind::LongRope {
        short_factor: list("short_factor")?,
        long_factor: list("long_factor")?,
        original_max_position_embeddings: original,
        attention_factor,
    })
}

/// The multiplier that LongRoPE derives from the stretch.
pub(super) fn long_rope_attention(factor: f64, original: usize) -> f64 {
    if factor <= 1.0 || original < 2 {
        return 1.0;
    }
    (1.0 + factor.ln() / (original as f64).ln()).sqrt()
}
