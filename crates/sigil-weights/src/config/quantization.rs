//! The `quantization_config` of a checkpoint: 4-bit bitsandbytes, or refused by name.
//!
//! It says only what `config.json` claims; the tensors themselves are read by the `bnb` module,
//! which trusts each tensor's own state over this. Read `../bnb.rs` next.

use super::ConfigError;
use super::fields::Fields;
use crate::nf4::FourBit;

/// How bitsandbytes quantized a checkpoint, as its `config.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitsAndBytes {
    /// The 4-bit code.
    pub kind: FourBit,
    /// Whether the block scales are themselves stored in 8 bits.
    pub double_quant: bool,
    /// Modules left unquantized by the writer's choice; the output head is always left.
    pub skip_modules: Vec<String>,
}

/// Reads the object, if the file has one.
pub(super) fn resolve(fields: Fields<'_>) -> Result<Option<BitsAndBytes>, ConfigError> {
    const KEY: &str = "quantization_config";
    let Some(map) = fields.object(KEY)? else { return Ok(None) };
    let file = fields.file();
    let inner = Fields::new(&file, KEY, map);
    let method = inner.text("quant_method")?;
    let eight = inner.flag("load_in_8bit", inner.flag("_load_in_8bit", false)?)?;
    let four = inner.flag("load_in_4bit", inner.flag("_load_in_4bit", false)?)?;
    match method {
        Some("bitsandbytes") => {}
        None if four || eight => {}
        None => return Err(inner.missing("quant_method")),
        Some(other) => {
            let supported = "bitsandbytes with 4 bits is";
            return Err(inner.unsupported("quant_method", format!("{other:?}"), supported));
        }
    }
    if eight || !four {
        return Err(inner.unsupported("load_in_8bit", eight, "4-bit bitsandbytes is"));
    }
    let kind = match inner.text("bnb_4bit_quant_type")?.unwrap_or("fp4") {
        "nf4" => FourBit::Nf4,
        "fp4" => FourBit::Fp4,
        other => {
            let value = format!("{other:?}");
            return Err(inner.unsupported("bnb_4bit_quant_type", value, "nf4 and fp4 are"));
        }
    };
    Ok(Some(BitsAndBytes {
        kind,
        double_quant: inner.flag("bnb_4bit_use_double_quant", false)?,
        skip_modules: inner.texts("llm_int8_skip_modules")?.unwrap_or_default(),
    }))
}
