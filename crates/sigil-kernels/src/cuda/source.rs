//! A kernel's text with the numbers it is compiled for, as a task that CubeCL compiles and launches.
//!
//! CubeCL knows its tasks by an identity: here the file's digest and the numbers, so that a changed
//! file is compiled anew and a launch builds no text.

use std::fmt::Write;

use cubecl::{
    CompilationError, Compiler, CubeTask,
    cuda::{CudaCompiler, CudaComputeKernel},
    ir::{AddressType, StorageType},
    prelude::*,
    server::ExecutionMode,
};
use cubecl_cpp::shared::{Body, CubeIndexFlags, Elem, Flags, Item, SharedMemory};

/// The entry point of every kernel.
pub const ENTRY: &str = "sigil_kernel";
/// Put before every file.
const PRIMITIVES: &str = include_str!("primitives.cuh");

/// A file of this folder.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name without the ending.
    pub name: &'static str,
    text: &'static str,
    digest: u64,
}

macro_rules! file {
    ($name:literal) => {
        File::new($name, include_str!(concat!($name, ".cu")))
    };
}

/// One whose kernel takes a list of tensors: after `tensors.cuh`.
macro_rules! list_file {
    ($name:literal) => {
        File::new($name, concat!(include_str!("tensors.cuh"), include_str!(concat!($name, ".cu"))))
    };
}

/// `gemm.cu`
pub const GEMM: File = file!("gemm");
/// `gemm_hopper.cu`
pub const GEMM_HOPPER: File = file!("gemm_hopper");
/// `reduce.cu`
pub const REDUCE: File = file!("reduce");
/// `attention_forward.cu`
pub const ATTENTION_FORWARD: File = file!("attention_forward");
/// `attention_query_gradient.cu`
pub const ATTENTION_QUERY_GRADIENT: File = file!("attention_query_gradient");
/// `attention_key_gradient.cu`
pub const ATTENTION_KEY_GRADIENT: File = file!("attention_key_gradient");

/// `fixed_product.cu`
pub const FIXED_PRODUCT: File = file!("fixed_product");
/// `nf4_rows.cu`
pub const NF4_ROWS: File = file!("nf4_rows");
/// `attention_decode.cu`
pub const ATTENTION_DECODE: File = file!("attention_decode");
/// `attention_combine.cu`
pub const ATTENTION_COMBINE: File = file!("attention_combine");
/// `likeliest.cu`
pub const LIKELIEST: File = file!("likeliest");
/// `draw.cu`
pub const DRAW: File = file!("draw");
/// `penalize.cu`
pub const PENALIZE: File = file!("penalize");
/// `cache_store.cu`
pub const CACHE_STORE: File = file!("cache_store");
/// `quantize.cu`
pub const QUANTIZE: File = file!("quantize");
/// `adamw_many.cu`
pub const ADAMW_MANY: File = list_file!("adamw_many");
/// `squares_many.cu`
pub const SQUARES_MANY: File = list_file!("squares_many");

impl File {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, digest: digest(digest(0xcbf2_9ce4_8422_2325, PRIMITIVES), text) }
    }
}

/// FNV-1a, continued.
const fn digest(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// A kernel: a file, the numbers it is compiled for, and what a block of it takes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The text.
    pub file: File,
    /// Macros defined before the text.
    pub defines: Vec<(&'static str, u32)>,
    /// Threads of a block.
    pub threads: u32,
    /// Dynamic shared memory of a block.
    pub shared_bytes: usize,
}

/// What tells one kernel from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    name: &'static str,
    digest: u64,
    defines: Vec<(&'static str, u32)>,
    shared_bytes: usize,
}

impl Source {
    /// The CUDA C++ that is compiled.
    pub fn text(&self) -> String {
        let mut text = format!("#define SIGIL_ENTRY {ENTRY}\n");
        for (name, value) in &self.defines {
            writeln!(text, "#define {name} {value}").expect("a string takes all text");
        }
        text + PRIMITIVES + self.file.text
    }

    /// The file's name and the numbers, for people.
    pub fn label(&self) -> String {
        let numbers: Vec<String> =
            self.defines.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", self.file.name, numbers.join(" "))
    }
}

impl KernelMetadata for Source {
    fn name(&self) -> &'static str {
        self.file.name
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().cube_dim(CubeDim::new_1d(self.threads)).info(Identity {
            name: self.file.name,
            digest: self.file.digest,
            defines: self.defines.clone(),
            shared_bytes: self.shared_bytes,
        })
    }

    fn address_type(&self) -> StorageType {
        AddressType::U32.unsigned_type()
    }
}

impl CubeTask<CudaCompiler> for Source {
    fn compile(
        &self,
        _compiler: &mut CudaCompiler,
        _options: &<CudaCompiler as Compiler>::CompilationOptions,
        _mode: ExecutionMode,
        _address_type: StorageType,
    ) -> Result<CompiledKernel<CudaCompiler>, CompilationError> {
        Ok(CompiledKernel {
            entrypoint_name: ENTRY.to_owned(),
            debug_name: Some(self.file.name),
            source: self.text(),
            repr: Some(representation(self)),
            cube_dim: CubeDim::new_1d(self.threads),
            debug_info: None,
        })
    }
}

/// CubeCL reads the amount of dynamic shared memory from the kernel in its own language: one that
/// has nothing else.
fn representation(source: &Source) -> CudaComputeKernel {
    let cube_dim = CubeDim::new_1d(source.threads);
    let address_type = Item::scalar(Elem::U32, true);
    let shared = SharedMemory::new_array(0, Item::scalar(Elem::U8, true), source.shared_bytes, 128);
    CudaComputeKernel {
        tensor_maps: vec![],
        buffers: vec![],
        scalars: vec![],
        info: Default::default(),
        meta_static_len: 0,
        body: Body {
            instructions: vec![],
            shared_memories: vec![shared],
            pipelines: vec![],
            barriers: vec![],
            const_arrays: vec![],
            local_arrays: vec![],
            info_by_ptr: false,
            has_dynamic_meta: false,
            address_type,
        },
        cube_dim,
        cluster_dim: None,
        extensions: vec![],
        flags: Flags {
            elem_fp4: false,
            elem_fp6: false,
            elem_fp8: false,
            elem_bf16: false,
            elem_f16: false,
            elem_tf32: false,
            indexes: CubeIndexFlags::default(),
            op_barrier: false,
            op_pipeline: false,
            inst_tma: false,
            inst_tma_im2col: false,
            inst_wmma: false,
            inst_ptx_wrappers: false,
            inst_async_copy: false,
            use_grid_constants: true,
            static_meta_length: 0,
            has_dynamic_meta: false,
            has_info: false,
            cube_dim,
            cluster_dim: None,
            address_type,
        },
        items: Default::default(),
        kernel_name: ENTRY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(threads: u32, value: u32) -> Source {
        Source { file: REDUCE, defines: vec![("OUT_F32", value)], threads, shared_bytes: 1000 }
    }

    #[test]
    fn identities_differ_where_the_compiled_kernel_does() {
        assert_eq!(source(32, 0).id(), source(32, 0).id());
        assert_ne!(source(32, 0).id(), source(32, 1).id());
        assert_ne!(source(32, 0).id(), source(64, 0).id());
        assert_ne!(digest(GEMM.digest, "a"), digest(GEMM.digest, "b"));
    }

    #[test]
    fn cubecl_is_told_the_text_and_the_shared_memory() {
        let compiled = source(256, 1)
            .compile(
                &mut Default::default(),
                &Default::default(),
                ExecutionMode::Checked,
                AddressType::U32.unsigned_type(),
            )
            .unwrap_or_else(|error| panic!("a text is never refused: {error:?}"));
        assert!(compiled.source.contains("#define OUT_F32 1\n"));
        assert!(compiled.source.contains(&format!("#define SIGIL_ENTRY {ENTRY}\n")));
        let kernel = compiled.repr.expect("CubeCL's CUDA server unwraps it");
        assert_eq!(kernel.shared_memory_size(), 1000);
    }
}
