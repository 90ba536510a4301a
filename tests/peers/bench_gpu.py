"""Times the operations and the training step of `cargo xtask gpu run` in PyTorch on the same card.

    pip install torch transformers peft bitsandbytes trl
    python bench_gpu.py --stage peers --device cuda --shape llama8b [--from N] [--only TEXT]

`cargo xtask gpu run` starts it for the stages `peers` (operations and steps), `generate` (tokens a
second) and `learn` (a curve from the weights and tokens that our side has written). It says a line of
JSON before and after every case, as xtask/src/gpu/supervisor.rs reads them; a case that cannot run says
why and the next one follows. Operations are torch's own (cuBLAS, SDPA); steps are transformers + PEFT
over a frozen base with weights of the same shapes, in TRL's trainer (its loss in chunks) and in a loop
of their own: 4 bits where bitsandbytes is installed (double quantization, bf16 compute), else dense,
which the name of the case says. Packed sequences, one document each, no dropout, LoRA r 16 on all linear
layers, AdamW.
"""

import argparse
import gc
import json
import math
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

SHAPES = {
    "llama8b": (32, 4096, 14336, 32, 8, 128256, 128, "llama"),
    "qwen7b": (28, 3584, 18944, 28, 4, 152064, 128, "qwen2"),
    "qwen1b5": (28, 1536, 8960, 12, 2, 151936, 128, "qwen2"),
    "toy": (2, 64, 256, 2, 1, 1000, 32, "llama"),
}
ENOUGH_SECONDS = 0.5
WARMUP, STEPS = 2, 5


def say(line):
    print(json.dumps(line), flush=True)


class Cases:
    def __init__(self, first, only):
        self.index, self.first, self.only = -1, first, only

    def run(self, name, body):
        self.index += 1
        if self.index < self.first or self.only not in name:
            return
        say({"said": "begun", "index": self.index, "case": name})
        try:
            text, figures = body()
            ok = True
        except Exception as error:  # Whatever a library refuses with is the answer.
            text, figures, ok = f"{type(error).__name__}: {error}"[:400], {}, False
        say({"said": "ended", "index": self.index, "case": name, "ok": ok, "text": text,
             "figures": figures})


def operations(cases, torch, device, dtype, shape, tokens, document):
    layers, hidden, intermediate, heads, kv_heads, vocab, head_dim, _ = shape
    sync = torch.cuda.synchronize if device == "cuda" else lambda: None

    def timed(body, work=0.0, moved=0.0):
        for _ in range(3):
            body()
        sync()
        begun = time.perf_counter()
        body()
        sync()
        once = time.perf_counter() - begun
        repeats = max(1, min(50, int(ENOUGH_SECONDS / max(once, 1e-6))))
        begun = time.perf_counter()
        for _ in range(repeats):
            body()
        sync()
        seconds = (time.perf_counter() - begun) / repeats
        tera, giga = work / seconds / 1e12, moved / seconds / 1e9
        rate = f"{tera:8.2f} TFLOP/s" if work else f"{giga:8.1f} GB/s"
        return f"{seconds * 1e3:9.3f} ms  {rate}", {
            "ms": seconds * 1e3, "tflops": tera, "gb_per_s": giga, "repeats": repeats,
        }

    def new(*size):
        return torch.randn(*size, device=device, dtype=dtype)

    element = torch.finfo(dtype).bits / 8

    def copy():
        x = new(tokens, hidden)
        return timed(lambda: x + 1.0, moved=2 * x.numel() * element)

    cases.run(f"copy of [{tokens}, {hidden}]", copy)
    q, kv = heads * head_dim, kv_heads * head_dim
    products = [
        ("Nt", tokens, q, hidden, "q"), ("Nt", tokens, kv, hidden, "k"),
        ("Nt", tokens, intermediate, hidden, "gate"), ("Nt", tokens, hidden, intermediate, "down"),
        ("Nn", tokens, hidden, intermediate, "dx of gate"),
        ("Nn", tokens, intermediate, hidden, "dx of down"),
        ("Nt", tokens, 16, hidden, "LoRA x A"), ("Nn", tokens, 16, intermediate, "LoRA dy B"),
        ("Tn", intermediate, 16, tokens, "LoRA dB"), ("Tn", 16, hidden, tokens, "LoRA dA"),
    ]
    for kind, m, n, k, what in products:
        def product(kind=kind, m=m, n=n, k=k):
            a = new(k, m).t() if kind == "Tn" else new(m, k)
            b = new(n, k).t() if kind == "Nt" else new(k, n)
            return timed(lambda: a @ b, work=2.0 * m * n * k)

        cases.run(f"product {kind} {m} x {n} x {k} ({what})", product)

    pairs = tokens * (document + 1) / 2

    def attention(backward):
        import torch.nn.functional as functional

        count = tokens // document
        make = lambda h: new(count, h, document, head_dim).requires_grad_(backward)
        queries, keys, values = make(heads), make(kv_heads), make(kv_heads)
        forward = lambda: functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, enable_gqa=True)
        if not backward:
            return timed(forward, work=4.0 * pairs * q)
        out = forward()
        slope = torch.randn_like(out)
        inputs = (queries, keys, values)
        return timed(
            lambda: torch.autograd.grad(out, inputs, slope, retain_graph=True),
            work=10.0 * pairs * q)

    cases.run("attention forward", lambda: attention(False))
    cases.run("attention backward", lambda: attention(True))

    def head():
        x = new(tokens, hidden).requires_grad_()
        weight = new(vocab, hidden)
        targets = torch.arange(tokens, device=device) * 7919 % vocab

        def body():
            # In chunks of tokens, as everyone who trains with such a vocabulary does.
            for rows, wanted in zip(x.split(2048), targets.split(2048)):
                logits = (rows @ weight.t()).float()
                torch.nn.functional.cross_entropy(logits, wanted).backward()
            x.grad = None

        return timed(body, work=4.0 * tokens * vocab * hidden)

    cases.run("head and loss with gradient", head)


def steps(cases, torch, device, dtype, shape, shape_name, sequences, length, checkpointing, trl):
    layers, hidden, intermediate, heads, kv_heads, vocab, head_dim, family = shape
    import peft
    import transformers

    try:
        import bitsandbytes
    except ImportError:
        bitsandbytes = None
    base = "NF4" if bitsandbytes else "dense base, no bitsandbytes"
    kind = "checkpointed" if checkpointing else "not checkpointed"

    def base_model():
        transformers.utils.logging.disable_progress_bar()
        torch.manual_seed(42)
        name = "LlamaConfig" if family == "llama" else "Qwen2Config"
        config = getattr(transformers, name)(
            vocab_size=vocab, hidden_size=hidden, intermediate_size=intermediate,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
            head_dim=head_dim, max_position_embeddings=4096, rms_norm_eps=1e-5,
            tie_word_embeddings=shape_name == "qwen1b5", attn_implementation="sdpa",
            use_cache=False, dtype=dtype)
        # Drawn on the device, without torch's slow initialization of every matrix.
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        if bitsandbytes:
            quantized = bitsandbytes.nn.Linear4bit
            for parent in list(model.modules()):
                for key, module in list(parent.named_children()):
                    if type(module) is torch.nn.Linear and key != "lm_head":
                        weight = torch.randn(
                            module.out_features, module.in_features, dtype=dtype) * 0.02
                        linear = quantized(
                            module.in_features, module.out_features, bias=module.bias is not None,
                            compute_dtype=dtype, compress_statistics=True, quant_type="nf4")
                        linear.weight = bitsandbytes.nn.Params4bit(
                            weight, requires_grad=False, compress_statistics=True,
                            quant_type="nf4").to(device)
                        if module.bias is not None:
                            linear.bias = torch.nn.Parameter(
                                torch.zeros(module.out_features, dtype=dtype, device=device))
                        setattr(parent, key, linear)
        for parent in model.modules():
            for key, parameter in list(parent.named_parameters(recurse=False)):
                if parameter.is_meta:
                    value = torch.ones if parameter.dim() == 1 else torch.randn
                    new = value(parameter.shape, dtype=dtype, device=device)
                    new = new if parameter.dim() == 1 else new * 0.02
                    setattr(parent, key, torch.nn.Parameter(new, requires_grad=False))
        rotary = model.model.rotary_emb
        with torch.device(device):
            model.model.rotary_emb = type(rotary)(config=config)
        model.tie_weights()
        return model

    lora = peft.LoraConfig(
        r=16, lora_alpha=32, lora_dropout=0.0, bias="none", target_modules="all-linear",
        task_type="CAUSAL_LM")

    def tokens():
        ids = (torch.arange(sequences * length, device=device) * 7919 + 13) % vocab
        return ids.view(sequences, length)

    def report(seconds, losses, **besides):
        reserved = torch.cuda.max_memory_reserved() if device == "cuda" else 0
        rate = sequences * length / seconds
        figures = {
            "tokens_per_second": rate, "step_ms": seconds * 1e3, "used_bytes": reserved,
            "losses": losses, "torch": torch.__version__, "peft": peft.__version__,
            "transformers": transformers.__version__,
            "bitsandbytes": getattr(bitsandbytes, "__version__", None),
            "checkpointing": checkpointing, "tokens": sequences * length, **besides,
        }
        return (f"{rate:9.0f} tok/s  {seconds * 1e3:9.1f} ms  {reserved / 2**30:6.2f} GiB  "
                f"loss {losses[0]:.4f} to {losses[-1]:.4f}"), figures

    def loop():
        """A loop as short as can be, so that nothing but the libraries' steps is in it."""
        model = base_model()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        model = peft.get_peft_model(model, lora)
        model.train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0, fused=device == "cuda")
        ids, losses = tokens(), []

        def step():
            loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())

        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(WARMUP):
            step()
        begun = time.perf_counter()
        for _ in range(STEPS):
            step()
        return report((time.perf_counter() - begun) / STEPS, losses)

    def trainer():
        """TRL's trainer with its own loss in chunks, which is what its users run."""
        import tempfile

        import datasets
        import tokenizers
        from trl import SFTConfig, SFTTrainer
        import trl as library

        words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "<eos>": 1}, "<pad>"))
        words = transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
        rows = tokens().tolist() * (WARMUP + STEPS)
        ends, losses = [], []

        class Clock(transformers.TrainerCallback):
            def on_step_end(self, *_, **__):
                if device == "cuda":
                    torch.cuda.synchronize()
                ends.append(time.perf_counter())

            def on_log(self, arguments, state, control, logs=None, **__):
                losses.extend([logs["loss"]] if "loss" in (logs or {}) else [])

        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            arguments = SFTConfig(
                output_dir=folder, max_steps=WARMUP + STEPS, per_device_train_batch_size=sequences,
                max_length=length, packing=False, learning_rate=1e-3, weight_decay=0.0,
                lr_scheduler_type="constant", max_grad_norm=1.0, logging_steps=1, report_to="none",
                save_strategy="no", bf16=device == "cuda", use_cpu=device != "cuda",
                optim="adamw_torch_fused" if device == "cuda" else "adamw_torch",
                gradient_checkpointing=checkpointing, disable_tqdm=True,
                gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None)
            work = SFTTrainer(
                model=base_model(), args=arguments, peft_config=lora, processing_class=words,
                train_dataset=datasets.Dataset.from_dict({"input_ids": rows}), callbacks=[Clock()])
            # Standard output is for the protocol.
            work.remove_callback(transformers.PrinterCallback)
            work.train()
        seconds = (ends[-1] - ends[WARMUP - 1]) / STEPS
        return report(seconds, losses, trl=library.__version__)

    def cleaned():
        try:
            return trainer() if trl else loop()
        finally:
            gc.collect()
            if device == "cuda":
                torch.cuda.empty_cache()

    by = ", TRL" if trl else ""
    cases.run(f"{sequences} sequences of {length}, {kind}, {base}{by}", cleaned)


def drawn_model(torch, transformers, device, dtype, shape, shape_name, positions):
    """A causal model with drawn weights on the device, without torch's slow initialization."""
    layers, hidden, intermediate, heads, kv_heads, vocab, head_dim, family = shape
    name = "LlamaConfig" if family == "llama" else "Qwen2Config"
    config = getattr(transformers, name)(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=intermediate,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
        head_dim=head_dim, max_position_embeddings=positions, rms_norm_eps=1e-5,
        tie_word_embeddings=shape_name == "qwen1b5", attn_implementation="sdpa", dtype=dtype)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.to_empty(device=device)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.ones_(parameter)
        else:
            torch.nn.init.normal_(parameter, std=0.02)
    with torch.device(device):
        model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    model.tie_weights()
    return model.to(dtype).eval()


def generation(cases, torch, device, dtype, shape, shape_name):
    import transformers

    vocab = shape[5]
    prompt_tokens, new_tokens = (16, 8) if shape_name == "toy" else (128, 128)
    made = []
    sync = torch.cuda.synchronize if device == "cuda" else lambda: None

    def body(sequences):
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        if not made:
            made.append(drawn_model(torch, transformers, device, dtype, shape, shape_name,
                                    prompt_tokens + new_tokens))
        model = made[0]
        model.generation_config = transformers.GenerationConfig(do_sample=False, pad_token_id=0)
        ids = torch.tensor([[(s * 31 + p * 7919 + 13) % vocab for p in range(prompt_tokens)]
                            for s in range(sequences)], device=device)
        mask = torch.ones_like(ids)

        def timed(count):
            sync()
            begun = time.perf_counter()
            out = model.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False,
                                 eos_token_id=None)
            sync()
            assert out.shape[1] == prompt_tokens + count
            return time.perf_counter() - begun

        with torch.inference_mode():
            timed(4)
            prompts, everything = timed(1), timed(new_tokens)
        seconds = max(everything - prompts, 1e-9)
        rate = sequences * (new_tokens - 1) / seconds
        reserved = torch.cuda.max_memory_reserved() if device == "cuda" else 0
        figures = {
            "decode_tokens_per_second": rate, "sequences": sequences,
            "prompt_tokens_per_second": sequences * prompt_tokens / prompts,
            "prompt_tokens": prompt_tokens, "new_tokens": new_tokens, "used_bytes": reserved,
            "torch": torch.__version__, "transformers": transformers.__version__,
        }
        return (f"decode {rate:9.1f} tok/s  {seconds * 1e3 / (new_tokens - 1):8.3f} ms a token  "
                f"prompts {sequences * prompt_tokens / prompts:9.0f} tok/s  "
                f"{reserved / 2**30:6.2f} GiB"), figures

    for sequences in (1, 32, 256):
        cases.run(f"transformers, {sequences} sequences", lambda n=sequences: body(n))


def learning(cases, torch, device, dtype, out):
    import transformers

    folder = os.path.join(out, "learn-initial")

    def body():
        transformers.utils.logging.disable_progress_bar()
        with open(os.path.join(folder, "plan.json")) as file:
            plan = json.load(file)
        length, rows, steps, held_out = (plan[k] for k in ("length", "rows", "steps", "held_out"))
        ids = torch.frombuffer(bytearray(open(os.path.join(folder, "tokens.bin"), "rb").read()),
                               dtype=torch.int16).to(torch.int64).to(device)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa").to(device).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=plan["learning_rate"],
                                      betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1,
                                      fused=device == "cuda")

        def loss_of(first, count):
            inside = ids[first * length:(first + count) * length + 1]
            inputs, targets = inside[:-1].view(count, length), inside[1:]
            with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                logits = model(input_ids=inputs, use_cache=False).logits
            return torch.nn.functional.cross_entropy(logits.float().view(count * length, -1),
                                                     targets)

        def rate(step):
            warmup, most = plan["warmup"], plan["learning_rate"]
            if step < warmup:
                return most * (step + 1) / warmup
            done = (step - warmup) / (steps - warmup)
            return most * (0.55 + 0.45 * math.cos(done * math.pi))

        losses, begun = [], time.perf_counter()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            loss = loss_of(held_out + step * rows, rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            if step == 9:
                begun = time.perf_counter()
        seconds = time.perf_counter() - begun
        with torch.no_grad():
            parts = [(first, min(rows, held_out - first)) for first in range(0, held_out, rows)]
            loss = sum(loss_of(first, count).item() * count for first, count in parts) / held_out
        speed = (steps - 10) * rows * length / seconds
        figures = {"losses": losses, "held_out_loss": loss, "tokens_per_second": speed,
                   "torch": torch.__version__, "transformers": transformers.__version__}
        return (f"loss {losses[0]:.3f} to {losses[-1]:.3f}, held out {loss:.4f}; "
                f"{speed:.0f} tok/s"), figures

    cases.run("PyTorch, the same steps", body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage", default="peers", choices=("peers", "generate", "learn"))
    parser.add_argument("--out", default="out/gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", default="llama8b", choices=SHAPES)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    import torch

    shape = SHAPES[arguments.shape]
    toy = arguments.shape == "toy"
    dtype = torch.bfloat16 if arguments.device == "cuda" else torch.float32
    length = 64 if toy else 4096
    cases = Cases(arguments.first, arguments.only)
    if arguments.stage == "generate":
        return generation(cases, torch, arguments.device, dtype, shape, arguments.shape)
    if arguments.stage == "learn":
        return learning(cases, torch, arguments.device, dtype, arguments.out)
    operations(cases, torch, arguments.device, dtype, shape, 128 if toy else 16384, length)
    for sequences, checkpointing, trl in (
            (4, True, True), (4, True, False), (4, False, True), (4, False, False), (1, True, False)):
        steps(cases, torch, arguments.device, dtype, shape, arguments.shape, sequences, length,
              checkpointing, trl)


if __name__ == "__main__":
    main()
