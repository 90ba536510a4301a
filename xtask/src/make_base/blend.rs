//! `cargo xtask make-base blend`: a model between a base and what a second phase made of it.
//!
//! Each weight is moved a share of the way from the one to the other: Wortsman et al., Robust fine-tuning
//! of zero-shot models, <https://arxiv.org/abs/2109.01903>. Less of the second phase, and less of what it
//! made the base forget, without another training.

use std::path::Path;

use half::bf16;
use sigil_weights::WeightFiles;

use super::export::model_file;

/// What must be the same in both folders.
const SHARED: [&str; 2] = ["config.json", "tokenizer.json"];

/// Writes to `out` the weights `(1 - share) * base + share * tuned`, summed in f32 and rounded once to bf16, and
/// the other files of `tuned`; returns the bytes of the weights.
///
/// # Errors
/// A share outside 0 to 1, a folder that cannot be read or written, models of other shapes or tokenizers.
pub(super) fn blend(base: &Path, tuned: &Path, share: f32, out: &Path) -> miette::Result<u64> {
    if !(0.0..=1.0).contains(&share) {
        return Err(miette::miette!("a share of {share}; it must be between 0 and 1"));
    }
    let open = |folder: &Path| {
        WeightFiles::open(&folder.join("model.safetensors"))
            .map_err(|error| miette::miette!("{error}"))
    };
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| miette::miette!("`{}`: {error}", path.display()))
    };
    for name in SHARED {
        if read(&base.join(name))? != read(&tuned.join(name))? {
            return Err(miette::miette!(
                help = "a second phase keeps the shape and the tokenizer of its base",
                "`{name}` in `{}` is not that in `{}`",
                tuned.display(),
                base.display()
            ));
        }
    }
    let (from, to) = (open(base)?, open(tuned)?);
    let mut tensors = vec![];
    for name in from.names() {
        let values = |files: &WeightFiles| {
            let view = files.get(name).map_err(|error| miette::miette!("{error}"))?;
            let values = view.to_f32().map_err(|error| miette::miette!("{error}"))?;
            Ok::<_, miette::Report>((view.shape.to_vec(), values))
        };
        let ((shape, start), (other, end)) = (values(&from)?, values(&to)?);
        if shape != other {
            return Err(miette::miette!(
                "`{name}` has shape {shape:?} in one, {other:?} in the other"
            ));
        }
        tensors.push((name.to_owned(), shape, mixed(&start, &end, share)));
    }
    let model = model_file(&tensors)?;
    std::fs::create_dir_all(out).map_err(|error| miette::miette!("{}: {error}", out.display()))?;
    let write = |name: &str, bytes: &[u8]| {
        sigil_run::atomic_write(out.join(name), bytes).map_err(|error| miette::miette!("{error}"))
    };
    for name in SHARED.into_iter().chain(["tokenizer_config.json"]) {
        write(name, &read(&tuned.join(name))?)?;
    }
    write("model.safetensors", &model)?;
    Ok(model.len() as u64)
}

fn mixed(start: &[f32], end: &[f32], share: f32) -> Vec<bf16> {
    let pairs = start.iter().zip(end);
    pairs.map(|(start, end)| bf16::from_f32((1.0 - share) * start + share * end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/sigil-base");
    const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/sigil-base-tasks");

    #[test]
    fn the_ends_are_the_two_models_and_the_middle_is_between() -> miette::Result<()> {
        let folder = tempfile::tempdir().map_err(|error| miette::miette!("{error}"))?;
        let model = |folder: &Path| std::fs::read(folder.join("model.safetensors")).ok();
        let (base, tasks) = (Path::new(BASE), Path::new(TASKS));
        for (share, same) in [(0.0, base), (1.0, tasks)] {
            let out = folder.path().join(share.to_string());
            blend(base, tasks, share, &out)?;
            assert!(model(&out).is_some());
            assert_eq!(model(&out), model(same), "at {share}");
        }
        assert_eq!(mixed(&[1.0, -2.0], &[3.0, 2.0], 0.25), [1.5, -1.0].map(bf16::from_f32));
        assert!(blend(base, tasks, f32::NAN, folder.path()).is_err());
        let other = folder.path().join("0");
        std::fs::write(other.join("config.json"), "{}").map_err(|e| miette::miette!("{e}"))?;
        for (tuned, says) in
            [(other.as_path(), "`config.json` in"), (folder.path(), "No such file")]
        {
            let error = blend(base, tuned, 0.5, folder.path()).expect_err("another model, none");
            assert!(error.to_string().contains(says), "{error}");
        }
        Ok(())
    }
}
