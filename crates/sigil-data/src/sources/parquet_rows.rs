//! Rows from parquet.
//!
//! Is: the projection to the columns that matter, and their conversion to fields, lists and structs
//! included. Is not: predicate push-down. Next: `columns.rs`.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use serde_json::{Map, Value};

use super::SourceError;
use super::reader::{Item, PartRows, Place};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 512;
/// Deepest nesting of lists and structs that is looked at.
const MAX_DEPTH: usize = 8;

/// Reads one parquet file.
pub(super) fn read(place: Place) -> Result<PartRows, SourceError> {
    // The parquet crate still panics on some damaged files. Nothing of it is used after a panic.
    let opened = std::panic::catch_unwind(AssertUnwindSafe(|| open(&place)));
    let (reader, others) = opened.unwrap_or_else(|_| Err(damaged(&place.path)))?;
    Ok(Box::new(Rows {
        place,
        reader: Some(reader),
        others,
        batch: Vec::new().into_iter(),
        row: 0,
    }))
}

/// Opens a file, projected to the wanted columns; also returns the names of the others.
fn open(place: &Place) -> Result<(ParquetRecordBatchReader, Vec<String>), SourceError> {
    let path = &place.path;
    let file = File::open(path).map_err(|source| SourceError::Io { path: path.clone(), source })?;
    let options = ArrowReaderOptions::new();
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| bad(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, with_views(metadata));
    let schema = builder.schema().clone();
    let wants = |index: &usize| place.settings.columns.wants(schema.field(*index).name());
    let (wanted, others): (Vec<usize>, Vec<usize>) = (0..schema.fields().len()).partition(wants);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| bad(path, error))?;
    Ok((reader, others.into_iter().map(|index| schema.field(index).name().clone()).collect()))
}

/// Asks for text columns as views into the decompressed pages, which saves a copy of every row; a file
/// whose columns cannot be read that way stays as it is.
fn with_views(metadata: ArrowReaderMetadata) -> ArrowReaderMetadata {
    let as_view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        }
        _ => Arc::clone(field),
    };
    let schema = metadata.schema();
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(as_view).collect();
    let views = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(views);
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata)
}

struct Rows {
    place: Place,
    /// Taken away when the file turns out to be damaged.
    reader: Option<ParquetRecordBatchReader>,
    others: Vec<String>,
    batch: std::vec::IntoIter<Map<String, Value>>,
    row: u64,
}

impl Iterator for Rows {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut fields) = self.batch.next() {
                self.row += 1;
                if self.row == 1 {
                    // So that an error can name every column that the file has.
                    let others = self.others.iter();
                    fields.extend(others.map(|name| (name.clone(), Value::Null)));
                }
                return Some(Ok(self.place.fit(&mut fields, self.row, self.row == 1)));
            }
            let mut reader = self.reader.take()?;
            let path = &self.place.path;
            let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let batch = reader.next()?.map_err(|error| bad(path, error));
                Some(batch.and_then(|batch| rows_of(path, &batch)))
            }));
            match decoded {
                Err(_) => return Some(Err(damaged(path))),
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(Some(Ok(rows))) => self.batch = rows.into_iter(),
            }
            self.reader = Some(reader);
        }
    }
}

fn rows_of(path: &Path, batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, SourceError> {
    let mut rows = vec![Map::new(); batch.num_rows()];
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let values = values(array, 0).map_err(|error| bad(path, error))?;
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(field.name().clone(), value);
        }
    }
    Ok(rows)
}

/// Converts a column; what is neither text, number, list nor struct becomes an empty list, so that
/// it is present but of no use.
fn values(array: &ArrayRef, depth: usize) -> Result<Vec<Value>, arrow::error::ArrowError> {
    let present = |index: usize| !array.is_null(index);
    let to = |kind: &DataType| cast(array, kind);
    let rows = 0..array.len();
    let each = |value: &dyn Fn(usize) -> Value| -> Vec<Value> {
        rows.clone().map(|row| if present(row) { value(row) } else { Value::Null }).collect()
    };
    Ok(match array.data_type() {
        DataType::Utf8View => {
            let text = array.as_string_view();
            each(&|row| Value::from(text.value(row)))
        }
        kind if is_text(kind) => {
            let text = to(&DataType::LargeUtf8)?;
            let text = text.as_string::<i64>();
            each(&|row| Value::from(text.value(row)))
        }
        DataType::Boolean => {
            let flags = array.as_boolean();
            each(&|row| Value::from(flags.value(row)))
        }
        kind if kind.is_integer() && *kind != DataType::UInt64 => {
            let numbers = to(&DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            each(&|row| Value::from(numbers.value(row)))
        }
        kind if kind.is_numeric() => {
            let numbers = to(&DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            each(&|row| Value::from(numbers.value(row)))
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
            if depth < MAX_DEPTH =>
        {
            let field = match array.data_type() {
                DataType::List(field)
                | DataType::LargeList(field)
                | DataType::FixedSizeList(field, _) => field.clone(),
                _ => return Ok(vec![Value::Null; array.len()]),
            };
            let lists = to(&DataType::LargeList(field))?;
            let lists = lists.as_list::<i64>();
            let items = values(lists.values(), depth + 1)?;
            let offsets = lists.value_offsets();
            each(&|row| {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Array(items.get(range).unwrap_or_default().to_vec())
            })
        }
        DataType::Struct(fields) if depth < MAX_DEPTH => {
            let columns = array.as_struct();
            let mut converted = Vec::with_capacity(fields.len());
            for (field, column) in fields.iter().zip(columns.columns()) {
                converted.push((field.name().clone(), values(column, depth + 1)?));
            }
            each(&|row| {
                let field = |(name, values): &(String, Vec<Value>)| {
                    (name.clone(), values.get(row).cloned().unwrap_or(Value::Null))
                };
                Value::Object(converted.iter().map(field).collect())
            })
        }
        _ => each(&|_| Value::Array(Vec::new())),
    })
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn bad(path: &Path, reason: impl std::fmt::Display) -> SourceError {
    SourceError::BadParquet { path: path.to_owned(), reason: reason.to_string() }
}

fn damaged(path: &Path) -> SourceError {
    bad(path, "the file is damaged")
}
