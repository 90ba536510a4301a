"""Loads an adapter made here with PEFT, without a warning, and compares its logits with ours.

    pip install torch transformers peft
    cargo xtask peft-logits --base BASE_FOLDER --adapter ADAPTER_FOLDER --out LOGITS.safetensors
    python peft_logits.py ADAPTER_FOLDER BASE_FOLDER LOGITS.safetensors [MERGED_FOLDER ...]

MERGED_FOLDERs are of `sigil-adapter merge` over the same base, in any type: transformers loads each by itself,
without PEFT, and its logits must be ours within what rounding every weight to that type explains.

LOGITS.safetensors holds `tokens` [n] i32 and `logits` [n, vocab] f32. Both sides compute in f32
over the same weights, so only the order of sums differs: 2e-5 of the largest logit, the limit of
the parity tests. The adapter must also matter: a base that ignored it would fail.
"""

import logging
import os
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

LARGEST_ALLOWED = 2e-5
# Of a merged model, by the type of its weights: root mean square over root mean square.
MERGED_ALLOWED = {"float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


class Collected(logging.Handler):
    """Keeps what the libraries log at warning level or above."""

    def __init__(self):
        super().__init__(level=logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(f"{record.name}: {record.getMessage()}")


def relative(found, wanted):
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def main():
    adapter, base, file, *folders = sys.argv[1:]

    import torch
    from peft import PeftModel, __version__ as peft_version
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, __version__ as transformers_version
    from transformers.utils import logging as logging_of_transformers

    logging_of_transformers.disable_progress_bar()
    # From here on: what the import of a library says about this machine is not about the adapter.
    collected = Collected()
    for name in ("transformers", "peft"):
        logging.getLogger(name).addHandler(collected)
    stored = load_file(file)
    tokens, ours = stored["tokens"].long()[None], stored["logits"]
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        without = model(tokens).logits[0]
        model = PeftModel.from_pretrained(model, adapter).eval()
        theirs = model(tokens).logits[0]
        model = model.merge_and_unload()
        merged = model(tokens).logits[0]
        own = {}
        for folder in folders:
            model = AutoModelForCausalLM.from_pretrained(folder).eval()
            dtype = str(model.config.dtype).removeprefix("torch.")
            # The weights as they are, computed in f32 like everything else here.
            own[folder] = dtype, model.float()(tokens).logits[0]

    assert theirs.dtype == torch.float32 and theirs.shape == ours.shape, (theirs.shape, ours.shape)
    difference = relative(ours, theirs)
    effect = relative(without, theirs)
    same = (ours.argmax(-1) == theirs.argmax(-1)).sum().item()
    print(f"torch {torch.__version__}, transformers {transformers_version}, peft {peft_version}")
    print(f"logits {list(ours.shape)}, largest {theirs.abs().max().item():.4f}")
    print(f"largest relative difference: {difference:.3e} (allowed {LARGEST_ALLOWED:.0e})")
    print(f"the same with the adapter merged by PEFT: {relative(ours, merged):.3e}")
    print(f"what the adapter changes: {effect:.3e}")
    print(f"most likely token equal at {same} of {len(ours)} positions")
    untrue = []
    for folder, (dtype, logits) in own.items():
        off = ((logits - theirs).square().mean() / theirs.square().mean()).sqrt().item()
        kept = ((logits - without) * (theirs - without)).sum() / (theirs - without).square().sum()
        allowed = MERGED_ALLOWED[dtype]
        same = (logits.argmax(-1) == theirs.argmax(-1)).sum().item()
        print(
            f"{folder} by transformers alone, {dtype}: off {off:.3e} (allowed {allowed:.0e}), "
            f"effect kept {kept.item():.4f}, likeliest token equal at {same} of {len(ours)}"
        )
        if not (off <= allowed and 0.8 < kept.item() < 1.2):
            untrue.append(f"{folder} computes something else")
    # A deprecation between these libraries is not about the adapter; PEFT's own are UserWarning.
    of_libraries = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    told = [w for w in caught if not issubclass(w.category, of_libraries)]
    problems = [f"warning: {w.category.__name__}: {w.message}" for w in told]
    problems += [f"logged: {message}" for message in collected.messages]
    problems += untrue
    if not difference <= LARGEST_ALLOWED:
        problems.append("the logits differ")
    if not effect > 100 * LARGEST_ALLOWED:
        problems.append("the adapter changes too little for this to show anything")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
