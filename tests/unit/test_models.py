"""Loading: every form of the file format, strict accounting, and readable refusals."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from codi_core import device
from codi_core.errors import CheckpointError, InputError, MemoryLimitError, ModelError
from codi_core.evaluation.golds import gold_of
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.model import CodiModel
from codi_core.models.presets import PRESETS, base_config, known_bases
from codi_core.models.prompts import MAX_PROMPT_CHARS
from codi_core.settings import Settings
from codi_core.values.questions import Question
from tests.checkpoints import ALPHA, BASE_CONFIGS, RANK, base_model, load, tensors_of, write

FAMILY_NAMES = sorted(BASE_CONFIGS)
IDS = torch.tensor([[5, 17, 300, 42, 9, 100]])


def logits_of(model: CodiModel, ids: Tensor = IDS) -> Tensor:
    return model.lm_head(model.body(model.embed(ids)))


def reference_logits(family: str, tensors: dict[str, Tensor], rounded_rope: bool = False) -> Tensor:
    """transformers' own forward on weights merged by hand, one module at a time."""
    model = base_model(family)
    prefix = "codi.base_model.model." if any("base_model" in name for name in tensors) else "codi."
    state = {}
    for name in model.state_dict():
        module, _, leaf = name.rpartition(".")
        wrapped = f"{prefix}{module}.base_layer.{leaf}"
        weight = tensors.get(wrapped, tensors.get(prefix + name))
        if f"{prefix}{module}.lora_A.default.weight" in tensors and leaf == "weight":
            a, b = (tensors[f"{prefix}{module}.lora_{side}.default.weight"] for side in "AB")
            delta = ALPHA / RANK * (b @ a)
            weight = weight + (delta.T if family == "gpt2" else delta)
        state[name] = (
            weight if weight is not None else tensors[f"{prefix}{'transformer.wte' if family == 'gpt2' else 'model.embed_tokens'}.weight"]
        )
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight), requires_grad=False)
    model.load_state_dict(state)
    if rounded_rope:
        rotary = model.model.rotary_emb
        rotary.inv_freq = rotary.inv_freq.bfloat16().float()
    return model(IDS).logits


@pytest.mark.parametrize("head", ["tied", "absent", "own"])
@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_logits_equal_transformers_own_forward(tmp_path: Path, family: str, lora: bool, head: Any) -> None:
    tensors = tensors_of(family, lora=lora, head=head)
    model = load(write(tmp_path, tensors, family))
    expected = reference_logits(family, tensors, rounded_rope=family != "gpt2")
    torch.testing.assert_close(logits_of(model), expected, rtol=1e-4, atol=1e-4)
    assert (model.lm_head.weight.data_ptr() == model.embedding.weight.data_ptr()) == (head != "own")
    assert not any(parameter.requires_grad for parameter in model.hf.parameters())
    assert not model.hf.training


def test_unembed_is_head_of_norm_and_takes_strided_input(tmp_path: Path) -> None:
    model = load(write(tmp_path, tensors_of()))
    resid = torch.randn(4, 3, model.d_model)
    torch.testing.assert_close(model.unembed(resid[:, -1]), model.lm_head(model.final_norm(resid))[:, -1])


@pytest.mark.parametrize("layer_norm", [True, False])
def test_projection_is_linear_gelu_linear_norm(tmp_path: Path, layer_norm: bool) -> None:
    tensors = tensors_of(layer_norm=layer_norm)
    model, h = load(write(tmp_path, tensors)), torch.randn(5, 32)
    hidden = F.gelu(h @ tensors["prj.1.weight"].T + tensors["prj.1.bias"])
    expected = hidden @ tensors["prj.3.weight"].T + tensors["prj.3.bias"]
    if layer_norm:
        expected = F.layer_norm(expected, (32,), tensors["prj.ln.weight"], tensors["prj.ln.bias"])
    torch.testing.assert_close(model.project(h), expected)


def test_no_projection_is_the_identity(tmp_path: Path) -> None:
    model, h = load(write(tmp_path, tensors_of(projection=False))), torch.randn(5, 32)
    assert torch.equal(model.project(h), h)


def test_lora_alpha_scales_the_product(tmp_path: Path) -> None:
    tensors = tensors_of()
    folder = write(tmp_path, tensors)
    stem = "codi.base_model.model.model.layers.1.mlp.up_proj"
    base, a, b = (tensors[f"{stem}.{name}.weight"] for name in ("base_layer", "lora_A.default", "lora_B.default"))
    for alpha in (2.0, 8.0):
        weight = load(folder, lora_alpha=alpha).hf.get_parameter("model.layers.1.mlp.up_proj.weight")
        torch.testing.assert_close(weight, base + alpha / RANK * b @ a)


def test_lora_is_merged_before_the_dtype_is_lowered(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    exact = dict(load(folder).hf.named_parameters())
    for name, weight in load(folder, dtype="bfloat16").hf.named_parameters():
        assert torch.equal(weight, exact[name].bfloat16()), name


def test_bin_and_safetensors_give_the_same_model_and_safetensors_is_preferred(tmp_path: Path) -> None:
    tensors = tensors_of()
    as_bin = load(write(tmp_path / "bin", tensors, file="pytorch_model.bin"))
    both = write(tmp_path / "both", tensors)
    (both / "pytorch_model.bin").write_bytes(b"broken")
    as_safetensors = load(both)
    assert torch.equal(logits_of(as_bin), logits_of(as_safetensors))
    assert as_bin.spec.checkpoint != as_safetensors.spec.checkpoint


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rounding", ["none", "bf16"])
def test_rotary_frequencies_stay_float32_and_round_on_request(tmp_path: Path, rounding: Any, dtype: str) -> None:
    config = base_config("Llama-3.2-1B-Instruct")
    scaled = {**BASE_CONFIGS["llama"], "rope_scaling": config["rope_scaling"], "rope_theta": config["rope_theta"], "head_dim": 8}
    model = load(write(tmp_path, tensors_of(), config=scaled), rope_rounding=rounding, dtype=dtype)
    plain = 1.0 / config["rope_theta"] ** (torch.arange(0, 8, 2) / 8)
    blend = ((8192 * plain / (2 * torch.pi) - 1) / (4 - 1)).clamp(0, 1)  # llama3: factor 32 at long wavelengths, 1 at short ones
    expected = (1 - blend) * plain / 32 + blend * plain
    inv_freq = model.hf.model.rotary_emb.inv_freq
    torch.testing.assert_close(inv_freq, expected.bfloat16().float() if rounding == "bf16" else expected)


def test_identity_follows_everything_that_changes_a_number(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", tensors_of())
    base = load(folder).spec
    assert load(folder).spec == base
    for change in ({"lora_alpha": 3.0}, {"rope_rounding": "none"}, {"prompt_format": "paper"}, {"dtype": "bfloat16"}):
        assert load(folder, **change).spec.key != base.key, change
    other_weights = load(write(tmp_path / "w" / "m", tensors_of(seed=1))).spec
    other_base = load(write(tmp_path / "b" / "m", tensors_of(), config={**BASE_CONFIGS["llama"], "rope_theta": 5e5})).spec
    assert len({base.key, other_weights.key, other_base.key}) == 3


def test_what_files_say_fills_in_for_what_is_not_asked(tmp_path: Path) -> None:
    said = {"prompt_format": "paper-eos", "rope_rounding": "none", "lora_alpha": 7, "steps": 100}
    folder = write(tmp_path / "json", tensors_of(), codi_json=said)
    spec = load(folder, lora_alpha=None).spec
    assert (spec.prompt_format, spec.rope_rounding, spec.lora_alpha) == ("paper-eos", "none", 7.0)
    assert load(folder, prompt_format="paper").spec.prompt_format == "paper"
    assert load(folder).training["steps"] == 100
    lora = load(write(tmp_path / "lora", tensors_of()), lora_alpha=None).spec
    assert (lora.prompt_format, lora.rope_rounding, lora.lora_alpha) == ("answer-only", "bf16", 32.0)
    plain = load(write(tmp_path / "plain", tensors_of("gpt2", lora=False), "gpt2")).spec
    assert (plain.prompt_format, plain.rope_rounding, plain.lora_alpha) == ("paper", "none", None)


def test_parameters_are_counted_once(tmp_path: Path) -> None:
    tensors = tensors_of(lora=False, head="absent")
    assert load(write(tmp_path, tensors)).parameters_count == sum(tensor.numel() for tensor in tensors.values())


# ids and prompts


def test_ids_come_from_the_tokenizer_or_the_end_of_the_embedding(tmp_path: Path) -> None:
    known = load(write(tmp_path / "a", tensors_of())).ids
    assert (known.pad, known.bot, known.eot, known.eos, known.bos) == (605, 606, 607, 601, 600)
    unknown = load(write(tmp_path / "b", tensors_of("gpt2"), "gpt2")).ids
    assert (unknown.pad, unknown.bot, unknown.eot, unknown.eos, unknown.bos) == (601, 602, 603, 600, None)


def test_three_prompt_formats(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    text = load(folder).tokenizer("How many?")["input_ids"]
    expected = {"answer-only": ([*text, 601, 606], [607]), "paper": ([*text, 606], [607]), "paper-eos": ([*text, 601, 606], [607, 601])}
    for prompt_format, (prompt, after) in expected.items():
        model = load(folder, prompt_format=prompt_format)
        assert (model.build_prompt("  How many? "), model.after_latents) == (prompt, after)
    assert text[0] == 600
    assert model.build_prompt("How  many?") == model.build_prompt("How many?")


def test_suffix_ends_questions_without_an_instruction(tmp_path: Path) -> None:
    folder, suffix = write(tmp_path, tensors_of()), " Output only the answer and nothing else."
    plain, told = load(folder), load(folder, suffix=suffix)
    assert told.build_prompt("How many?") == plain.build_prompt(f"How many?{suffix}") == told.build_prompt(f"How many?{suffix}")
    posts = "How many? Give the answer only and nothing else."
    assert told.build_prompt(posts) == plain.build_prompt(posts)
    assert told.spec.key != plain.spec.key
    assert PRESETS["codi-llama1b-answer-only"].suffix == suffix


def test_lead_says_where_the_number_of_an_answer_stands(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    assert load(folder).lead == "" and load(folder, prompt_format="paper").lead == "The answer is: "
    led = load(folder, lead="The answer is: ")
    gold = gold_of(led, Question("", "How many?", 18.0, "", (), ()))
    assert led.decode(list(gold.ids)).endswith("The answer is: 18")
    assert gold.at > 0 and led.spec.key != load(folder).spec.key


def test_any_text_tokenises(tmp_path: Path) -> None:
    model = load(write(tmp_path, tensors_of()))
    for text in ["\x00\x07\x1b[0m", "🧮 3️⃣", "كم عدد؟", "<script>alert(1)</script>", "\ud800 lone", "3\u00a0\u2009€"]:
        ids = model.build_prompt(text)
        assert len(ids) > 3
        assert all(isinstance(model.token_text(token), str) for token in ids)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_blank_prompts_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        load(write(tmp_path, tensors_of())).build_prompt(text)


def test_long_prompts_are_refused_naming_the_limit(tmp_path: Path) -> None:
    model = load(write(tmp_path, tensors_of()))
    assert model.build_prompt("7" * MAX_PROMPT_CHARS)
    with pytest.raises(InputError, match=r"20,001 characters.*20,000"):
        model.build_prompt("7" * (MAX_PROMPT_CHARS + 1))


def test_token_text_names_bot_and_eot(tmp_path: Path) -> None:
    model = load(write(tmp_path, tensors_of("gpt2"), "gpt2"))
    assert [model.token_text(token) for token in (602, 603)] == ["<|bocot|>", "<|eocot|>"]


# refusals


def refused(folder: Path, *words: str, **request: Any) -> None:
    with pytest.raises(ModelError) as caught:
        load(folder, **request)
    for word in words:
        assert word in str(caught.value), f"{word!r} not in {caught.value}"


LAYER = "codi.base_model.model.model.layers.2.self_attn.q_proj"


@pytest.mark.parametrize(
    "name", ["codi.base_model.model.model.norm.weight", f"{LAYER}.base_layer.weight", f"{LAYER}.lora_B.default.weight", "prj.3.bias"]
)
def test_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    tensors = tensors_of()
    del tensors[name]
    refused(write(tmp_path, tensors), "missing", name.removeprefix("codi.base_model.model."))


@pytest.mark.parametrize("name", ["codi.base_model.model.model.layers.9.norm.weight", "prj.4.weight", "extra.weight", f"{LAYER}.lora_C"])
def test_unknown_tensor_is_named(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path, {**tensors_of(), name: torch.zeros(3)}), "unknown", name.removeprefix("codi.base_model.model."))


@pytest.mark.parametrize("name", ["codi.base_model.model.model.norm.weight", f"{LAYER}.lora_A.default.weight", "prj.1.bias"])
def test_misshapen_tensor_is_named(tmp_path: Path, name: str) -> None:
    refused(
        write(tmp_path, {**tensors_of(), name: torch.zeros(5, 7)}), "wrong shape", "(5, 7)", name.removeprefix("codi.base_model.model.")
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_tensor_that_is_not_finite_is_named(tmp_path: Path, bad: float) -> None:
    tensors = tensors_of()
    tensors["codi.base_model.model.model.norm.weight"][3] = bad
    refused(write(tmp_path, tensors), "NaN", "model.norm.weight")


def test_large_finite_values_are_fine(tmp_path: Path) -> None:
    tensors = tensors_of()
    tensors["prj.3.bias"][:4] = 3e38  # their sum overflows
    assert load(write(tmp_path, tensors)).projection


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    tensors = tensors_of()
    del tensors["codi.base_model.model.model.norm.weight"]
    refused(write(tmp_path, {**tensors, f"{LAYER}.odd": torch.zeros(1)}), "missing: model.norm.weight", "unknown", "q_proj.odd")


def test_absent_head_of_an_untied_base_is_missing(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of(head="absent"), config={**BASE_CONFIGS["llama"], "tie_word_embeddings": False})
    refused(folder, "missing: lm_head.weight")


def test_lora_and_plain_names_do_not_mix(tmp_path: Path) -> None:
    refused(write(tmp_path, {**tensors_of(), "codi.model.norm.weight": torch.zeros(32)}), "mixes", "codi.model.norm.weight")


def test_plain_language_model_is_named_as_such(tmp_path: Path) -> None:
    tensors = {name.removeprefix("codi."): tensor for name, tensor in tensors_of("gpt2", lora=False, projection=False).items()}
    refused(write(tmp_path, tensors, "gpt2"), "plain language model", "--family")


def test_wrong_base_is_explained(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    refused(folder, "does not fit", "wrong shape", "--base", base="Llama-3.2-1B-Instruct")
    refused(folder, "named as in llama", "its base is a gpt2", "--base", base="gpt2")
    refused(folder, "model_type 't5'", "llama", base=str(write(tmp_path / "t5", tensors_of(), config={"model_type": "t5"})))


def test_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    tensors = tensors_of("gpt2")  # 604 rows, and the tokenizer below has ids up to 607
    folder = write(tmp_path, tensors, "llama", config=BASE_CONFIGS["gpt2"])
    refused(folder, "607", "604")


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, file: Any, kept: float) -> None:
    path = write(tmp_path, tensors_of(), file=file) / file
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    refused(tmp_path, file, "truncated")


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/codi-test-pickle-ran"),))


@pytest.mark.parametrize("in_zip", [True, False])
def test_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path, in_zip: bool) -> None:
    folder = write(tmp_path, tensors_of(), file="pytorch_model.bin")
    if in_zip:
        torch.save({"prj.1.weight": Payload()}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(CheckpointError, match=r"pickle|truncated"):
        load(folder)
    assert not Path("/tmp/codi-test-pickle-ran").exists()


def test_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of(), file="pytorch_model.bin")
    torch.save([torch.zeros(2)], folder / "pytorch_model.bin")
    refused(folder, "state dict")


def test_missing_files_are_named_with_the_fix(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text("{")
    refused(folder, "tokenizer", "cannot be read")
    (folder / "tokenizer.json").unlink()
    refused(folder, "No tokenizer.json", "--base")
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "config.json").write_text("[1]")
    refused(folder, "config.json", "JSON object")
    (folder / "config.json").unlink()
    refused(folder, "no config.json", "--base", "Llama-3.2-1B-Instruct")
    refused(folder, "'nowhere'", "gpt2", base="nowhere")
    (folder / "model.safetensors").unlink()
    refused(folder, "No weights", "model.safetensors")


def test_unusable_settings_are_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "a", tensors_of()), "LoRA alpha", lora_alpha=-1.0)
    refused(write(tmp_path / "b", tensors_of(), codi_json={"prompt_format": "chat"}), "prompt format 'chat'", "answer-only")
    refused(write(tmp_path / "c", tensors_of(), config={**BASE_CONFIGS["llama"], "num_attention_heads": 5}), "cannot be used")
    sliding = {**BASE_CONFIGS["qwen3"], "use_sliding_window": True}
    refused(write(tmp_path / "d", tensors_of("qwen3"), "qwen3", config=sliding), "sliding-window")


def test_memory_is_checked_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_memory", lambda device: 1000)
    with pytest.raises(MemoryLimitError, match=r"needs .* GB"):
        load(write(tmp_path, tensors_of()))


def test_unknown_names_list_what_is_known(settings: Settings) -> None:
    with pytest.raises(ModelError, match=r"Unknown model 'nonsense'.*bundled"):
        load_model(ModelRequest("nonsense"), settings)


def test_hub_without_network_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(ModelError, match=r"no network.*bundled model needs no network"):
        load_model(ModelRequest("owner/absent"), settings)


def test_presets_and_bases_are_complete() -> None:
    for name in known_bases():
        assert base_config(name)["model_type"] in BASE_CONFIGS
    for name in ("bundled", "bundled-steps"):
        assert PRESETS[name].hub_id is None


def test_loading_reads_and_never_writes(tmp_path: Path) -> None:
    folder = write(tmp_path, tensors_of())
    before = {path: path.read_bytes() for path in folder.iterdir()}
    model = load(folder)
    del model
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
