"""Makes rope_golden.json: rotary frequencies as transformers computes them on a CPU.

Needs torch and transformers 5.23; run it as `python rope_golden.py > rope_golden.json`.
"""

import importlib
import json

import torch
from transformers import LlamaConfig, Phi3Config, Qwen2Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

BASE = dict(
    vocab_size=64,
    hidden_size=256,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
)
SHORT = [1.0 + 0.03 * i for i in range(24)]
LONG = [1.0 + 1.7 * i for i in range(24)]
LONGROPE = dict(
    max_position_embeddings=131072,
    original_max_position_embeddings=4096,
    partial_rotary_factor=0.75,
    pad_token_id=0,
    rope_scaling=dict(type="longrope", short_factor=SHORT, long_factor=LONG),
)
LLAMA3 = dict(
    rope_type="llama3",
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=8192,
)
DYNAMIC = dict(max_position_embeddings=2048, rope_scaling=dict(type="dynamic", factor=2.0))
YARN = dict(type="yarn", factor=4.0, original_max_position_embeddings=32768)
MSCALE = dict(
    rope_type="yarn",
    factor=40.0,
    original_max_position_embeddings=4096,
    mscale=1.0,
    mscale_all_dim=0.707,
    beta_fast=16,
    beta_slow=2,
)
UNTRUNCATED = dict(
    rope_type="yarn",
    factor=32.0,
    original_max_position_embeddings=4096,
    truncate=False,
    attention_factor=1.25,
)

CASES = [
    ("default", LlamaConfig, dict(rope_theta=10000.0), 128),
    ("default theta 1e6", Qwen2Config, dict(rope_theta=1000000.0), 128),
    ("linear", LlamaConfig, dict(rope_theta=10000.0, rope_scaling=dict(type="linear", factor=4.0)), 128),
    (
        "llama 3.1",
        LlamaConfig,
        dict(
            rope_theta=500000.0,
            max_position_embeddings=131072,
            head_dim=128,
            rope_scaling=dict(factor=8.0, **LLAMA3),
        ),
        8192,
    ),
    (
        "llama 3.2",
        LlamaConfig,
        dict(
            rope_parameters=dict(rope_theta=500000.0, factor=32.0, **LLAMA3),
            max_position_embeddings=131072,
        ),
        8192,
    ),
    ("dynamic short", LlamaConfig, DYNAMIC, 1024),
    ("dynamic long", LlamaConfig, DYNAMIC, 8192),
    (
        "yarn qwen2.5",
        Qwen2Config,
        dict(rope_theta=1000000.0, max_position_embeddings=32768, rope_scaling=YARN),
        4096,
    ),
    ("yarn mscale", LlamaConfig, dict(max_position_embeddings=16384, rope_scaling=MSCALE), 4096),
    (
        "yarn untruncated",
        LlamaConfig,
        dict(max_position_embeddings=131072, rope_theta=150000.0, rope_scaling=UNTRUNCATED),
        4096,
    ),
    ("longrope short", Phi3Config, LONGROPE, 4096),
    ("longrope long", Phi3Config, LONGROPE, 4097),
    ("phi3 partial default", Phi3Config, dict(partial_rotary_factor=0.5, pad_token_id=0), 100),
]


def case(name, config_class, changes, max_len):
    written = {**BASE, **changes}
    # The class changes what it is given, so it gets a copy.
    config = config_class(**json.loads(json.dumps(written)))
    rope_type = config.rope_parameters["rope_type"]
    if rope_type == "default":
        module = importlib.import_module(config_class.__module__.replace("configuration", "modeling"))
        rotary = next(getattr(module, n) for n in dir(module) if n.endswith("RotaryEmbedding"))
        inv_freq, scaling = rotary.compute_default_rope_parameters(config)
    else:
        inv_freq, scaling = ROPE_INIT_FUNCTIONS[rope_type](config, torch.device("cpu"), seq_len=max_len)
    return dict(
        name=name,
        config={**written, "model_type": config_class.model_type},
        max_len=max_len,
        head_dim=getattr(config, "head_dim", None) or 64,
        attention_scaling=float(scaling),
        inv_freq_bits=inv_freq.float().view(torch.int32).tolist(),
    )


if __name__ == "__main__":
    print(json.dumps([case(*arguments) for arguments in CASES]))
