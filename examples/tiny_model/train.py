"""Train the tiny model and save it as a Hugging Face checkpoint.

One command, one CPU thread, a few minutes:

    python examples/tiny_model/train.py
"""

from __future__ import annotations

import argparse
import itertools
import math
import string
from collections.abc import Iterable
from pathlib import Path

import torch
from arithmetic import Problem, training_problems
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
PRINTABLE = sorted(string.digits + string.ascii_letters + string.punctuation)
# A space is kept as "▁", the way of SentencePiece, which is how llama.cpp looks it up.
VOCABULARY = [*SPECIAL, "\n", "▁", *PRINTABLE]

CONTEXT = 2048  # far more than it was trained on, so that a long prompt gets a bad reply, not none
STEPS = 2700
WARM_UP = 200
BATCH = 256
PEAK_LEARNING_RATE = 3e-3
IGNORED = -100  # the label that the loss leaves out


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character, and ``<bos>`` in front.

    A unigram model without any longer piece is the one kind that transformers and
    llama.cpp read alike *and* that has an unknown token in both, so that a foreign
    character is neither dropped by one nor refused by the other.
    """
    tokenizer = Tokenizer(models.Unigram([(piece, 0.0) for piece in VOCABULARY], unk_id=3))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Replace("▁", " ")
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", VOCABULARY.index("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )


def build_model() -> LlamaForCausalLM:
    """137,792 parameters in the Llama architecture, which every engine runs."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=64,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=2,  # heads of 32: the smallest that vLLM has a kernel for
            max_position_embeddings=CONTEXT,
            initializer_range=0.05,
            tie_word_embeddings=True,
            pad_token_id=VOCABULARY.index("<pad>"),
            bos_token_id=VOCABULARY.index("<bos>"),
            eos_token_id=VOCABULARY.index("<eos>"),
        )
    )


def make_batch(
    tokenizer: PreTrainedTokenizerFast, problems: Iterable[Problem]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels of whole texts, such as ``<bos>12+34=46<eos>``.

    The operands are learnt too, though nobody can guess them: trained on the answers
    alone, the model got fewer than half as many of the three-digit sums right.
    """
    texts = [problem.prompt + problem.answer + tokenizer.eos_token for problem in problems]
    # Right padding needs no attention mask: attention only looks to the left.
    ids = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    return ids, ids.masked_fill(ids == tokenizer.pad_token_id, IGNORED)


def learning_rate(step: int) -> float:
    """A linear warm-up, then half a cosine down to nothing, as a share of the peak."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP)))


def train(seed: int) -> LlamaForCausalLM:
    """Train from scratch; the same seed gives the same stream and the same first weights."""
    torch.manual_seed(seed)
    tokenizer, model = build_tokenizer(), build_model()
    problems = training_problems(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.1
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate)
    model.train()
    for step in range(1, STEPS + 1):
        ids, labels = make_batch(tokenizer, itertools.islice(problems, BATCH))
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step:5}  loss {loss.item():.4f}", flush=True)
    return model.eval()


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write the checkpoint in bf16, readable by everyone."""
    model.to(torch.bfloat16).save_pretrained(folder)
    # A new one: one that has been used would save the padding it was last asked for.
    build_tokenizer().save_pretrained(folder)
    config = folder / "tokenizer_config.json"
    # transformers 5 writes a name that transformers 4 does not know; both know the older one.
    text = config.read_text(encoding="utf-8").replace(
        "TokenizersBackend", "PreTrainedTokenizerFast"
    )
    config.write_text(text, encoding="utf-8")
    for file in folder.iterdir():
        file.chmod(0o644)  # save_pretrained makes the weights private to their owner


def main() -> None:
    """Read the command line, train, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # One thread: more do not help so small a model, and would make the sums of
    # floats depend on the machine.
    torch.set_num_threads(1)
    save(train(options.seed), options.out)


if __name__ == "__main__":
    main()
