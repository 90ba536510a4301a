//! From model files to a decoder: tensor by tensor, quantized while streaming (`quantized.rs`).
//!
//! Each tensor's mapped pages are given back once it is on the device, so that the memory needed is
//! the finished model and the tensor in hand. Fresh models (`Source::Fresh`) come from here too, so
//! that there is one place that puts a decoder together.

use burn::tensor::{DType, TensorData};
use half::bf16;
use sigil_kernels::{AttentionShape, FrozenMatrix, Kernels, Matrix, RotaryTable, Vector};
use sigil_weights::{
    AdapterConfig, DecoderConfig, FourBit, QuantizedMatrix, WeightFiles,
    config::{LinearModule, Projection},
    peft::{LoraTarget, resolve_targets},
};

use crate::{
    Decoder, ModelError, Parameters,
    decoder::Embedding,
    init,
    layer::{DecoderLayer, GateUp, Norm, QueryKeyValue},
    linear::{Gain, Linear, Lora, Weight},
    quantized::{quantize_tensor, repeat_rows, upload},
};

/// How the linear layers of the base are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 4-bit, frozen; LoRA is trained.
    Qlora {
        /// NF4 or FP4.
        kind: FourBit,
        /// Scales in 8 bits.
        nested: bool,
    },
    /// As they are, frozen; LoRA is trained.
    Lora,
    /// Every parameter is trained; no LoRA.
    Full,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Qlora { .. } => "qlora",
            Self::Lora => "lora",
            Self::Full => "full",
        }
    }
}

/// Rows of a matrix that [`Source::Repeated`] draws. Scales of the second level stay whole: 64 rows
/// hold a multiple of 256 blocks of 64 where rows are a multiple of 256.
pub const DRAWN_ROWS: usize = 64;

/// What a decoder is made for.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// How weights are held and what is trained.
    pub mode: Mode,
    /// LoRA settings; ignored in `Mode::Full`; none trains nothing (evaluation of a base).
    pub adapter: Option<AdapterConfig>,
    /// Positions that the rotary table covers.
    pub max_sequence_length: usize,
    /// Dtype of activations, and of dense weights that are read for every product.
    pub compute: DType,
    /// Seed of fresh weights.
    pub seed: u64,
}

/// Where the base's weights come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// Read from files.
    Files(&'a WeightFiles),
    /// Drawn: normal with `initializer_range`, residual projections scaled by `1/sqrt(2 layers)`.
    Fresh,
    /// Drawn likewise, but the first [`DRAWN_ROWS`] rows of a matrix are repeated: a large model to
    /// be timed, in seconds. No model to train.
    Repeated,
}

/// Builds a decoder and the parameters that are trained.
///
/// `progress` is called after each layer with `(layers done, layers in all)`.
///
/// # Errors
/// A tensor is missing or has another shape, the checkpoint is quantized but full precision is
/// needed, or the LoRA settings select nothing.
pub fn load<B: Kernels>(
    config: &DecoderConfig,
    source: Source<'_>,
    options: &LoadOptions,
    device: &B::Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Decoder<B>, Parameters<B>), ModelError> {
    let loaded =
        B::with_exact_memory(device, || load_all::<B>(config, source, options, device, progress));
    B::finish_uploads(device);
    // What a matrix took before it was quantized.
    B::memory_cleanup(device);
    loaded
}

fn load_all<B: Kernels>(
    config: &DecoderConfig,
    source: Source<'_>,
    options: &LoadOptions,
    device: &B::Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Decoder<B>, Parameters<B>), ModelError> {
    let mut loader = Loader::new(config, source, options, device)?;
    let hidden = config.hidden_size;
    let embedding = loader.embedding()?;
    B::finish_uploads(device);
    let mut layers = vec![];
    for index in 0..config.num_layers {
        layers.push(loader.layer(index)?);
        B::finish_uploads(device);
        progress(index + 1, config.num_layers);
    }
    let final_norm = loader.norm("model.norm.weight", hidden)?;
    let head = if config.tie_word_embeddings { None } else { Some(loader.head()?) };
    let positions = options.max_sequence_length;
    let frequencies = config.rope.frequencies(config.head_dim, positions);
    let scaling = frequencies.attention_scaling;
    let rotary = RotaryTable::new(&frequencies.inv_freq, scaling, positions, device);
    let decoder = Decoder {
        config: config.clone(),
        embedding,
        layers,
        final_norm,
        head,
        rotary,
        compute: options.compute,
        device: device.clone(),
    };
    Ok((decoder, loader.parameters))
}

struct Loader<'a, B: Kernels> {
    config: &'a DecoderConfig,
    source: Source<'a>,
    options: &'a LoadOptions,
    device: &'a B::Device,
    modules: Vec<(LinearModule, Option<LoraTarget>)>,
    parameters: Parameters<B>,
    /// Tensors drawn so far, so that each has its own stream.
    drawn: u64,
}

impl<'a, B: Kernels> Loader<'a, B> {
    fn new(
        config: &'a DecoderConfig,
        source: Source<'a>,
        options: &'a LoadOptions,
        device: &'a B::Device,
    ) -> Result<Self, ModelError> {
        let modules = config.linear_modules();
        let targets = match (&options.adapter, options.mode) {
            (Some(adapter), Mode::Qlora { .. } | Mode::Lora) => {
                let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
                resolve_targets(adapter, &names)?.modules
            }
            _ => vec![None; modules.len()],
        };
        let modules = modules.into_iter().zip(targets).collect();
        let parameters = Parameters::default();
        Ok(Self { config, source, options, device, modules, parameters, drawn: 0 })
    }

    fn trains_base(&self) -> bool {
        self.options.mode == Mode::Full
    }

    fn embedding(&mut self) -> Result<Embedding<B>, ModelError> {
        let name = "model.embed_tokens.weight";
        let shape = [self.config.vocab_size, self.config.hidden_size];
        let deviation = self.config.initializer_range as f32;
        if self.trains_base() {
            let value = self.matrix_f32(name, shape, deviation)?;
            return Ok(Embedding::Trained(self.parameters.add(name.to_owned(), value)));
        }
        Ok(Embedding::Frozen(self.matrix(name, shape, DType::BF16, deviation)?))
    }

    fn head(&mut self) -> Result<Weight<B>, ModelError> {
        let name = "lm_head.weight";
        let shape = [self.config.vocab_size, self.config.hidden_size];
        let deviation = self.config.initializer_range as f32;
        if self.trains_base() {
            let value = self.matrix_f32(name, shape, deviation)?;
            return Ok(Weight::Trained(self.parameters.add(name.to_owned(), value)));
        }
        let head = self.matrix(name, shape, DType::BF16, deviation)?;
        Ok(Weight::Frozen(FrozenMatrix::Dense(head)))
    }

    fn layer(&mut self, index: usize) -> Result<DecoderLayer<B>, ModelError> {
        let config = self.config;
        let prefix = format!("model.layers.{index}");
        let norm = |loader: &mut Self, name: &str, width: usize| {
            loader.norm(&format!("{prefix}.{name}.weight"), width)
        };
        let attention_norm = norm(self, "input_layernorm", config.hidden_size)?;
        let qkv = if config.fused_qkv {
            QueryKeyValue::Fused(self.linear(index, Projection::QueryKeyValue)?)
        } else {
            QueryKeyValue::Separate([
                self.linear(index, Projection::Query)?,
                self.linear(index, Projection::Key)?,
                self.linear(index, Projection::Value)?,
            ])
        };
        let head_norms = if config.qk_norm {
            Some([
                norm(self, "self_attn.q_norm", config.head_dim)?,
                norm(self, "self_attn.k_norm", config.head_dim)?,
            ])
        } else {
            None
        };
        let output = self.linear(index, Projection::Output)?;
        let mlp_norm = norm(self, "post_attention_layernorm", config.hidden_size)?;
        let gate_up = if config.fused_gate_up {
            GateUp::Fused(self.linear(index, Projection::GateUp)?)
        } else {
            GateUp::Separate([
                self.linear(index, Projection::Gate)?,
                self.linear(index, Projection::Up)?,
            ])
        };
        let down = self.linear(index, Projection::Down)?;
        let attention = AttentionShape {
            heads: config.num_heads,
            kv_heads: config.num_kv_heads,
            head_dim: config.head_dim,
            window: config.sliding_windows[index],
            scale: (config.head_dim as f32).powf(-0.5),
        };
        Ok(DecoderLayer {
            attention_norm,
            qkv,
            head_norms,
            output,
            mlp_norm,
            gate_up,
            down,
            attention,
        })
    }

    fn linear(&mut self, layer: usize, projection: Projection) -> Result<Linear<B>, ModelError> {
        let at = self
            .modules
            .iter()
            .position(|(module, _)| module.layer == layer && module.projection == projection)
            .expect("the list holds every projection of every layer");
        let (module, target) = self.modules[at].clone();
        let weight = self.weight(&module)?;
        let bias = if module.bias {
            Some(self.gain(&format!("{}.bias", module.name), module.out_features, 0.0)?)
        } else {
            None
        };
        let lora = target.map(|target| self.lora(&module, target, at as u64));
        Ok(Linear { weight, bias, lora })
    }

    fn weight(&mut self, module: &LinearModule) -> Result<Weight<B>, ModelError> {
        let name = format!("{}.weight", module.name);
        let shape = [module.out_features, module.in_features];
        let residual = matches!(module.projection, Projection::Output | Projection::Down);
        let mut deviation = self.config.initializer_range as f32;
        if residual {
            deviation /= (2.0 * self.config.num_layers as f32).sqrt();
        }
        if let Source::Files(files) = self.source
            && let Some(quantized) = files.quantized(&module.name)?
        {
            let Mode::Qlora { .. } = self.options.mode else {
                return Err(ModelError::AlreadyQuantized {
                    path: files.root().to_owned(),
                    mode: self.options.mode.name(),
                });
            };
            files.release_quantized(&module.name);
            return Ok(Weight::Frozen(FrozenMatrix::Quantized(upload(quantized, self.device))));
        }
        match self.options.mode {
            Mode::Full => {
                let value = self.matrix_f32(&name, shape, deviation)?;
                Ok(Weight::Trained(self.parameters.add(name, value)))
            }
            Mode::Lora => {
                let dtype = self.options.compute;
                let weight = self.matrix(&name, shape, dtype, deviation)?;
                Ok(Weight::Frozen(FrozenMatrix::Dense(weight)))
            }
            Mode::Qlora { kind, nested } => {
                let quantized = match self.source {
                    Source::Files(files) => {
                        let view = files.get(&name)?;
                        view.expect_shape(&shape)?;
                        let quantized = quantize_tensor(&view, kind, nested, self.device)?;
                        files.release(&name);
                        quantized
                    }
                    Source::Fresh | Source::Repeated => {
                        let [rows, columns] = shape;
                        let repeats = match self.source {
                            Source::Repeated if columns.is_multiple_of(256) => {
                                repeats_of_drawn_rows(rows)
                            }
                            _ => 1,
                        };
                        let drawn = [rows / repeats, columns];
                        let weight = self.draw(drawn, deviation);
                        let values: Vec<f32> = weight.into_data().iter::<f32>().collect();
                        let weight = QuantizedMatrix::quantize(&values, drawn, kind, nested)
                            .expect("drawn numbers are finite and fill the shape");
                        upload(repeat_rows(weight, repeats), self.device)
                    }
                };
                Ok(Weight::Frozen(FrozenMatrix::Quantized(quantized)))
            }
        }
    }

    fn lora(&mut self, module: &LinearModule, target: LoraTarget, index: u64) -> Lora {
        let shape = [target.rank, module.in_features];
        let a = init::lora_a(shape, self.options.seed, index, self.device);
        let b = Matrix::zeros([module.out_features, target.rank], (self.device, DType::F32));
        let name = |part: &str| format!("base_model.model.{}.lora_{part}.weight", module.name);
        let dropout = self.options.adapter.as_ref().map_or(0.0, |adapter| adapter.dropout);
        Lora {
            a: self.parameters.add(name("A"), a),
            b: self.parameters.add(name("B"), b),
            scaling: target.scaling as f32,
            dropout: dropout as f32,
            index,
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<Norm<B>, ModelError> {
        let weight = self.gain(name, width, 1.0)?;
        Ok(Norm { weight, epsilon: self.config.rms_norm_eps })
    }

    /// A vector, f32 on the device: it is small, and norms are computed in f32.
    fn gain(&mut self, name: &str, width: usize, fresh: f32) -> Result<Gain<B>, ModelError> {
        let values = match self.source {
            Source::Files(files) => {
                let view = files.get(name)?;
                view.expect_shape(&[width])?;
                view.to_f32()?
            }
            Source::Fresh | Source::Repeated => vec![fresh; width],
        };
        let data = TensorData::new(values, [width]);
        let vector = Vector::from_data(data, (self.device, DType::F32));
        if self.trains_base() {
            return Ok(Gain::Trained(self.parameters.add_vector(name.to_owned(), vector)));
        }
        Ok(Gain::Frozen(vector))
    }

    fn matrix_f32(
        &mut self,
        name: &str,
        shape: [usize; 2],
        deviation: f32,
    ) -> Result<Matrix<B>, ModelError> {
        self.matrix(name, shape, DType::F32, deviation)
    }

    /// Normal numbers from the next stream.
    fn draw(&mut self, shape: [usize; 2], deviation: f32) -> Matrix<B> {
        self.drawn += 1;
        init::normal(shape, deviation, self.options.seed, self.drawn, self.device)
    }

    /// A matrix in f32, or in bf16 for any other dtype asked for, where the device has that.
    fn matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
        dtype: DType,
        deviation: f32,
    ) -> Result<Matrix<B>, ModelError> {
        let dtype = if B::supports_dtype(self.device, dtype) { dtype } else { DType::F32 };
        let files = match self.source {
            Source::Files(files) => files,
            Source::Fresh => return Ok(self.draw(shape, deviation).cast(dtype)),
            Source::Repeated => {
                let repeats = repeats_of_drawn_rows(shape[0]);
                let drawn = self.draw([shape[0] / repeats, shape[1]], deviation).cast(dtype);
                return Ok(drawn.repeat_dim(0, repeats));
            }
        };
        let view = files.get(name)?;
        view.expect_shape(&shape)?;
        let data = if dtype == DType::F32 {
            TensorData::new(view.to_f32()?, shape)
        } else {
            let values: Vec<bf16> = view.to_bf16()?;
            TensorData::new(values, shape)
        };
        files.release(name);
        let stored = data.dtype;
        Ok(Matrix::from_data(data, (self.device, stored)).cast(dtype))
    }
}

/// How often [`DRAWN_ROWS`] rows make `rows`, or 1.
fn repeats_of_drawn_rows(rows: usize) -> usize {
    if rows.is_multiple_of(DRAWN_ROWS) { (rows / DRAWN_ROWS).max(1) } else { 1 }
}
