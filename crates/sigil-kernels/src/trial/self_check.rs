//! The CUDA C++ kernels against the plain version on small inputs, before they are trusted: a group that
//! disagrees on the card at hand is left out, and CubeCL's or Burn's kernels stand in.
//!
//! For the first moments of a program on a card. Hopper's warpgroup products come first, because the
//! other products stand in for them. A launch that fails is not caught here.

use std::fmt;

use burn::tensor::DType;

use super::parity::{ParityCase, parity_cases};
use crate::{
    Decoding,
    cuda::{Family, leave_out},
};

/// Largest error of bf16 results that is rounding.
const TOLERANCE: f64 = 2e-2;

/// A group of kernels that computed something else than the plain version; it is left out now.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The group.
    pub family: Family,
    /// The operation that showed it.
    pub operation: String,
    /// Its largest error, relative to the largest element.
    pub error: f64,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} of this build compute wrong numbers on this card ({}: error {:.1e}); slower ones \
             are used instead",
            self.family, self.operation, self.error
        )
    }
}

/// How the names of a group's operations begin.
fn operations(family: Family) -> &'static [&'static str] {
    match family {
        Family::Warpgroups => &["product Nt [300", "product Nn [300, 520] [520, 264]"],
        Family::Products => &["product Nt", "product Nn", "product Tn", "adapted linear"],
        Family::Attention => &["attention, heads of 64", "attention, heads of 128"],
        Family::Decoding => &[
            "rows of",
            "likeliest",
            "drawn",
            "attention over a cache, 8",
            "attention over a cache, 6",
        ],
        Family::Optimizer => &["AdamW and norm"],
        Family::Quantization => &["quantize"],
    }
}

/// Compares every group and leaves out those that disagree.
pub fn self_check<B: Decoding>(device: &B::Device) -> Vec<Disagreement> {
    let cases = parity_cases::<B>(device, DType::BF16, TOLERANCE);
    check(&cases, leave_out)
}

fn check(cases: &[ParityCase], leave_out: impl Fn(Family)) -> Vec<Disagreement> {
    let mut found = vec![];
    for family in Family::ALL {
        let names = operations(family);
        let own = cases.iter().filter(|case| names.iter().any(|name| case.name.starts_with(name)));
        for case in own {
            let error = (case.run)();
            if error <= case.tolerance {
                continue;
            }
            leave_out(family);
            found.push(Disagreement { family, operation: case.name.clone(), error });
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use super::*;
    use crate::Cpu;

    #[test]
    fn every_group_has_operations() {
        let cases = parity_cases::<Cpu>(&Default::default(), DType::F32, TOLERANCE);
        for family in Family::ALL {
            for name in operations(family) {
                let found = cases.iter().any(|case| case.name.starts_with(name));
                assert!(found, "{family}: {name}");
            }
        }
        // These kernels are not asked here, so none may disagree.
        assert_eq!(check(&cases, |family| panic!("{family}")), []);
    }

    #[test]
    fn a_wrong_group_is_left_out_and_the_one_that_stands_in_is_asked_again() {
        // Products are wrong as long as warpgroups are in; attention is wrong whatever is left out.
        let left: Rc<RefCell<BTreeSet<Family>>> = Rc::default();
        let case = |name: &str, error: Box<dyn Fn() -> f64>| ParityCase {
            name: name.to_owned(),
            tolerance: TOLERANCE,
            run: error,
        };
        let seen = Rc::clone(&left);
        let cases = [
            case(
                "product Nt [300, 264] [520, 264]",
                Box::new(
                    move || if seen.borrow().contains(&Family::Warpgroups) { 0.0 } else { 1.0 },
                ),
            ),
            case("attention, heads of 128, x", Box::new(|| f64::INFINITY)),
        ];
        let found = check(&cases, |family| {
            left.borrow_mut().insert(family);
        });
        let families: Vec<Family> = found.iter().map(|one| one.family).collect();
        assert_eq!(families, [Family::Warpgroups, Family::Attention]);
        assert!(found[1].to_string().contains("attention kernels"), "{}", found[1]);
    }
}
