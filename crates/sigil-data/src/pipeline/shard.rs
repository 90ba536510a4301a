//! Rows as parquet bytes.
//!
//! Is: the columns of a cached row, which other tools can read too. Is not: names or folders of
//! files (`cache.rs`). Next: `cache.rs`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Schema, UInt32Type, UInt64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::rows::{Origin, Row, RowSplit};

const TEXTS: [&str; 9] =
    ["text", "prompt", "turns", "source", "file", "group", "task_type", "split", "extra"];

/// Writes rows.
pub(super) fn encode(rows: &[Row]) -> Result<Vec<u8>, String> {
    let json = |value: serde_json::Result<String>| value.expect("turns and extras are plain JSON");
    let texts: [Vec<Option<String>>; 9] = [
        rows.iter().map(|row| Some(row.text.clone())).collect(),
        rows.iter().map(|row| row.prompt.clone()).collect(),
        rows.iter()
            .map(|row| (!row.turns.is_empty()).then(|| json(serde_json::to_string(&row.turns))))
            .collect(),
        rows.iter().map(|row| Some(row.origin.source.to_string())).collect(),
        rows.iter().map(|row| Some(row.origin.file.to_string())).collect(),
        rows.iter().map(|row| Some(row.group.to_string())).collect(),
        rows.iter().map(|row| row.task_type.as_deref().map(str::to_owned)).collect(),
        rows.iter()
            .map(|row| (row.split == RowSplit::Evaluation).then(|| "val".to_owned()))
            .collect(),
        rows.iter()
            .map(|row| (!row.extra.is_empty()).then(|| json(serde_json::to_string(&row.extra))))
            .collect(),
    ];
    let mut fields: Vec<Field> =
        TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let mut columns: Vec<ArrayRef> =
        texts.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef).collect();
    fields.push(Field::new("row", DataType::UInt64, false));
    columns.push(Arc::new(rows.iter().map(|row| row.origin.row).collect::<UInt64Array>()));
    fields.push(Field::new("weight", DataType::Float32, false));
    columns.push(Arc::new(rows.iter().map(|row| row.weight).collect::<Float32Array>()));
    write(fields, columns)
}

/// Reads rows back.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut names = std::collections::BTreeMap::<String, Arc<str>>::new();
    let mut shared = |name: &str| match names.get(name) {
        Some(known) => Arc::clone(known),
        None => {
            let new: Arc<str> = Arc::from(name);
            names.insert(name.to_owned(), Arc::clone(&new));
            new
        }
    };
    for batch in read(bytes)? {
        let column = |name: &str| batch.column_by_name(name).ok_or(format!("no column `{name}`"));
        let text = |name: &str| {
            column(name)?.as_string_opt::<i32>().ok_or(format!("column `{name}` is no text"))
        };
        let texts = TEXTS.map(text);
        let numbers =
            column("row")?.as_primitive_opt::<UInt64Type>().ok_or("`row` is no number")?;
        let weights =
            column("weight")?.as_primitive_opt::<Float32Type>().ok_or("`weight` is no number")?;
        let mut arrays = Vec::with_capacity(TEXTS.len());
        for array in texts {
            arrays.push(array?);
        }
        for index in 0..batch.num_rows() {
            let cell = |column: usize| {
                let array = arrays[column];
                (!array.is_null(index)).then(|| array.value(index))
            };
            let parse = |error: serde_json::Error| error.to_string();
            let must = |column: usize| cell(column).ok_or(format!("`{}` is null", TEXTS[column]));
            rows.push(Row {
                text: must(0)?.to_owned(),
                prompt: cell(1).map(str::to_owned),
                turns: cell(2)
                    .map(serde_json::from_str)
                    .transpose()
                    .map_err(parse)?
                    .unwrap_or_default(),
                origin: Origin {
                    source: shared(must(3)?),
                    file: shared(must(4)?),
                    row: numbers.value(index),
                },
                group: shared(must(5)?),
                weight: weights.value(index),
                task_type: cell(6).map(&mut shared),
                split: if cell(7).is_some() { RowSplit::Evaluation } else { RowSplit::Train },
                extra: cell(8)
                    .map(serde_json::from_str)
                    .transpose()
                    .map_err(parse)?
                    .unwrap_or_default(),
            });
        }
    }
    Ok(rows)
}

/// Writes the order of a mixture.
pub(super) fn encode_order(order: &[u32]) -> Result<Vec<u8>, String> {
    let column: ArrayRef = Arc::new(UInt32Array::from(order.to_vec()));
    write(vec![Field::new("index", DataType::UInt32, false)], vec![column])
}

/// Reads the order of a mixture over `rows` rows.
pub(super) fn decode_order(bytes: Vec<u8>, rows: usize) -> Result<Vec<u32>, String> {
    let mut order = Vec::new();
    for batch in read(bytes)? {
        let column = batch.column_by_name("index").ok_or("no column `index`")?;
        let column = column.as_primitive_opt::<UInt32Type>().ok_or("`index` is no number")?;
        order.extend_from_slice(column.values());
    }
    match order.iter().find(|&&index| index as usize >= rows) {
        Some(index) => Err(format!("index {index} is past the {rows} rows")),
        None => Ok(order),
    }
}

fn write(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|e| told(&e))?;
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(|e| told(&e))?;
    writer.write(&batch).map_err(|e| told(&e))?;
    writer.into_inner().map_err(|e| told(&e))
}

fn read(bytes: Vec<u8>) -> Result<Vec<RecordBatch>, String> {
    // The parquet crate still panics on some damaged files. Nothing of it is used after a panic.
    std::panic::catch_unwind(|| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
            .map_err(|error| error.to_string())?;
        let reader = builder.build().map_err(|error| error.to_string())?;
        reader.map(|batch| batch.map_err(|error| error.to_string())).collect()
    })
    .unwrap_or_else(|_| Err("the file is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::{Role, Turn};

    fn rows() -> Vec<Row> {
        let mut chat = Row::plain("fn a() {}", Origin::new("s", "a.jsonl", 3), "g");
        chat.turns = vec![Turn::new(Role::User, "hi"), Turn::new(Role::Assistant, "fn a() {}")];
        chat.extra.insert("_source".to_owned(), "x".into());
        chat.weight = 0.25;
        let mut other = Row::plain("é", Origin::new("s", "b.rs", 0), "h");
        other.prompt = Some(String::new());
        other.task_type = Some("fix".into());
        other.split = RowSplit::Evaluation;
        vec![chat, other]
    }

    #[test]
    fn rows_and_orders_come_back() {
        assert_eq!(decode(encode(&rows()).expect("writes")).expect("reads"), rows());
        assert_eq!(decode(encode(&[]).expect("writes")).expect("reads"), []);
        let order = encode_order(&[1, 0, 1]).expect("writes");
        assert_eq!(decode_order(order.clone(), 2).expect("reads"), [1, 0, 1]);
        assert!(decode_order(order, 1).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(position in 0_usize..4000, value: u8, cut in 0_usize..4000) {
            let mut bytes = encode(&rows()).expect("writes");
            let position = position % bytes.len();
            bytes[position] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            drop(decode(bytes));
        }
    }
}
