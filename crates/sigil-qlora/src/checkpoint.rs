//! A run's state to the files of a checkpoint set, and back.
//!
//! | file | holds |
//! |---|---|
//! | `adapter_model.safetensors`, `adapter_config.json` | LoRA, as PEFT reads it (`qlora`, `lora`) |
//! | `model.safetensors`, `config.json` | all weights in f32 (`full`) |
//! | `optimizer.safetensors` | `first.NAME` and `second.NAME` of every parameter, f32 |
//! | `trainer_state.json` | [`TrainerState`] |
//! | others | settings, tokenizer files and the model card, given by the caller |
//!
//! Placing them durably is `sigil-run`'s work.

use burn::tensor::backend::Backend;
use sigil_kernels::Kernels;
use sigil_model::{Decoder, ParameterId, Parameters, adapter};
use sigil_run::CheckpointSet;
use sigil_weights::{
    Adapter, AdapterConfig,
    tensor_files::{TensorToWrite, write_safetensors},
};

use crate::{
    TrainError,
    optimizer::Optimizer,
    state::{FORMAT_VERSION, TrainerState},
};

/// File with the moments.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// File with the position.
pub const STATE_FILE: &str = "trainer_state.json";
/// File with all weights of a fully trained model.
pub const MODEL_FILE: &str = "model.safetensors";

/// What is trained, and so what a set holds.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one a run")]
pub enum Trained {
    /// LoRA matrices.
    Adapter(AdapterConfig),
    /// Every weight.
    Full,
}

/// The files of a set: weights, moments, position.
///
/// # Errors
/// None in practice: what is written was checked when it was read.
pub fn files<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
    optimizer: &Optimizer<B>,
    trained: &Trained,
    state: &TrainerState,
) -> Result<Vec<(String, Vec<u8>)>, TrainError> {
    let mut files = match trained {
        Trained::Adapter(config) => adapter::to_adapter(decoder, parameters, config.clone())
            .to_files()
            .map_err(|error| TrainError::Model(error.into()))?,
        Trained::Full => full_weights(decoder, parameters)?,
    };
    files.push((OPTIMIZER_FILE.to_owned(), moments_file(parameters, optimizer)));
    let state = serde_json::to_vec_pretty(state).expect("numbers and strings serialize");
    files.push((STATE_FILE.to_owned(), state));
    Ok(files)
}

fn full_weights<B: Backend>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
) -> Result<Vec<(String, Vec<u8>)>, TrainError> {
    let values: Vec<Vec<f32>> =
        parameters.iter().map(|p| p.value.to_data().iter::<f32>().collect()).collect();
    let tensors: Vec<TensorToWrite<'_>> = parameters
        .iter()
        .zip(&values)
        .map(|(parameter, values)| {
            TensorToWrite::f32(parameter.name.clone(), &parameter.file_shape, values)
        })
        .collect();
    let config = decoder.config.to_json().map_err(|error| TrainError::Model(error.into()))?;
    Ok(vec![
        (MODEL_FILE.to_owned(), tensors_file(&tensors)),
        ("config.json".to_owned(), config.into_bytes()),
    ])
}

fn moments_file<B: Kernels>(parameters: &Parameters<B>, optimizer: &Optimizer<B>) -> Vec<u8> {
    let moments: Vec<(Vec<f32>, Vec<f32>)> = optimizer.moments().collect();
    let mut tensors = vec![];
    for (parameter, (first, second)) in parameters.iter().zip(&moments) {
        for (prefix, values) in [("first", first), ("second", second)] {
            let name = format!("{prefix}.{}", parameter.name);
            tensors.push(TensorToWrite::f32(name, &parameter.file_shape, values));
        }
    }
    tensors_file(&tensors)
}

fn tensors_file(tensors: &[TensorToWrite<'_>]) -> Vec<u8> {
    let format = [("format".to_owned(), "pt".to_owned())].into();
    write_safetensors(tensors, &format).expect("lengths fit shapes by construction")
}

/// Reads the position of a set.
///
/// # Errors
/// The file is no position, or one of a newer version.
pub fn read_state(set: &CheckpointSet) -> Result<TrainerState, TrainError> {
    let bytes = set.read(STATE_FILE)?;
    let wrong = |reason: String| wrong_file(set, STATE_FILE, reason);
    let state: TrainerState =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if state.format_version != FORMAT_VERSION {
        return Err(wrong(format!(
            "format version {}, and this program reads version {FORMAT_VERSION}",
            state.format_version
        )));
    }
    Ok(state)
}

/// Sets the parameters to those of a set.
///
/// # Errors
/// The set holds other parameters.
pub fn read_weights<B: Kernels>(
    set: &CheckpointSet,
    decoder: &Decoder<B>,
    parameters: &mut Parameters<B>,
    trained: &Trained,
) -> Result<(), TrainError> {
    if let Trained::Adapter(_) = trained {
        let adapter =
            Adapter::read(set.folder()).map_err(|error| TrainError::Model(error.into()))?;
        return Ok(adapter::set_adapter(decoder, parameters, &adapter)?);
    }
    let bytes = set.read(MODEL_FILE)?;
    let tensors = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong_file(set, MODEL_FILE, error.to_string()))?;
    for index in 0..parameters.len() {
        let parameter = parameters.iter().nth(index).expect("in range");
        let values = f32_tensor(&tensors, &parameter.name, &parameter.file_shape)
            .map_err(|reason| wrong_file(set, MODEL_FILE, reason))?;
        parameters.set_value(ParameterId(index), values);
    }
    Ok(())
}

/// Restores the optimizer from a set.
///
/// # Errors
/// Why the set's moments do not fit these parameters; the optimizer is then unchanged, and the
/// caller goes on with fresh moments.
pub fn read_moments<B: Kernels>(
    set: &CheckpointSet,
    parameters: &Parameters<B>,
    optimizer: &mut Optimizer<B>,
    steps: u64,
) -> Result<(), String> {
    let bytes = set.read(OPTIMIZER_FILE).map_err(|error| error.to_string())?;
    let tensors =
        safetensors::SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
    if tensors.len() != 2 * parameters.len() {
        return Err(format!(
            "it holds {} tensors, and {} parameters need {}",
            tensors.len(),
            parameters.len(),
            2 * parameters.len()
        ));
    }
    let moments = parameters
        .iter()
        .map(|parameter| {
            let read = |prefix: &str| {
                let name = format!("{prefix}.{}", parameter.name);
                f32_tensor(&tensors, &name, &parameter.file_shape)
            };
            Ok((read("first")?, read("second")?))
        })
        .collect::<Result<Vec<_>, String>>()?;
    optimizer.restore(moments, steps);
    Ok(())
}

fn f32_tensor(
    tensors: &safetensors::SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("there is no tensor `{name}`"))?;
    if view.dtype() != safetensors::Dtype::F32 || view.shape() != shape {
        let (dtype, found) = (view.dtype(), view.shape());
        return Err(format!("`{name}` is {dtype:?} {found:?}, and F32 {shape:?} is needed"));
    }
    let bytes = view.data().chunks_exact(4);
    Ok(bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn wrong_file(set: &CheckpointSet, file: &str, reason: String) -> TrainError {
    TrainError::Set { set: set.name().to_owned(), file: file.to_owned(), reason }
}
