"""The predecessor's rule function, ported to measure it and to compare decisions.

Reads rows (JSON lines with `path` and `content`), decides each with the two shipped
configurations, and prints the figures as JSON. Its patterns are the predecessor's, defects
included: `#[cfg\\(test\\)]` is a character class here as it was there.

    python3 predecessor_filter.py ROWS.jsonl [--original data_filters.py] [--parquet FILE]

With `--original`, every decision and reason is compared with that file's `filter_rust_code`. With
`--parquet`, the rows' contents are written to that file without paths, as its main data set has
them, and the way from parquet to kept rows is measured, too: `datasets` streaming one data set, each
row decided with its reason, as the predecessor's `stream_rust` does. Without `pyarrow` and
`datasets` that part is left out.
"""

import argparse
import importlib.util
import json
import re
import sys
import time
import types

VENDOR = re.compile(r"/(target|node_modules|vendor|__pycache__)/")
LOCK = re.compile(r"(Cargo\.lock)$")
TEST = re.compile(r"/tests?/|#[cfg\(test\)]")
BENCH = re.compile(r"/benches?/|#[cfg\(bench\)]")
EXAMPLE = re.compile(r"/examples?/")
DOCUMENTED = r"///|//!|/\*\*"
GOOD = [
    re.compile(pattern)
    for pattern in (
        r"\bResult<[^>]+>\s*\{",
        r"\bOption<[^>]+>\s*\{",
        r"\b\.unwrap_or\(|\.expect\(|\.map\(|\.and_then\(",
        r"#\[derive\([^)]+\)\]",
        r"impl\s+\w+\s+for\s+\w+",
        r"pub\s+(fn|struct|enum|trait|mod)\s+",
    )
]
BAD = [
    re.compile(r"TODO|FIXME|XXX|HACK", re.IGNORECASE),
    re.compile(r"println!\s*\(|dbg!\s*\("),
    re.compile(r"unsafe\s+\{"),
    re.compile(r"#\[allow\([^)]+\)\]"),
]

PRESETS = {
    "phase1": {"min_length": 64, "max_length": 200_000},
    "phase2": {
        "min_length": 128,
        "max_length": 100_000,
        "exclude_examples": True,
        "prefer_idiomatic": True,
        "prefer_documented": True,
    },
}


def idiomatic(code, ratio):
    good = sum(1 for pattern in GOOD if pattern.search(code))
    bad = sum(1 for pattern in BAD if pattern.search(code))
    return bool(code) and good > 0 and good >= bad * ratio


def decide(
    code,
    path,
    min_length,
    max_length,
    exclude_tests=True,
    exclude_examples=False,
    exclude_benches=True,
    prefer_idiomatic=False,
    prefer_documented=False,
    ratio=2.0,
):
    """Gives the reason, or `passed`."""
    if VENDOR.search(path) or LOCK.search(path):
        return "vendor_path"
    if exclude_tests and (TEST.search(path) or TEST.search(code)):
        return "test_file"
    if exclude_examples and EXAMPLE.search(path):
        return "example_file"
    if exclude_benches and BENCH.search(path):
        return "bench_file"
    if len(code) < min_length:
        return "too_short"
    if len(code) > max_length:
        return "too_long"
    if prefer_idiomatic and not idiomatic(code, ratio):
        return "not_idiomatic"
    if prefer_documented and not re.search(DOCUMENTED, code):
        return "no_documentation"
    return "passed"


def load_original(path):
    """Imports the original without the package that it reads data sets with."""
    stub = types.ModuleType("datasets")
    stub.load_dataset = stub.interleave_datasets = None
    sys.modules.setdefault("datasets", stub)
    spec = importlib.util.spec_from_file_location("original", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.filter_rust_code


def write_parquet(rows, path):
    """Writes the contents in the row groups and compression that the Hub's files have."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"content": [row["content"] for row in rows]})
    pyarrow.parquet.write_table(table, path, compression="snappy", row_group_size=1000)


def stream(path, options):
    """Yields kept rows, and counts the reasons of the others."""
    import datasets

    reasons = {}
    rows = datasets.load_dataset("parquet", data_files=path, split="train", streaming=True)
    for row in rows:
        code = row.get("content", "")
        reason = decide(code, row.get("path", ""), **options)
        if reason == "passed":
            yield {"text": code}
        else:
            reasons[reason] = reasons.get(reason, 0) + 1


def measure(work):
    """Gives the result of `work`, CPU seconds of all threads, and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def from_parquet(rows, path, bytes_judged):
    """Measures the way from parquet to kept rows; gives nothing where a package is missing."""
    if not (importlib.util.find_spec("pyarrow") and importlib.util.find_spec("datasets")):
        return []
    write_parquet(rows, path)
    figures = []
    # The first use imports the packages; that is not what is compared.
    sum(1 for _ in stream(path, PRESETS["phase1"]))
    for preset, options in PRESETS.items():
        kept, cpu, wall = measure(lambda: sum(1 for _ in stream(path, options)))
        figures.append(figure(preset, kept, bytes_judged, cpu, wall))
    return figures


def figure(preset, kept, bytes_judged, cpu, wall, differs=None):
    return {
        "preset": preset,
        "kept": kept,
        "bytes": bytes_judged,
        "cpu_secs": cpu,
        "wall_secs": wall,
        "differs_from_original": differs,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rows")
    parser.add_argument("--original")
    parser.add_argument("--parquet")
    arguments = parser.parse_args()
    with open(arguments.rows, encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    bytes_judged = sum(len(row["content"].encode()) for row in rows)
    original = load_original(arguments.original) if arguments.original else None
    function = []
    for preset, options in PRESETS.items():
        reasons, cpu, wall = measure(
            lambda: [decide(row["content"], row["path"], **options) for row in rows]
        )
        differs = None
        if original:
            theirs = [
                original(row["content"], row["path"], return_reason=True, **options)[1]
                for row in rows
            ]
            differs = sum(1 for ours, other in zip(reasons, theirs) if ours != other)
        function.append(figure(preset, reasons.count("passed"), bytes_judged, cpu, wall, differs))
    # The original was imported with a stub in the place of the real package.
    sys.modules.pop("datasets", None)
    end_to_end = from_parquet(rows, arguments.parquet, bytes_judged) if arguments.parquet else []
    json.dump({"function": function, "end_to_end": end_to_end}, sys.stdout)


if __name__ == "__main__":
    main()
