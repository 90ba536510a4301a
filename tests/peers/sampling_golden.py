"""Writes tests/fixtures/sampling/transformers.json: what transformers' own processors keep.

    pip install torch transformers
    python tests/peers/sampling_golden.py > tests/fixtures/sampling/transformers.json

Each case holds logits, the tokens so far, settings, and the probabilities (f32) after repetition
penalty, temperature, top-k, top-p and min-p in the order in which `generate` applies them.
"""

import json

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

SETTINGS = [
    (1.0, 0, 1.0, 0.0, 1.0),
    (0.7, 0, 0.9, 0.0, 1.0),
    (1.3, 10, 1.0, 0.0, 1.0),
    (0.8, 0, 1.0, 0.1, 1.0),
    (1.0, 0, 0.5, 0.0, 1.3),
    (0.9, 20, 0.95, 0.02, 1.1),
    (2.0, 5, 0.8, 0.3, 0.8),
    (1.0, 1, 0.1, 0.0, 1.0),
]


def main():
    torch.manual_seed(0)
    cases = []
    for temperature, top_k, top_p, min_p, penalty in SETTINGS:
        logits = (torch.randn(1, 60) * 3).round(decimals=3)
        seen = torch.randint(0, 60, (1, 12))
        steps = LogitsProcessorList()
        if penalty != 1.0:
            steps.append(RepetitionPenaltyLogitsProcessor(penalty))
        if temperature != 1.0:
            steps.append(TemperatureLogitsWarper(temperature))
        if top_k:
            steps.append(TopKLogitsWarper(top_k))
        if top_p < 1.0:
            steps.append(TopPLogitsWarper(top_p))
        if min_p:
            steps.append(MinPLogitsWarper(min_p))
        kept = torch.softmax(steps(seen, logits.clone()), dim=-1)[0]
        cases.append({
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
            "repetition_penalty": penalty,
            "logits": [round(x, 3) for x in logits[0].tolist()],
            "seen": seen[0].tolist(),
            "probabilities": [float(f"{x:.8g}") for x in kept.tolist()],
        })
    print("[" + ",\n".join(json.dumps(case) for case in cases) + "]")


if __name__ == "__main__":
    main()
