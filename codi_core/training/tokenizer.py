"""The bundled tokenizer: byte-level BPE trained on our problems, numbers 0–999 as single tokens, any text accepted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from codi_core.problems.generate import MAX_VALUE

BOS, EOS, PAD, BOT, EOT = "<|begin_of_text|>", "<|eot_id|>", "[PAD]", "<|bocot|>", "<|eocot|>"


def _splitter() -> pre_tokenizers.PreTokenizer:
    """Digits stand alone in groups of at most three, as in Llama 3, so that a number's token never carries a space."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )


def train_tokenizer(texts: Iterable[str], words: int) -> Tokenizer:
    """BPE with ``words`` byte-and-word tokens learnt from ``texts``, then the numbers 10–999, then the special tokens (bot, eot last).

    Words are learnt from the text between numbers; numbers are added whole, and `ignore_merges` finds them without merges.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _splitter()
    trainer = trainers.BpeTrainer(vocab_size=words, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    learner.train_from_iterator((piece for text in texts for piece in re.split(r"\d+", text)), trainer)
    learnt = json.loads(learner.to_str())["model"]
    vocab = dict(learnt["vocab"])
    for number in range(10, MAX_VALUE + 1):
        vocab[str(number)] = len(vocab)
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS, PAD, BOT, EOT])
    bos_id = token_id(tokenizer, BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, bos_id)])
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    assert found is not None, f"{token!r} is not a token of the bundled tokenizer"
    return int(found)


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the files every Hugging Face fast tokenizer is loaded from."""
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[BOT, EOT],
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
