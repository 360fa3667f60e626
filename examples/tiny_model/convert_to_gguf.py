"""Convert the tiny model's checkpoint to the GGUF file that ships in the package.

One command, which needs gguf, numpy and safetensors but not torch:

    python examples/tiny_model/convert_to_gguf.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import safetensors

HERE = Path(__file__).parent
CHECKPOINT = HERE / "checkpoint"
PACKAGED = HERE.parents[1] / "pytest_modeleval" / "tiny" / "tiny.gguf"


def read_weights(checkpoint: Path) -> dict[str, np.ndarray]:
    """The weights by their Hugging Face names, widened to float32, which loses nothing."""
    weights = {}
    tensors = safetensors.deserialize((checkpoint / "model.safetensors").read_bytes())
    # Sorted, because they come in another order each time.
    for name, tensor in sorted(tensors, key=lambda named: named[0]):
        assert tensor["dtype"] == "BF16", f"{name} is {tensor['dtype']}, not BF16"
        # numpy has no bf16; its bits are the upper half of a float32's.
        bits = np.frombuffer(tensor["data"], np.uint16).astype(np.uint32) << 16
        weights[name] = bits.view(np.float32).reshape(tensor["shape"])
    return weights


def interleave_heads(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of a query or key projection.

    Hugging Face rotates the first half of a head against the second, llama.cpp each
    even row against the odd one after it.
    """
    halves = weight.reshape(heads, 2, -1, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def convert_weights(
    weights: dict[str, np.ndarray], config: dict[str, Any]
) -> dict[str, np.ndarray]:
    """The same numbers under llama.cpp's names and in its order of rows."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    converted = {}
    for name, weight in weights.items():
        if name.endswith("q_proj.weight"):
            weight = interleave_heads(weight, config["num_attention_heads"])
        elif name.endswith("k_proj.weight"):
            weight = interleave_heads(weight, config["num_key_value_heads"])
        converted[names.get_name(name, try_suffixes=(".weight",))] = weight
    return converted


def add_hyperparameters(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    """What llama.cpp needs to know to build the network."""
    writer.add_name("tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def add_tokenizer(writer: gguf.GGUFWriter, checkpoint: Path, config: dict[str, Any]) -> None:
    """The vocabulary, as the unigram tokenizer that llama.cpp knows from T5."""
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    unknown = tokenizer["model"]["unk_id"]

    def token_type(number: int, piece: str) -> gguf.TokenType:
        if number == unknown:
            return gguf.TokenType.UNKNOWN
        return gguf.TokenType.CONTROL if piece in special else gguf.TokenType.NORMAL

    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece for piece, _ in vocabulary])
    writer.add_token_scores([score for _, score in vocabulary])
    writer.add_token_types([token_type(i, piece) for i, (piece, _) in enumerate(vocabulary)])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_unk_token_id(unknown)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_remove_extra_whitespaces(False)


def convert(checkpoint: Path, out: Path) -> None:
    """Write the GGUF file; the same checkpoint gives the same bytes."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(out, "llama")
    add_hyperparameters(writer, config)
    add_tokenizer(writer, checkpoint, config)
    for name, weight in convert_weights(read_weights(checkpoint), config).items():
        if weight.ndim == 1:
            writer.add_tensor(name, weight)  # norms: llama.cpp multiplies by them in float32
        else:
            # Not bf16: llama.cpp rounds activations to the type of the weights, and with
            # the eight bits of bf16 a close call between two digits would turn.
            writer.add_tensor(name, weight.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    out.chmod(0o644)


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--out", type=Path, default=PACKAGED)
    options = parser.parse_args()
    convert(options.checkpoint, options.out)


if __name__ == "__main__":
    main()
