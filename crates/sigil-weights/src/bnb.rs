//! Weights that bitsandbytes already quantized, read as they are.
//!
//! Next to `P.weight` (packed nibbles) lie `P.weight.absmax`, `.quant_map`, for double quantization
//! `.nested_absmax` and `.nested_quant_map`, and a JSON state in the bytes of
//! `.quant_state.bitsandbytes__nf4` or `__fp4`. The file's own maps and block sizes are used, not
//! assumed. Writing such checkpoints is not done: adapters and merged weights are what is shipped.
//! Source: bitsandbytes 0.50.2 `QuantState.as_dict`. The codec is in `nf4/`.

use serde::Deserialize;

use crate::nf4::{FourBit, NESTED_BLOCK_SIZE, QuantizedMatrix, Scales};
use crate::tensor_files::{Dtype, TensorView, WeightFiles, WeightsError};

const STATES: [(FourBit, &str); 2] = [
    (FourBit::Nf4, "quant_state.bitsandbytes__nf4"),
    (FourBit::Fp4, "quant_state.bitsandbytes__fp4"),
];

/// The JSON state; what is not needed to decode (dtype, nested_dtype) is left alone.
#[derive(Deserialize)]
struct State {
    quant_type: String,
    blocksize: usize,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f64>,
}

impl WeightFiles {
    /// Reads the quantized weight of a module, such as `model.layers.0.mlp.up_proj`.
    ///
    /// None means that the module's weight is not quantized (or not there): read it by name.
    ///
    /// # Errors
    /// It is quantized, but a part is missing or of the wrong type or length.
    pub fn quantized(&self, module: &str) -> Result<Option<QuantizedMatrix>, WeightsError> {
        let weight = format!("{module}.weight");
        let key = |part: &str| format!("{weight}.{part}");
        let Some((kind, state)) = STATES.into_iter().find(|(_, state)| self.contains(&key(state)))
        else {
            if self.contains(&key("quant_map")) {
                let view = self.get(&weight)?;
                return Err(wrong(&view, "it has a quant_map but no NF4 or FP4 quant_state"));
            }
            return Ok(None);
        };
        let packed = self.get(&weight)?;
        let state = parse_state(&self.get(&key(state))?, kind)?;
        let &[rows, columns] = state.shape.as_slice() else {
            return Err(wrong(&packed, format!("its shape {:?} is no matrix", state.shape)));
        };
        let code = fixed::<16>(&self.get(&key("quant_map"))?)?;
        let absmax = self.get(&key("absmax"))?;
        let scales = if self.contains(&key("nested_absmax")) {
            let nested_map = self.get(&key("nested_quant_map"))?;
            Scales::Nested {
                codes: bytes(&absmax)?.to_vec(),
                absmax: self.read_f32(&key("nested_absmax"))?,
                offset: state.nested_offset.ok_or_else(|| wrong(&packed, "no nested_offset"))?
                    as f32,
                code: Box::new(fixed::<256>(&nested_map)?),
                block_size: state.nested_blocksize.unwrap_or(NESTED_BLOCK_SIZE),
            }
        } else {
            Scales::Plain(absmax.to_f32()?)
        };
        // The storage type can be any of the same bytes, so the bytes count and the type does not.
        let shape = [rows, columns];
        let stored = packed.bytes.to_vec();
        QuantizedMatrix::from_parts(kind, shape, stored, scales, state.blocksize, code)
            .map(Some)
            .map_err(|error| wrong(&packed, error.to_string()))
    }

    /// Gives the mapped pages of a quantized weight's parts back to the system.
    pub fn release_quantized(&self, module: &str) {
        let weight = format!("{module}.weight");
        self.release(&weight);
        for part in ["absmax", "nested_absmax", "quant_map", "nested_quant_map"] {
            self.release(&format!("{weight}.{part}"));
        }
    }
}

fn wrong(view: &TensorView<'_>, what: impl Into<String>) -> WeightsError {
    WeightsError::Quantized {
        path: view.file.to_path_buf(),
        tensor: view.name.to_owned(),
        what: what.into(),
    }
}

fn parse_state(view: &TensorView<'_>, kind: FourBit) -> Result<State, WeightsError> {
    let state: State = serde_json::from_slice(bytes(view)?)
        .map_err(|error| wrong(view, format!("its state is not readable: {error}")))?;
    if state.quant_type != kind.name() {
        let what =
            format!("its state says {:?} under the key of {}", state.quant_type, kind.name());
        return Err(wrong(view, what));
    }
    Ok(state)
}

fn bytes<'a>(view: &TensorView<'a>) -> Result<&'a [u8], WeightsError> {
    if view.dtype == Dtype::U8 { Ok(view.bytes) } else { Err(view.wrong_dtype("U8")) }
}

fn fixed<const N: usize>(view: &TensorView<'_>) -> Result<[f32; N], WeightsError> {
    view.expect_shape(&[N])?;
    let values = view.to_f32()?;
    values.try_into().map_err(|_| wrong(view, format!("it does not hold {N} values")))
}
