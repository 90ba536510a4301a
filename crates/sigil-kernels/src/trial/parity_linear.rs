//! Linear layers with LoRA branches beside the plain version: cases of `parity.rs`.

use burn::tensor::DType;

use super::{
    inputs::{matrix, quantized, vector},
    parity::{cpu_matrix, error, worst},
};
use crate::{
    AdaptedLayer, AdaptedOutput, Cpu, FrozenMatrix, Kernels, Matrix, Product, Vector, plain,
};

const TOKENS: usize = 130;
const INTO: usize = 512;
const SCALE: f32 = 2.0;

/// The tensors of one layer on a backend.
struct Layer<B: Kernels> {
    weight: FrozenMatrix<B>,
    bias: Option<Vector<B>>,
    a: Matrix<B>,
    b: Matrix<B>,
    dy: Matrix<B>,
    /// Gradients so far.
    da: Option<Matrix<B>>,
    db: Option<Matrix<B>>,
}

impl<B: Kernels> Layer<B> {
    /// Layer `seed`, its matrices rounded to `dtype` as the kernels round them, so that only their
    /// arithmetic is compared; every other one has a bias and gradients that are added to.
    fn new(seed: u64, [out, rank]: [usize; 2], dtype: DType, device: &B::Device) -> Self {
        let seed = 100 * seed;
        let rounded = |at, shape| matrix::<B>(seed + at, shape, dtype, device).cast(DType::F32);
        let more = (seed / 100).is_multiple_of(2);
        Self {
            weight: FrozenMatrix::Quantized(quantized::<B>(seed, [out, INTO], device)),
            bias: more.then(|| vector::<B>(seed + 2, out, device)),
            a: rounded(3, [rank, INTO]),
            b: rounded(4, [out, rank]),
            dy: matrix::<B>(seed + 5, [TOKENS, out], dtype, device),
            da: more.then(|| rounded(6, [rank, INTO])),
            db: more.then(|| rounded(7, [out, rank])),
        }
    }

    fn borrowed(&self) -> AdaptedLayer<'_, B> {
        let Self { weight, bias, a, b, .. } = self;
        AdaptedLayer { weight, bias: bias.as_ref(), a, b, scale: SCALE }
    }
}

/// What a layer computes.
struct Results<B: Kernels> {
    y: Matrix<B>,
    da: Matrix<B>,
    db: Matrix<B>,
    dx: Matrix<B>,
}

impl Layer<Cpu> {
    /// One layer, forward and backward, with `sum` added to the output and `dx` to the gradient.
    fn plain(
        &self,
        x: &Matrix<Cpu>,
        sum: Option<Matrix<Cpu>>,
        dx: Option<Matrix<Cpu>>,
    ) -> Results<Cpu> {
        let Self { weight, bias, a, b, dy, da, db } = self;
        let mut y = plain::linear(x, weight, sum);
        if let Some(bias) = bias {
            y = plain::add_bias(y, bias);
        }
        let inner = plain::product(Product::Nt, x, a, 1.0, None);
        let y = plain::product(Product::Nt, &inner, b, SCALE, Some(y));
        let dx = plain::linear_backward(dy, weight, dx);
        let d_inner = plain::product(Product::Nn, dy, b, SCALE, None);
        Results {
            y,
            da: plain::product(Product::Tn, &d_inner, x, 1.0, da.clone()),
            db: plain::product(Product::Tn, dy, &inner, SCALE, db.clone()),
            dx: plain::product(Product::Nn, &d_inner, a, 1.0, Some(dx)),
        }
    }
}

/// One layer, added to an output and to a gradient.
pub(super) fn adapted_linear<B: Kernels>(device: &B::Device, dtype: DType) -> f64 {
    let (x, x_cpu) = (matrix::<B>(1, [TOKENS, INTO], dtype, device), cpu_input(dtype));
    let layer = Layer::<B>::new(1, [264, 16], dtype, device);
    let layer_cpu = Layer::<Cpu>::new(1, [264, 16], dtype, &Default::default());
    let Layer { weight, a, b, dy, .. } = &layer;
    let sum = Some(dy.clone());
    let (y, saved) = B::adapted_linear(&x, weight, None, &x, a, b, SCALE, sum);
    let dx = Some(x.clone());
    let (da, db, dx) =
        B::adapted_linear_backward(dy, weight, &x, &saved, a, b, SCALE, None, None, dx);
    let wanted = layer_cpu.plain(&x_cpu, Some(layer_cpu.dy.clone()), Some(x_cpu.clone()));
    worst([error(y, wanted.y), error(da, wanted.da), error(db, wanted.db), error(dx, wanted.dx)])
}

/// Three layers whose ranks differ.
pub(super) fn adapted_linears<B: Kernels>(device: &B::Device, dtype: DType) -> f64 {
    let (x, x_cpu) = (matrix::<B>(1, [TOKENS, INTO], dtype, device), cpu_input(dtype));
    let sizes = [(1, [264, 16]), (2, [64, 8]), (3, [128, 24])];
    let layers = sizes.map(|(seed, size)| Layer::<B>::new(seed, size, dtype, device));
    let borrowed = layers.each_ref().map(Layer::borrowed);
    let (outputs, saved): (Vec<_>, Vec<_>) = B::adapted_linears(&x, &borrowed).into_iter().unzip();
    let given = layers.iter().zip(&saved).map(|(layer, saved)| {
        let Layer { dy, da, db, .. } = layer;
        AdaptedOutput { dy, saved, da: da.clone(), db: db.clone() }
    });
    let (gradients, dx) =
        B::adapted_linears_backward(&x, &borrowed, given.collect(), Some(x.clone()));
    let mut dx_cpu = x_cpu.clone();
    let mut errors = vec![];
    for ((seed, size), (y, [da, db])) in sizes.into_iter().zip(outputs.into_iter().zip(gradients)) {
        let layer = Layer::<Cpu>::new(seed, size, dtype, &Default::default());
        let wanted = layer.plain(&x_cpu, None, Some(dx_cpu));
        errors.extend([error(y, wanted.y), error(da, wanted.da), error(db, wanted.db)]);
        dx_cpu = wanted.dx;
    }
    errors.push(dx.map_or(f64::INFINITY, |dx| error(dx, dx_cpu)));
    worst(errors)
}

fn cpu_input(dtype: DType) -> Matrix<Cpu> {
    cpu_matrix(1, [TOKENS, INTO], dtype)
}
