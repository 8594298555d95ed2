"""Which libraries a command imports: each costs every start of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from codi_core.settings import ROOT

HEAVY = (
    *(
        "torch",
        "torch._dynamo",
        "torch.distributed.tensor",
        "sympy",
        "transformers",
        "transformers.modeling_utils",
        "transformers.generation",
    ),
    *("pandas", "pyarrow", "scipy", "scipy.stats", "statsmodels", "plotly", "streamlit", "ray", "huggingface_hub.hf_api"),
)
RUNS = {"torch", "transformers", "huggingface_hub.hf_api"}
"""What running a model needs: tensors, and a tokenizer."""
PROMPT = "A team starts with 3 members. They recruit 5 new members. How many members are there now?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "allowed"),
    [
        ([["--help"], ["eval", "--help"], ["steer", "--help"], ["sweep", "--help"]], set()),
        ([["info"]], RUNS | {"pandas", "pyarrow", "scipy"}),  # evaluations are stored as tables, and have an interval
        ([["lens", "--prompt", PROMPT], ["rollout", "--prompts", "PROMPTS", "--out", "OUT"]], RUNS),
    ],
    ids=["help", "info", "lens and rollout"],
)
def test_a_command_imports_what_it_needs(commands: list[list[str]], allowed: set[str], tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text(f'["{PROMPT}"]')
    files = {"PROMPTS": f"{tmp_path}/prompts.json", "OUT": f"{tmp_path}/out"}
    code = "import sys; from codi_core.cli import main\n"
    for command in commands:
        words = [files.get(word, word) for word in command]
        code += f"try: assert main({words!r}) == 0\nexcept SystemExit as left: assert left.code == 0\n"  # help leaves by itself
    code += f"print('IMPORTED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()[-1].split()[1:]) <= allowed
