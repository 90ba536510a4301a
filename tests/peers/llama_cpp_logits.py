"""Has llama.cpp itself compute what sigil exported, and compares with transformers' and PEFT's logits.

    pip install llama-cpp-python numpy safetensors      # builds llama.cpp; minutes
    python llama_cpp_logits.py target/release/sigil-adapter tests/fixtures/parity

For each family two models are exported in f32: the base, whose expected logits are transformers', and the
adapter onto the base's four bits, whose expected logits are those of PEFT over bitsandbytes. The fixtures
have no tokenizer, so one that only has names for their tokens is put beside them. Values in the cache are
f32, so that what is compared is the export and not llama.cpp's usual cache of f16. Every position's likeliest
token has to be the same, and logits within a thousandth of their largest.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy
from llama_cpp import Llama, __version__
from safetensors import safe_open

F32 = 0


def with_tokenizer(base, folder):
    """A copy of a base with names for its tokens."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    size = config["vocab_size"]
    vocabulary = {f"t{number}": number for number in range(size - 1)}
    tokenizer = {
        "added_tokens": [{"id": size - 1, "content": "</s>", "special": True}],
        "pre_tokenizer": {"type": "ByteLevel", "use_regex": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": ["t1 t2"]},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"eos_token": "</s>", "add_bos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def logits(file, rows):
    model = Llama(
        str(file), n_ctx=64, logits_all=True, type_k=F32, type_v=F32, n_threads=1, verbose=False
    )
    found = []
    for row in rows:
        model.reset()
        model.eval([int(token) for token in row])
        found.append(model.scores[: len(row)].copy())
    model.close()
    return numpy.stack(found)


def main():
    program, fixtures = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    worst = 0.0
    for family in sorted(path for path in fixtures.iterdir() if path.is_dir()):
        with safe_open(family / "expected.safetensors", "numpy") as file:
            names = ["input_ids", "attention_mask", "full.logits", "qlora.logits"]
            expected = {name: file.get_tensor(name) for name in names}
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            with_tokenizer(family / "base", work / "base")
            cases = [
                ("base", "full.logits", [work / "base"]),
                ("adapter", "qlora.logits", [family / "adapter", "--base", work / "base", "--onto", "nf4"]),
            ]
            for name, key, arguments in cases:
                file = work / f"{name}.gguf"
                command = [program, "export", *arguments, "--output", file, "--type", "f32"]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
                window = re.search(r"without its window of (\d+) tokens", said)
                found, wanted = logits(file, expected["input_ids"]), expected[key]
                # Behind the end of a row is filling, which only transformers masks.
                real = expected["attention_mask"] == 1
                if window:
                    # What the export says: there the two differ.
                    real[:, int(window[1]) :] = False
                found, wanted = found[real], wanted[real]
                off = float(numpy.abs(found - wanted).max() / numpy.abs(wanted).max())
                same = int((found.argmax(-1) == wanted.argmax(-1)).sum())
                worst, count = max(worst, off), len(wanted)
                print(f"{family.name:8} {name:8} off {off:.1e}, likeliest tokens {same} of {count}")
                assert off < 1e-3 and same == count, family.name
    print(f"llama-cpp-python {__version__}: largest difference {worst:.1e} of the largest logit")


if __name__ == "__main__":
    main()
