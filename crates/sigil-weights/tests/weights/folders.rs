//! Weight folders: sharded and single, damaged in every way that a download can be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use serde_json::json;
use sigil_weights::tensor_files::{TensorToWrite, write_safetensors};
use sigil_weights::{Dtype, WeightFiles, WeightsError};
use tempfile::{TempDir, tempdir};

const VALUES: [f32; 6] = [1.0, -2.5, 0.0, 3.0e-3, 65504.0, -0.125];

fn shard(tensors: &[TensorToWrite<'_>]) -> Vec<u8> {
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(tensors, &metadata).expect("consistent tensors")
}

/// Two shards with one tensor each, and their index.
fn sharded() -> TempDir {
    let folder = tempdir().expect("a folder");
    let half: Vec<bf16> = VALUES.iter().map(|value| bf16::from_f32(*value)).collect();
    let one = shard(&[TensorToWrite::f32("one", &[2, 3], &VALUES)]);
    let two = shard(&[TensorToWrite::bf16("two", &[6], &half)]);
    fs::write(folder.path().join("model-00001-of-00002.safetensors"), one).expect("room");
    fs::write(folder.path().join("model-00002-of-00002.safetensors"), two).expect("room");
    let index = json!({ "metadata": { "total_size": 36 }, "weight_map": {
        "one": "model-00001-of-00002.safetensors", "two": "model-00002-of-00002.safetensors",
    } });
    write_index(folder.path(), &index);
    folder
}

fn write_index(folder: &Path, index: &serde_json::Value) {
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).expect("room");
}

fn refused(folder: &Path) -> WeightsError {
    WeightFiles::open(folder).expect_err("it must be refused")
}

#[test]
fn shards_are_found_through_the_index() {
    let folder = sharded();
    let files = WeightFiles::open(folder.path()).expect("a whole folder");
    assert_eq!(files.names().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(files.files().count(), 2);
    assert_eq!(files.metadata()["format"], "pt");
    let one = files.get("one").expect("there");
    assert_eq!((one.dtype, one.shape, one.len()), (Dtype::F32, &[2, 3][..], 6));
    assert_eq!(one.to_f32().expect("f32"), VALUES);
    let rounded: Vec<f32> = VALUES.iter().map(|value| bf16::from_f32(*value).to_f32()).collect();
    assert_eq!(files.read_f32("two").expect("bf16"), rounded);
    files.release("two");
    files.release("no such tensor");
    assert_eq!(files.read_f32("two").expect("still there after release"), rounded);
    let narrow = files.read_bf16("one").expect("f32");
    assert_eq!(narrow.iter().map(|value| value.to_f32()).collect::<Vec<_>>(), rounded);
    let missing = files.get("three").expect_err("no such tensor");
    assert!(missing.to_string().contains("`three`"), "{missing}");
    one.expect_shape(&[3, 2]).expect_err("another shape");
}

#[test]
fn halves_are_widened_and_other_types_refused_by_name() {
    let folder = tempdir().expect("a folder");
    let halves: Vec<u8> =
        VALUES.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
    let tensors = [
        TensorToWrite { name: "h".into(), dtype: Dtype::F16, shape: vec![6], bytes: halves.into() },
        TensorToWrite {
            name: "i".into(),
            dtype: Dtype::I8,
            shape: vec![2],
            bytes: vec![1, 2].into(),
        },
    ];
    let file = folder.path().join("model.safetensors");
    fs::write(&file, shard(&tensors)).expect("room");
    let files = WeightFiles::open(folder.path()).expect("whole");
    let expected: Vec<f32> = VALUES.iter().map(|value| f16::from_f32(*value).to_f32()).collect();
    assert_eq!(files.read_f32("h").expect("f16"), expected);
    assert_eq!(files.read_bf16("h").expect("f16")[1], bf16::from_f32(-2.5));
    let error = files.read_f32("i").expect_err("not a float");
    assert!(error.to_string().contains("tensor `i`"), "{error}");
    assert!(error.to_string().contains("is I8, expected F32, F16 or BF16"), "{error}");
    assert!(WeightFiles::open(&file).expect("a file by itself").contains("h"));
}

#[test]
fn an_incomplete_folder_is_refused_at_once() {
    let empty = tempdir().expect("a folder");
    assert!(matches!(refused(empty.path()), WeightsError::NoWeights { other: None, .. }));
    fs::write(empty.path().join("pytorch_model.bin"), b"pickle").expect("room");
    let error = refused(empty.path());
    assert!(error.hint().is_some_and(|hint| hint.contains("safetensors")), "{error}");

    let folder = sharded();
    fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).expect("it is there");
    let error = refused(folder.path());
    assert!(matches!(&error, WeightsError::MissingShard { shard, .. } if shard.contains("00002")));

    let folder = sharded();
    let wrong = json!({ "weight_map": { "three": "model-00001-of-00002.safetensors" } });
    write_index(folder.path(), &wrong);
    let error = refused(folder.path());
    assert!(
        matches!(&error, WeightsError::NotInShard { tensor, .. } if tensor == "three"),
        "{error}"
    );

    for wrong in [json!({}), json!({ "weight_map": {} }), json!({ "weight_map": { "a": "../b" } })]
    {
        write_index(folder.path(), &wrong);
        assert!(matches!(refused(folder.path()), WeightsError::Index { .. }), "{wrong}");
    }
}

#[test]
fn a_file_cut_anywhere_or_with_a_damaged_header_is_refused() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    let whole = shard(&[TensorToWrite::f32("one", &[2, 3], &VALUES)]);
    for len in 0..whole.len() {
        fs::write(&file, &whole[..len]).expect("room");
        // The system refuses to map an empty file, the parser every other cut.
        let error = refused(folder.path());
        let named = matches!(&error, WeightsError::Damaged { path, .. } if *path == file);
        let unmapped = len == 0 && matches!(error, WeightsError::Read { .. });
        assert!(named || unmapped, "{len}: {error}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    let mut garbled = whole.clone();
    garbled[9] = b'!';
    let mut endless = whole;
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    for bytes in [longer, garbled, endless] {
        fs::write(&file, bytes).expect("room");
        let error = refused(folder.path());
        assert!(
            matches!(&error, WeightsError::Damaged { .. }) && error.hint().is_some(),
            "{error}"
        );
    }
}

#[test]
fn the_same_tensors_make_the_same_bytes_in_any_order() {
    let bytes = |name: &str| TensorToWrite {
        name: name.to_owned(),
        dtype: Dtype::U8,
        shape: vec![3],
        bytes: vec![1, 2, 3].into(),
    };
    let wide = TensorToWrite::f32("z", &[6], &VALUES);
    let one = shard(&[bytes("b"), wide.clone(), bytes("a")]);
    let two = shard(&[wide.clone(), bytes("a"), bytes("b")]);
    assert_eq!(one, two);
    let parsed = safetensors::SafeTensors::deserialize(&one).expect("the reference reader agrees");
    let at = |name: &str| {
        parsed.tensor(name).expect("there").data().as_ptr() as usize - one.as_ptr() as usize
    };
    assert!(at("z") < at("a") && at("a") < at("b"), "wide elements first, then by name");
    assert!(at("z").is_multiple_of(8), "data begins aligned");

    let metadata = BTreeMap::new();
    let twice = write_safetensors(&[bytes("a"), bytes("a")], &metadata).expect_err("two of a name");
    assert!(twice.to_string().contains("occurs twice"), "{twice}");
    let mut short = bytes("a");
    short.shape = vec![4];
    let short = write_safetensors(&[short], &metadata).expect_err("a byte is missing");
    assert!(short.to_string().contains("3 bytes for U8 of shape [4]"), "{short}");
}
