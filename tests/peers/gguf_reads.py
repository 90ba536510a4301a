"""Reads a GGUF file made here with llama.cpp's own `gguf` package and compares it with a model folder.

    pip install gguf numpy safetensors
    sigil-adapter merge ADAPTER --base BASE --dtype float32 --output MERGED
    sigil-adapter export ADAPTER --base BASE --type q8_0 --output MODEL.gguf
    python gguf_reads.py MODEL.gguf MERGED

Every tensor of MERGED must be in the file under llama.cpp's name for it (the package's own table), in
llama.cpp's order of rows (`LlamaModel.permute` of convert_hf_to_gguf.py), and, where it is not F32, be
bit for bit what the package's own quantization makes of it. The keys that llama.cpp needs to load the
architecture must be there, and the lists of the vocabulary must be of one length.
"""

import json
import pathlib
import sys

import gguf
import numpy
from safetensors.numpy import load_file


def permute(weights, heads):
    """The order in which llama.cpp rotates: pairs instead of halves."""
    shape = weights.shape
    half = weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return half.swapaxes(1, 2).reshape(shape)


def main():
    file, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    reader = gguf.GGUFReader(file)
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)

    def key(name):
        field = reader.fields.get(name)
        return None if field is None else field.contents()

    arch = key("general.architecture")
    wanted = {"mistral": "llama"}.get(config["model_type"], config["model_type"])
    assert arch == wanted, (arch, wanted)
    needed = {
        "block_count": config["num_hidden_layers"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "context_length": config["max_position_embeddings"],
    }
    for name, value in needed.items():
        assert key(f"{arch}.{name}") == value, (name, key(f"{arch}.{name}"), value)
    for name in ["attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.dimension_count"]:
        assert key(f"{arch}.{name}") is not None, name
    tokens = key("tokenizer.ggml.tokens")
    assert len(tokens) == config["vocab_size"], len(tokens)
    assert len(key("tokenizer.ggml.token_type")) == len(tokens)
    if key("tokenizer.ggml.model") == "llama":
        assert len(key("tokenizer.ggml.scores")) == len(tokens)
    else:
        assert key("tokenizer.ggml.merges") is not None
    assert key("tokenizer.ggml.pre")

    names = gguf.get_tensor_name_map(
        {name: a for a, name in gguf.MODEL_ARCH_NAMES.items()}[arch], config["num_hidden_layers"]
    )
    there = {tensor.name: tensor for tensor in reader.tensors}
    kinds = {}
    for name, value in tensors.items():
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        base, part = name.rsplit(".", 1)
        own = names.get_name(base)
        assert own is not None, f"llama.cpp has no name for {name}"
        tensor = there.pop(f"{own}.{part}")
        if arch == "llama" and ".q_proj" in name:
            value = permute(value, config["num_attention_heads"])
        if arch == "llama" and ".k_proj" in name:
            value = permute(value, config["num_key_value_heads"])
        kind = tensor.tensor_type
        kinds[kind.name] = kinds.get(kind.name, 0) + 1
        assert value.ndim > 1 or kind == gguf.GGMLQuantizationType.F32, (name, kind)
        made = gguf.quants.quantize(value.astype(numpy.float32), kind)
        found = numpy.asarray(tensor.data)
        assert found.tobytes() == made.tobytes(), f"{name} is not what `gguf` makes of it"
    factors = sorted(there)
    assert all(name.startswith("rope_") for name in factors), factors
    print(f"{file}: {arch}, {kinds}, {len(tokens)} tokens, factors {factors}: the same bit for bit")


if __name__ == "__main__":
    main()
