"""What the encoder of TinyBert.fs must say, by numpy alone in float64: python3 tests/Support/TinyBert.py

Written from the papers (Devlin et al. 2019; Reimers and Gurevych 2019), apart from BertText: weights by the formula in
TinyBert.fs, post-norm layers, exact gelu, the mean over the tokens that are there, unit length."""
import math
import numpy as np

width, hidden, layers, heads, context, kinds, vocabulary = 8, 16, 2, 2, 64, 2, 36
shapes = {
    "embeddings.word_embeddings.weight": (vocabulary, width),
    "embeddings.position_embeddings.weight": (context, width),
    "embeddings.token_type_embeddings.weight": (kinds, width),
    "embeddings.LayerNorm.weight": (width,),
    "embeddings.LayerNorm.bias": (width,),
}
for n in range(layers):
    for part, outputs, inputs in [
        ("attention.self.query", width, width),
        ("attention.self.key", width, width),
        ("attention.self.value", width, width),
        ("attention.output.dense", width, width),
        ("intermediate.dense", hidden, width),
        ("output.dense", width, hidden),
    ]:
        shapes[f"encoder.layer.{n}.{part}.weight"] = (outputs, inputs)
        shapes[f"encoder.layer.{n}.{part}.bias"] = (outputs,)
    for part in ["attention.output.LayerNorm", "output.LayerNorm"]:
        shapes[f"encoder.layer.{n}.{part}.weight"] = (width,)
        shapes[f"encoder.layer.{n}.{part}.bias"] = (width,)

weights = {}
for place, name in enumerate(sorted(shapes)):
    offset = 1.0 if name.endswith("LayerNorm.weight") else 0.0
    entries = np.arange(math.prod(shapes[name]))
    values = offset + 0.3 * np.sin(1.0 + 0.7 * place + 0.37 * entries)
    weights[name] = values.astype(np.float32).astype(np.float64).reshape(shapes[name])


def linear(name, x):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def norm(name, x):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return centred / deviation * weights[name + ".weight"] + weights[name + ".bias"]


gelu = np.vectorize(lambda x: 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0))))


def sentence(ids):
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    for n in range(layers):
        at = f"encoder.layer.{n}."
        q, k, v = (linear(at + "attention.self." + part, x) for part in ["query", "key", "value"])
        size, read = width // heads, []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            scores = q[:, own] @ k[:, own].T / math.sqrt(size)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            read.append(shares / shares.sum(-1, keepdims=True) @ v[:, own])
        x = norm(at + "attention.output.LayerNorm", x + linear(at + "attention.output.dense", np.concatenate(read, -1)))
        wide = gelu(linear(at + "intermediate.dense", x))
        x = norm(at + "output.LayerNorm", x + linear(at + "output.dense", wide))
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


for ids in [[2, 5, 15, 7, 6, 13, 12, 3], [2, 17, 3], [2, 16, 23, 9, 20, 3]]:
    print(ids, ", ".join(f"{value:.7f}" for value in sentence(ids)))
