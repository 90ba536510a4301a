"""Reads TensorBoard event files with TensorBoard's own reader and prints what it sees as JSON.

    pip install tensorboard
    python read_tensorboard.py RUN/tensorboard          # {"tags": {"train/loss": [[step, value], ..]}}
    python read_tensorboard.py --write-golden FILE      # the golden file of the sigil-run tests

The golden file is what the tensorboard package (2.21) writes for the events in `golden_events`;
`crates/sigil-run/tests/event_files.rs` writes the same events and compares the bytes.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import (
    SCALARS,
    TENSORS,
    EventAccumulator,
)
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def read(folder):
    accumulator = EventAccumulator(folder, size_guidance={SCALARS: 0, TENSORS: 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {
        "tags": {
            tag: [[event.step, event.value] for event in accumulator.Scalars(tag)]
            for tag in sorted(tags)
        }
    }


def golden_events():
    time = 1_600_000_000.25
    yield Event(wall_time=time, file_version="brain.Event:2")
    yield Event(wall_time=time, step=5, session_log=SessionLog(status=SessionLog.START))
    values = [("train/loss", 1.75), ("train/learning_rate", 1e-4), ("eval/loss", 0.0)]
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values])
    yield Event(wall_time=time + 1, step=300, summary=summary)
    long_tag = "train/" + "x" * 200
    summary = Summary(value=[Summary.Value(tag=long_tag, simple_value=-3.5)])
    yield Event(wall_time=time + 2, step=0, summary=summary)


def write_golden(path):
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in golden_events():
            writer.write(event.SerializeToString())
        writer.flush()


if __name__ == "__main__":
    if sys.argv[1] == "--write-golden":
        write_golden(sys.argv[2])
    else:
        json.dump(read(sys.argv[1]), sys.stdout, indent=1, allow_nan=True)
        print()
