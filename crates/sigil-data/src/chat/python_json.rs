//! JSON as Python's `json.dumps(value, ensure_ascii=False)` writes it.
//!
//! Is: the `tojson` of transformers' templates: spaces after `,` and `:`, nothing escaped for HTML,
//! optional indentation. Is not: a general serializer. Next: `functions.rs`, which registers it.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Deepest nesting; values come from datasets.
const MAX_DEPTH: usize = 64;

/// Writes a value.
pub(super) fn dump(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let mut text = String::new();
    write(value, indent, 0, &mut text)?;
    Ok(text)
}

fn write(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            let items = keys.into_iter().map(|key| {
                let item = value.get_item(&key)?;
                Ok((Some(key.to_string()), item))
            });
            write_all(items, ['{', '}'], indent, depth, out)?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.map(|item| Ok((None, item)));
            write_all(items, ['[', ']'], indent, depth, out)?;
        }
        _ => quote(&value.to_string(), out),
    }
    Ok(())
}

fn write_all(
    items: impl Iterator<Item = Result<(Option<String>, Value), Error>>,
    [open, close]: [char; 2],
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    out.push(open);
    let break_line = |depth: usize, out: &mut String| {
        if let Some(width) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width.min(16) * depth));
        }
    };
    let mut any = false;
    for item in items {
        let (key, value) = item?;
        if any {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        any = true;
        break_line(depth + 1, out);
        if let Some(key) = key {
            quote(&key, out);
            out.push_str(": ");
        }
        write(&value, indent, depth + 1, out)?;
    }
    if any {
        break_line(depth, out);
    }
    out.push(close);
    Ok(())
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string is JSON"));
}

#[cfg(test)]
mod tests {
    use minijinja::value::Serde;

    use super::*;

    #[test]
    fn writes_what_python_writes() {
        let value = Value::from(Serde(serde_json::json!({
            "a": [1, 2.5, "é<&>\n\"", true, null], "b": {}, "c": []
        })));
        assert_eq!(
            dump(&value, None).expect("plain values"),
            "{\"a\": [1, 2.5, \"é<&>\\n\\\"\", true, null], \"b\": {}, \"c\": []}"
        );
        assert_eq!(
            dump(&Value::from(Serde(serde_json::json!({"a": [1]}))), Some(2))
                .expect("plain values"),
            "{\n  \"a\": [\n    1\n  ]\n}"
        );
    }
}
