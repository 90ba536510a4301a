"""Puts a run folder's curves into Weights and Biases, with its own package; sigil itself sends nothing.

    pip install wandb
    python wandb_from_run.py out/quickstart --project sigil              # sends at once
    python wandb_from_run.py out/quickstart --project sigil --offline    # writes wandb/offline-run-…
    wandb sync wandb/offline-run-…                                       # and sends that later

Every row of `metrics.jsonl` becomes one `log` at its step; judged rows of `evaluations.jsonl` follow as
`judge/…` over an axis of their own, since they come later than the steps they belong to. The settings go
along as the run's config. The run's id is made of its folder's record, so that sending again after more
training goes on in the same run. With `--offline` the file that would be sent is read back with the
package's own messages, and every value has to be in it.

`wandb sync --sync-tensorboard`, which took event files, is no more: wandb 0.31 refuses it by name.
"""

import argparse
import hashlib
import json
import math
import pathlib
import tomllib

import wandb

AXIS = "judge/step"


def rows(path):
    """Whole lines of a file of rows; the last one may be torn while the run is going on."""
    found = []
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return found


def numbers(row):
    values = {k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "step"}
    # Rates of judged samples, and whatever else has a name of its own.
    return values | row.get("extra", {})


def records(path):
    """The records of a `.wandb` file: a head of 7 bytes, then LevelDB's log (blocks of 32 KiB)."""
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        # 1 is a whole record, 2 to 4 are its first, middle and last part.
        if kind in (1, 4):
            yield whole
            whole = b""


def read_back(folder):
    """The history in the file that `wandb sync` would send."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    history = []
    for data in records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            key = lambda item: item.key or "/".join(item.nested_key)
            history.append({key(i): json.loads(i.value_json) for i in record.history.item})
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--project", default="sigil")
    parser.add_argument("--offline", action="store_true")
    arguments = parser.parse_args()
    record = (arguments.run / "run.json").read_bytes()
    config = arguments.run / "config.toml"
    run = wandb.init(
        project=arguments.project,
        name=arguments.run.resolve().name,
        id=hashlib.sha256(record).hexdigest()[:16],
        resume=None if arguments.offline else "allow",
        mode="offline" if arguments.offline else "online",
        config=tomllib.loads(config.read_text()) if config.is_file() else {},
        settings=wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off"),
    )
    run.define_metric("judge/*", step_metric=AXIS)
    trained = rows(arguments.run / "metrics.jsonl")
    judged = rows(arguments.run / "evaluations.jsonl")
    steps = {}
    for row in trained:
        # A step may have a row of training and one of evaluation.
        steps.setdefault(row["step"], {}).update(numbers(row))
    for step, values in sorted(steps.items()):
        run.log(values, step=step)
    for place, row in enumerate(judged, max(steps, default=0) + 1):
        run.log({AXIS: row["step"]} | numbers(row), step=place)
    folder = pathlib.Path(run.dir).parent
    run.finish()
    # The package's own process writes the file; it has ended after this.
    wandb.teardown()
    print(f"{len(steps)} steps, {len(judged)} judged sets")
    if arguments.offline:
        history = read_back(folder)
        there = {entry["_step"]: entry for entry in history}
        same = lambda a, b: a == b or math.isclose(a, b, rel_tol=1e-12)
        for step, values in steps.items():
            for key, value in values.items():
                assert same(there[step][key], value), (step, key, value, there[step].get(key))
        for place, row in enumerate(judged, max(steps, default=0) + 1):
            for key, value in numbers(row).items():
                assert same(there[place][key], value), (row["step"], key, value)
        print(f"read back: all values are in {folder}")


if __name__ == "__main__":
    main()
