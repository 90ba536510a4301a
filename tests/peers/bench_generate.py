"""Times transformers' generate; `cargo xtask bench-generate --python` starts it.

    pip install torch transformers
    python bench_generate.py MODEL THREADS PROMPT_TOKENS NEW_TOKENS

It says one line of JSON when the model is ready; each line with a batch size that it reads asks for
one round and is answered by one line of JSON; see xtask/src/bench_generate/side.rs. Greedy, f32,
SDPA attention, a dynamic cache; no token ends a sequence. The time of the prompts is that of a
`generate` that stops after the first token.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def say(answer):
    print(json.dumps(answer), flush=True)


def prepare(folder, threads, prompt_tokens, new_tokens):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    model.generation_config = transformers.GenerationConfig(do_sample=False, pad_token_id=0)
    vocabulary = model.config.vocab_size

    def timed(ids, count):
        mask = torch.ones_like(ids)
        begun = time.perf_counter()
        out = model.generate(
            ids, attention_mask=mask, max_new_tokens=count, do_sample=False, eos_token_id=None
        )
        seconds = time.perf_counter() - begun
        assert out.shape[1] == ids.shape[1] + count, out.shape
        return seconds

    def one_round(batch):
        ids = [
            [(s * 31 + p * 7919 + 13) % vocabulary for p in range(prompt_tokens)]
            for s in range(batch)
        ]
        ids = torch.tensor(ids)
        with torch.inference_mode():
            prompt_secs = timed(ids, 1)
            all_secs = timed(ids, new_tokens)
        return {
            "prompt_tokens": batch * prompt_tokens,
            "prompt_secs": prompt_secs,
            "decoded_tokens": batch * (new_tokens - 1),
            "decode_secs": all_secs - prompt_secs,
            "peak_resident_bytes": peak_resident_bytes(),
        }

    versions = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"
    return versions, one_round


def peak_resident_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    folder, threads, prompt_tokens, new_tokens = sys.argv[1:]
    try:
        versions, one_round = prepare(folder, int(threads), int(prompt_tokens), int(new_tokens))
        one_round(1)
    except Exception as error:  # Whatever a library refuses with is the answer.
        reason = f"the peer cannot run: {type(error).__name__}: {error}"
        say({"implementation": "peer", "unavailable": reason})
        return
    say({"implementation": versions, "unavailable": None})
    for line in sys.stdin:
        say(one_round(int(line)))


if __name__ == "__main__":
    main()
