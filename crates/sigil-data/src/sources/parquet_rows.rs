//! Rows from parquet.
//!
//! Is: the projection to the columns that matter, and their conversion to text. Is not: predicate
//! push-down. Next: `columns.rs`.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use super::SourceError;
use super::columns::Misfit;
use super::read::{Intake, misfit};
use crate::rows::Origin;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 512;

/// Reads one parquet file.
pub(super) fn read(path: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    // The parquet crate still panics on some damaged files. Nothing of it is used after a panic,
    // and the rows taken before are discarded with the error.
    std::panic::catch_unwind(AssertUnwindSafe(|| read_file(path, intake)))
        .unwrap_or_else(|_| Err(bad(path, "the file is damaged")))
}

fn read_file(path: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let file =
        File::open(path).map_err(|source| SourceError::Io { path: path.to_owned(), source })?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| bad(path, error))?;
    let schema = builder.schema().clone();
    let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let wanted = intake.settings.columns.wanted();
    let roots = (0..names.len()).filter(|&index| wanted.iter().any(|name| name == names[index]));
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    names.sort_unstable();
    let found = names.join(", ");
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| bad(path, error))?;
    let file = intake.shown(path);
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|error| bad(path, error))?;
        let columns = columns_of(path, &batch)?;
        for index in 0..batch.num_rows() {
            row += 1;
            let fields: Map<String, Value> =
                columns.iter().map(|(name, column)| (name.clone(), column.value(index))).collect();
            let origin = Origin { source: intake.source.clone(), file: file.clone(), row };
            let fitted = intake.settings.columns.fit(&fields, origin).map_err(|error| {
                let all = |error| match error {
                    Misfit::NoColumns(_) => Misfit::NoColumns(found.clone()),
                    other => other,
                };
                misfit(path, row, all(error))
            })?;
            intake.take(fitted);
        }
    }
    Ok(())
}

/// A column in the form that rows are made of.
enum Column {
    Text(ArrayRef),
    Number(ArrayRef),
    /// Lists, structs and the like: present, but neither text nor number.
    Other(ArrayRef),
}

impl Column {
    fn value(&self, index: usize) -> Value {
        match self {
            Self::Text(array) | Self::Number(array) | Self::Other(array)
                if array.is_null(index) =>
            {
                Value::Null
            }
            Self::Text(array) => Value::from(array.as_string::<i64>().value(index)),
            Self::Number(array) => Value::from(array.as_primitive::<Float64Type>().value(index)),
            Self::Other(_) => Value::Array(Vec::new()),
        }
    }
}

fn columns_of(path: &Path, batch: &RecordBatch) -> Result<Vec<(String, Column)>, SourceError> {
    let schema = batch.schema();
    schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| {
            let to = |kind| cast(array, &kind).map_err(|error| bad(path, error));
            let column = match text_kind(field.data_type()) {
                true => Column::Text(to(DataType::LargeUtf8)?),
                false if field.data_type().is_numeric() => Column::Number(to(DataType::Float64)?),
                false => Column::Other(array.clone()),
            };
            Ok((field.name().clone(), column))
        })
        .collect()
}

fn text_kind(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => text_kind(values),
        _ => false,
    }
}

fn bad(path: &Path, reason: impl std::fmt::Display) -> SourceError {
    SourceError::BadParquet { path: path.to_owned(), reason: reason.to_string() }
}
