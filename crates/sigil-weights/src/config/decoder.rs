//! The shape of a decoder as plain data, resolved from whichever spelling the file used.
//!
//! It is neither the file format (that is `parse.rs` and `write.rs`) nor a model with weights.
//! Read `parse.rs` next.

use std::path::Path;

use super::{BitsAndBytes, ConfigError, Rope, fields, parse};

/// A decoder architecture, named by its `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Llama 2, 3, 3.1, 3.2 and everything shaped like them.
    Llama,
    /// Mistral: llama with a sliding window on every layer.
    Mistral,
    /// Qwen 2 and 2.5: biases on query, key and value.
    Qwen2,
    /// Qwen 3: RMS normalization of each query and key head.
    Qwen3,
    /// Phi-3 and Phi-4-mini: query/key/value and gate/up stored as one matrix each.
    Phi3,
}

impl Family {
    /// All families, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3, Self::Phi3];

    /// The `model_type` of `config.json`.
    #[must_use]
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
        }
    }

    /// The class name that transformers lists under `architectures`.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
        }
    }
}

/// The element type that a checkpoint says its weights have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelDtype {
    /// 32-bit float.
    Float32,
    /// 16-bit IEEE float.
    Float16,
    /// 16-bit brain float.
    BFloat16,
}

impl ModelDtype {
    /// The name torch gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
        }
    }
}

/// A decoder's architecture: everything needed to lay out and compute it, except the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Which architecture.
    pub family: Family,
    /// Rows of the embedding and of the output head.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_layers: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Width of one head; `num_heads * head_dim` need not equal `hidden_size`.
    pub head_dim: usize,
    /// Epsilon of every RMS normalization.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// Whether the query, key and value projections have biases.
    pub attention_bias: bool,
    /// Whether the attention's output projection has a bias.
    pub output_bias: bool,
    /// Whether the three MLP projections have biases.
    pub mlp_bias: bool,
    /// Whether each query and key head is RMS-normalized before RoPE (`q_norm`, `k_norm`).
    pub qk_norm: bool,
    /// Per layer: key `j` is visible to query `i` iff `i - window < j <= i`; none means all `j <= i`.
    pub sliding_windows: Vec<Option<usize>>,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Whether query, key and value are one matrix `qkv_proj`, rows in that order.
    pub fused_qkv: bool,
    /// Whether gate and up are one matrix `gate_up_proj`, gate rows first.
    pub fused_gate_up: bool,
    /// Longest sequence the checkpoint claims to handle, in tokens.
    pub max_position_embeddings: usize,
    /// Token that begins a text, if the checkpoint has one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text; may be empty.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills a batch, if the checkpoint has one.
    pub pad_token_id: Option<u32>,
    /// Standard deviation of freshly initialized weights.
    pub initializer_range: f64,
    /// Element type the weights were saved in, if stated.
    pub dtype: Option<ModelDtype>,
    /// How bitsandbytes quantized the checkpoint, if it did.
    pub quantization: Option<BitsAndBytes>,
}

impl DecoderConfig {
    /// Reads `config.json` from a checkpoint folder, or the file itself if `path` names one.
    ///
    /// # Errors
    /// The file is missing, damaged, incomplete, or describes a model that is not supported.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = if path.is_dir() { path.join("config.json") } else { path.to_path_buf() };
        let map = fields::read_object(&file)?;
        parse::decoder(&map, &file)
    }

    /// Parses the bytes of a `config.json`; `file` is used in messages only.
    ///
    /// # Errors
    /// As [`DecoderConfig::read`], save for missing files.
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, ConfigError> {
        let map = fields::parse_object(text, file)?;
        parse::decoder(&map, file)
    }

    /// Width of all query heads together, the input width of the output projection.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.num_heads * self.head_dim
    }

    /// Width of all key heads together; that of all value heads is the same.
    #[must_use]
    pub fn key_width(&self) -> usize {
        self.num_kv_heads * self.head_dim
    }
}
