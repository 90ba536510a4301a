//! Linear layers that read the same input, forward and backward: where all have a LoRA branch without
//! dropout the backend gets them in one call, so that it may read the input once for all branches.

use sigil_kernels::{
    AdaptedLayer, AdaptedOutput, FrozenMatrix, Kernels, LoraInput, Matrix, Vector,
};

use crate::{
    Parameters, Pass,
    linear::{Linear, LinearSaved, Lora},
};

/// Layers as one call, with what they borrow from.
struct Group<'a, B: Kernels, const N: usize> {
    branches: [&'a Lora; N],
    weights: [FrozenMatrix<B>; N],
    biases: [Option<Vector<B>>; N],
}

impl<'a, B: Kernels, const N: usize> Group<'a, B, N> {
    /// The layers, if every one has a branch that reads what the layer reads.
    fn of(linears: &'a [Linear<B>; N], parameters: &Parameters<B>, pass: &Pass) -> Option<Self> {
        let branches: Vec<&Lora> = linears
            .iter()
            .map(|linear| linear.lora.as_ref().filter(|lora| !lora.drops(pass)))
            .collect::<Option<_>>()?;
        let biases = linears.each_ref();
        Some(Self {
            branches: branches.try_into().ok()?,
            weights: linears.each_ref().map(|linear| linear.weight.matrix(parameters)),
            biases: biases.map(|linear| linear.bias.as_ref().map(|bias| bias.vector(parameters))),
        })
    }

    fn layers<'b>(&'b self, parameters: &'b Parameters<B>) -> [AdaptedLayer<'b, B>; N] {
        std::array::from_fn(|i| AdaptedLayer {
            weight: &self.weights[i],
            bias: self.biases[i].as_ref(),
            a: parameters.value(self.branches[i].a),
            b: parameters.value(self.branches[i].b),
            scale: self.branches[i].scaling,
        })
    }
}

/// [`Linear::forward`] of every layer.
///
/// # Shapes
/// `x [tokens, in_features]` to `[tokens, out_features]` of each.
pub(crate) fn forward<B: Kernels, const N: usize>(
    linears: &[Linear<B>; N],
    x: &Matrix<B>,
    parameters: &Parameters<B>,
    pass: &Pass,
) -> ([Matrix<B>; N], Vec<LinearSaved<B>>) {
    let results: Vec<(Matrix<B>, LinearSaved<B>)> = match Group::of(linears, parameters, pass) {
        Some(group) => B::adapted_linears(x, &group.layers(parameters))
            .into_iter()
            .map(|(y, saved)| (y, LinearSaved(Some(saved))))
            .collect(),
        None => linears.iter().map(|linear| linear.forward(x, parameters, pass, None)).collect(),
    };
    let (outputs, saved): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    (outputs.try_into().expect("every layer has one output"), saved)
}

/// [`Linear::backward`] of every layer; the gradients by `x` are added up.
pub(crate) fn backward<B: Kernels, const N: usize>(
    linears: &[Linear<B>; N],
    gradients: &[Matrix<B>; N],
    x: &Matrix<B>,
    saved: &[LinearSaved<B>],
    parameters: &mut Parameters<B>,
    pass: &Pass,
    wants_input: bool,
) -> Option<Matrix<B>> {
    let inputs: Option<Vec<&LoraInput<B>>> = saved.iter().map(|saved| saved.0.as_ref()).collect();
    // Without the gradient by `x` what is left to do is not what the call does.
    let group = if wants_input { Group::of(linears, parameters, pass) } else { None };
    let (Some(group), Some(inputs)) = (group, inputs) else {
        let parts = linears.iter().zip(gradients).zip(saved);
        return parts.fold(None, |dx, ((linear, dy), saved)| {
            linear.backward(dy, x, saved, parameters, pass, dx, wants_input)
        });
    };
    for (linear, dy) in linears.iter().zip(gradients) {
        linear.add_own_gradients(dy, x, parameters);
    }
    let parts = group.branches.iter().zip(gradients).zip(inputs);
    let outputs = parts.map(|((lora, dy), saved)| AdaptedOutput {
        dy,
        saved,
        da: parameters.take_gradient(lora.a),
        db: parameters.take_gradient(lora.b),
    });
    let outputs = outputs.collect();
    let (sums, dx) = B::adapted_linears_backward(x, &group.layers(parameters), outputs, None);
    for (lora, [da, db]) in group.branches.iter().zip(sums) {
        parameters.set_gradient(lora.a, da);
        parameters.set_gradient(lora.b, db);
    }
    dx
}

#[cfg(test)]
mod tests {
    use sigil_kernels::{Cpu, random};

    use super::*;
    use crate::linear::{Gain, Weight};

    const WIDTHS: [usize; 3] = [12, 5, 7];
    const RANKS: [usize; 3] = [4, 2, 3];
    const PASS: Pass = Pass { training: true, seed: 7, neftune_alpha: None };

    fn matrix(seed: u64, shape: [usize; 2]) -> Matrix<Cpu> {
        let values = (0..(shape[0] * shape[1]) as u64).map(|i| random::normal(seed, i)).collect();
        let data = burn::tensor::TensorData::new::<f32, _>(values, shape);
        Matrix::from_data(data, &Default::default())
    }

    /// Three layers with a trained bias in the second, and their parameters with gradients so far.
    fn linears(dropout: f32, last_has_lora: bool) -> ([Linear<Cpu>; 3], Parameters<Cpu>) {
        let mut parameters = Parameters::default();
        let layers = std::array::from_fn(|i| {
            let (seed, width, rank) = (10 * i as u64, WIDTHS[i], RANKS[i]);
            let mut trained = |name: &str, shape: [usize; 2]| {
                let id = parameters.add(format!("{name}{i}"), matrix(seed + 1, shape));
                if i != 1 {
                    parameters.set_gradient(id, matrix(seed + 2, shape));
                }
                id
            };
            let lora = Lora {
                a: trained("a", [rank, 9]),
                b: trained("b", [width, rank]),
                scaling: 0.5,
                dropout,
                index: i as u64,
            };
            let bias = trained("bias", [1, width]);
            Linear {
                weight: Weight::Frozen(FrozenMatrix::Dense(matrix(seed + 3, [width, 9]))),
                bias: (i == 1).then_some(Gain::Trained(bias)),
                lora: (i < 2 || last_has_lora).then_some(lora),
            }
        });
        (layers, parameters)
    }

    fn bits(x: &Matrix<Cpu>) -> Vec<u32> {
        x.to_data().iter::<f32>().map(f32::to_bits).collect()
    }

    #[test]
    fn a_group_is_its_layers_to_the_bit() {
        let x = matrix(100, [6, 9]);
        let gradients = WIDTHS.map(|width| matrix(width as u64, [6, width]));
        for (dropout, last_has_lora) in [(0.0, true), (0.5, true), (0.0, false)] {
            for wants_input in [true, false] {
                let (layers, mut parameters) = linears(dropout, last_has_lora);
                let grouped = Group::of(&layers, &parameters, &PASS).is_some();
                assert_eq!(grouped, dropout == 0.0 && last_has_lora);
                let (outputs, saved) = forward(&layers, &x, &parameters, &PASS);
                let mut own = parameters.clone();
                let dx =
                    backward(&layers, &gradients, &x, &saved, &mut parameters, &PASS, wants_input);
                let mut wanted = None;
                for (i, layer) in layers.iter().enumerate() {
                    let (y, saved) = layer.forward(&x, &own, &PASS, None);
                    assert_eq!(bits(&y), bits(&outputs[i]), "output {i}");
                    let dy = &gradients[i];
                    wanted = layer.backward(dy, &x, &saved, &mut own, &PASS, wanted, wants_input);
                }
                assert_eq!(dx.as_ref().map(bits), wanted.as_ref().map(bits));
                for (found, wanted) in parameters.iter().zip(own.iter()) {
                    let of = |one: &crate::Parameter<Cpu>| one.gradient.as_ref().map(bits);
                    assert_eq!(of(found), of(wanted), "{}", found.name);
                }
            }
        }
    }
}
