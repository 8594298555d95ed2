"""What the address of the Claims page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup

STEPS = {
    "prompt": "1 One prompt",
    "therefore": "2 “therefore”",
    "hidden": "3 Hidden states",
    "kv": "4 KV cache",
    "differences": "5 Differences",
    "claim": "6 Claim by claim",
}


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "claims"

    step: str = codec.choice("part", tuple(STEPS))
    claim: int = codec.whole("claim", 0, 999)
    """Its place in POST_CLAIMS."""
    setting: str = codec.choice("setting", ("post", "corrected"))
    eval_set: str = codec.text("set", "templates")

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", step="prompt")
