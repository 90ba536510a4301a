"""Times the training step of transformers + PEFT; `cargo xtask bench-train --python` starts it.

    pip install torch transformers peft bitsandbytes
    python bench_peft.py CASE THREADS SHAPE CONFIG

CASE is lora-f32 or qlora-nf4 (bitsandbytes, double quantization), SHAPE and CONFIG are JSON. It
says one line of JSON when the model is ready; each line with a number that it reads asks for that
many steps and is answered by one line of JSON; see xtask/src/bench_train/protocol.rs. Where a case
cannot run it says why and ends. SDPA attention, torch's AdamW (foreach), f32 throughout.
"""

import json
import os
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def say(answer):
    print(json.dumps(answer), flush=True)


def prepare(case, threads, shape, config):
    import peft
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.manual_seed(42)
    config = transformers.LlamaConfig(**config, attn_implementation="sdpa", use_cache=False)
    model = transformers.LlamaForCausalLM(config).float()
    versions = f"torch {torch.__version__.split('+')[0]}, peft {peft.__version__}"
    if case == "qlora-nf4":
        import bitsandbytes

        versions += f", bnb {bitsandbytes.__version__}"
        quantization = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            model = transformers.LlamaForCausalLM.from_pretrained(
                folder, quantization_config=quantization, dtype=torch.float32, device_map="cpu",
                attn_implementation="sdpa",
            )
        layers = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
        assert len(layers) == 7 * config.num_hidden_layers, len(layers)
        assert all(m.weight.dtype == torch.uint8 for m in layers), "not quantized"
    lora = peft.LoraConfig(
        r=shape["rank"], lora_alpha=shape["alpha"], lora_dropout=0.0, bias="none",
        target_modules="all-linear", task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(model, lora)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.dtype == torch.float32 for p in trained)
    optimizer = torch.optim.AdamW(
        trained, lr=shape["learning_rate"], weight_decay=shape["weight_decay"]
    )
    count = shape["sequences"] * shape["sequence_tokens"]
    ids = [(i * 7919 + 13) % shape["vocabulary"] for i in range(count)]
    ids = torch.tensor(ids).view(shape["sequences"], shape["sequence_tokens"])

    def step():
        begun = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        value = loss.item()
        with_gradients = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(trained, shape["max_grad_norm"])
        clipped = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ended = time.perf_counter()
        return value, {
            "forward_backward_ms": (with_gradients - begun) * 1e3,
            "clip_ms": (clipped - with_gradients) * 1e3,
            "optimizer_ms": (ended - clipped) * 1e3,
        }

    return versions, sum(p.numel() for p in trained), step


def peak_resident_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    case, threads, shape, config = sys.argv[1:]
    try:
        versions, trained, step = prepare(
            case, int(threads), json.loads(shape), json.loads(config)
        )
        step()
    except Exception as error:  # Whatever a library refuses with is the answer.
        reason = f"the peer cannot run this case: {type(error).__name__}: {error}"
        say({"implementation": "peer", "trained": 0, "unavailable": reason})
        return
    say({"implementation": versions, "trained": trained, "unavailable": None})
    for line in sys.stdin:
        loss, steps = float("nan"), []
        for _ in range(int(line)):
            loss, times = step()
            steps.append(times)
        answer = {"steps": steps, "loss": loss, "peak_resident_bytes": peak_resident_bytes()}
        say(answer)


if __name__ == "__main__":
    main()
