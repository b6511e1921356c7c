"""Recipes: every shipped value has a source, the papers' values are the papers', and mistakes are named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.forecast.memory import GIB, memory
from agentinstruct.training.recipes.recipe_form import Recipe, Value
from agentinstruct.training.recipes.recipes import load_recipe, shipped_recipes
from agentinstruct.training.settings import Adapter, PreferenceSettings, SftSettings

pytestmark = pytest.mark.slow

RECIPES = ("orca-1", "orca-2", "orca-3", "orca-math")
USED = [(name, variant) for name in RECIPES for variant in (None, *load_recipe(name).variants)]

# The papers' own, by phase: what public sources report, and nothing that is only remembered.
REPORTED: dict[tuple[str, str], dict[str, Any]] = {
    ("orca-3", "sft"): {
        "learning_rate": 8e-6,
        "schedule": "cosine",
        "warmup": 500,
        "weight_decay": 0.1,
        "epochs": 3,
        "max_length": 8192,
        "packing": True,
        "batch": 10,
    },
    ("orca-math", "sft"): {"learning_rate": 1e-6, "epochs": 1, "packing": False},
    ("orca-math", "practice-1"): {
        "method": "kto",
        "learning_rate": 1e-6,
        "beta": 0.3,
        "epochs": 1,
        "samples": 4,
        "temperature": 0.7,
        "top_p": 0.95,
    },
    ("orca-math", "practice-2"): {
        "method": "kto",
        "learning_rate": 1e-7,
        "beta": 0.3,
        "samples": 4,
        "temperature": 0.7,
        "top_p": 0.95,
    },
    ("orca-1", "first-teacher"): {"epochs": 4, "max_length": 2048, "packing": True},
    ("orca-1", "stronger-teacher"): {"epochs": 4, "max_length": 2048, "packing": True},
    ("orca-2", "flan"): {"epochs": 1, "max_length": 4096, "packing": True},
    ("orca-2", "first-teacher"): {"epochs": 3, "max_length": 4096, "packing": True},
    ("orca-2", "stronger-teacher"): {"epochs": 4, "max_length": 4096, "packing": True},
}
MACHINES = {
    ("orca-3", "sft"): (152, 200),
    ("orca-math", "sft"): (64, None),
    ("orca-1", "first-teacher"): (20, 160),
    ("orca-1", "stronger-teacher"): (20, 40),
    ("orca-2", "flan"): (32, 17),
    ("orca-2", "first-teacher"): (32, 40),
    ("orca-2", "stronger-teacher"): (32, 23),
}
EXAMPLES = {
    ("orca-3", "pairs"): 25_800_000,
    ("orca-math", "problems"): 200_035,
    ("orca-1", "first-teacher"): 5_000_000,
    ("orca-1", "stronger-teacher"): 1_000_000,
    ("orca-2", "prompts-erased"): 817_000,
}
NEVER_REPORTED = ("learning_rate", "schedule", "warmup", "weight_decay", "optimizer", "batch", "accumulation")


def _values(recipe: Recipe) -> dict[str, Value]:
    told = {f"model.{key}": each for key, each in recipe.model if isinstance(each, Value)}
    for phase in recipe.phases:
        told |= {f"{phase.name}.{key}": each for key, each in phase.values.items()}
        told |= {f"{phase.name}.{key}": each for key, each in phase.hardware if each is not None}
        told |= {f"{phase.name}.{slot.name}": slot.examples for slot in phase.data if slot.examples is not None}
    return told


def test_the_shipped_recipes_are_those_of_the_papers() -> None:
    assert tuple(shipped_recipes()) == RECIPES


@pytest.mark.parametrize(("name", "variant"), USED)
def test_every_value_of_a_shipped_recipe_has_a_source_and_says_how_it_is_known(name: str, variant: str | None) -> None:
    for key, value in _values(load_recipe(name, variant)).items():
        assert value.known != "given", key
        assert len(value.source) > 2, key


@pytest.mark.parametrize(("name", "phase"), REPORTED)
def test_what_the_papers_report_stands_in_the_recipe_as_found(name: str, phase: str) -> None:
    values = load_recipe(name).phase(phase, ("sft", "practice")).values
    for key, value in REPORTED[name, phase].items():
        assert (values[key].value, values[key].known) == (value, "found"), key


def test_machines_and_amounts_are_the_papers() -> None:
    for (name, phase), (devices, hours) in MACHINES.items():
        hardware = load_recipe(name).phase(phase, ("sft",)).hardware
        assert hardware.devices and (hardware.devices.value, hardware.devices.known) == (devices, "found")
        assert (hardware.hours.value if hardware.hours else None) == hours
    slots = {(name, s.name): s for name in RECIPES for phase in load_recipe(name).phases for s in phase.data}
    for key, examples in EXAMPLES.items():
        wanted = slots[key].examples
        assert wanted is not None and wanted.value == examples


@pytest.mark.parametrize("name", ["orca-1", "orca-2"])
def test_what_a_paper_never_reported_is_marked_as_ours_with_the_reason(name: str) -> None:
    for phase in load_recipe(name).phases:
        for key in NEVER_REPORTED:
            assert phase.values[key].known == "ours"
            assert "not reported" in phase.values[key].source


def test_what_is_only_remembered_of_orca_math_is_not_called_found() -> None:
    practice = load_recipe("orca-math").phase("practice-1", ("practice",))
    assert {practice.values[key].known for key in ("batch", "accumulation")} == {"recalled"}
    assert {practice.values[key].known for key in ("cap", "schedule")} == {"ours"}


def test_orca_1_and_2_take_the_weaker_teacher_before_the_stronger() -> None:
    assert [slot.name for phase in load_recipe("orca-1").phases for slot in phase.data] == [
        "first-teacher",
        "stronger-teacher",
    ]
    assert [[slot.name for slot in phase.data] for phase in load_recipe("orca-2").phases] == [
        ["flan"],
        ["first-teacher"],
        ["stronger-teacher", "prompts-erased"],
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_on_one_gpu_the_memory_a_recipe_states_is_what_the_forecast_says(name: str) -> None:
    for variant in ("one-gpu", "one-gpu-full"):
        if variant not in load_recipe(name).variants:
            continue
        recipe = load_recipe(name, variant)
        assert recipe.model.shape is not None
        needed, stated = [], []
        for phase in recipe.phases:
            settings = phase.settings()
            needed.append(memory(recipe.model.shape, settings, length=settings.max_length).total())
            assert phase.hardware.memory is not None and phase.hardware.devices is not None
            assert phase.hardware.devices.value == 1
            stated.append(phase.hardware.memory.value)
        assert {*stated} == {math.ceil(max(needed) / GIB)}


@pytest.mark.parametrize("variant", ["one-gpu", "one-gpu-full"])
def test_on_one_gpu_orca_math_keeps_the_papers_sequences_a_step(variant: str) -> None:
    for whole, alone in zip(load_recipe("orca-math").phases, load_recipe("orca-math", variant).phases, strict=True):
        before, after = whole.settings(), alone.settings()
        assert after.batch * after.accumulation == before.batch * before.accumulation * 64
        assert after.batch >= 2 or whole.method == "sft"


def test_a_variant_takes_the_place_of_what_it_names_and_of_nothing_else() -> None:
    plain, other = load_recipe("orca-math"), load_recipe("orca-math", "dpo")
    assert other.variant == "dpo"
    for before, after in zip(plain.phases, other.phases, strict=True):
        changed = {key for key in after.values if after.values[key] != before.values.get(key)}
        assert changed == ({"method"} if after.method == "practice" else set())
        settings = after.settings()
        assert not isinstance(settings, PreferenceSettings) or settings.method == "dpo"


def test_what_is_set_by_hand_counts_more_than_a_variant_and_is_checked() -> None:
    given = ["learning_rate=1e-5", "adapter.rank=8", 'report_to=["wandb"]', "attention=sdpa", "max_steps=3"]
    settings = load_recipe("orca-3", "one-gpu", given).phases[0].settings()
    assert isinstance(settings, SftSettings)
    assert settings.learning_rate == 1e-5
    assert settings.adapter == Adapter(rank=8, alpha=64)
    assert (settings.report_to, settings.attention, settings.max_steps) == (("wandb",), "sdpa", 3)
    assert load_recipe("orca-3", "one-gpu", given).phases[0].values["learning_rate"].source == "--set"
    assert load_recipe("orca-3", None, ["adapter.rank=8"]).phases[0].settings().adapter == Adapter(rank=8)
    assert load_recipe("orca-3", "one-gpu", ["adapter=none"]).phases[0].settings().adapter is None


def test_a_setting_by_hand_goes_to_the_phases_that_know_it() -> None:
    first, second, _ = load_recipe("orca-math", None, ["samples=8", "learning_rate=2e-6"]).phases
    assert "samples" not in first.values
    assert second.values["samples"].value == 8
    assert first.settings().learning_rate == second.settings().learning_rate == 2e-6


@pytest.mark.parametrize(
    ("name", "variant", "given", "said"),
    [
        ("orca3", None, [], ["no recipe 'orca3' (did you mean 'orca-3'?)", "orca-math", ".toml"]),
        ("../orca-3", None, [], ["no recipe '../orca-3'"]),
        ("orca-3", "one-gpus", [], ["no variant 'one-gpus' (did you mean 'one-gpu'?)", "one-gpu-full"]),
        ("orca-3", None, ["learning_rat=1"], ["--set", "'learning_rat' (did you mean 'learning_rate'?)", "warmup"]),
        ("orca-3", None, ["learning_rate=fast"], ["orca-3.toml, phase sft", "learning_rate is 'fast'", "number"]),
        ("orca-3", None, ["learning_rate=-1"], ["learning_rate is -1", "greater than 0"]),
        ("orca-3", None, ["adapter.rank=0"], ["adapter.rank is 0"]),
        ("orca-3", None, ["beta=1"], ["no setting 'beta'"]),
        ("orca-3", None, ["batch"], ["--set wants KEY=VALUE", "'batch'"]),
        ("orca-3", None, ["=3"], ["--set wants KEY=VALUE"]),
        ("orca-3", None, ["batch=1\nepochs=2"], ["batch is '1\\nepochs=2'"]),
        ("orca-math", None, ["method=ppo"], ["phase practice-1", "method is 'ppo'"]),
    ],
)
def test_what_cannot_be_is_refused_with_place_value_and_what_there_is(
    name: str, variant: str | None, given: list[str], said: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_recipe(name, variant, given)
    for words in said:
        assert words in str(refused.value)


OWN = """
name = "mine"
makes = "a student of mine"
[model]
base = "mine"
name = "me/mine"
[[phases]]
name = "first"
method = "kto"
about = "learn"
data = [{ name = "d", what = "replies" }]
[phases.values]
learning_rate = 1e-6
beta = 0.1
adapter = { rank = 4, alpha = { value = 8, source = "tried", known = "ours" } }
[variants.fast.values]
max_steps = 3
[variants.fast]
about = "fast"
"""


def test_a_recipe_of_ones_own_may_leave_sources_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace("[variants.fast.values]\nmax_steps = 3\n", "") + "values = { max_steps = 3 }\n")
    phase = load_recipe(path, "fast").phases[0]
    settings = phase.settings()
    assert isinstance(settings, PreferenceSettings)
    assert (settings.method, settings.beta, settings.max_steps, settings.adapter) == (
        "kto",
        0.1,
        3,
        Adapter(rank=4, alpha=8),
    )
    assert (phase.values["beta"].known, phase.values["adapter.alpha"].known) == ("given", "ours")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"\nmakes', "makes", "name is missing"),
        ("beta = 0.1", "betta = 0.1", "phase first: no setting 'betta' of kto (did you mean 'beta'?)"),
        ("beta = 0.1", 'method = "dpo"', "no setting 'method' of kto"),
        ("beta = 0.1", "samples = 3", "no setting 'samples' of kto"),
        ("1e-6", '"small"', "phase first: learning_rate is 'small'"),
        ('known = "ours"', 'known = "guess"', "known is 'guess'"),
        ('method = "kto"', 'method = "ppo"', "method is 'ppo'"),
        ("[model]", "[models]", "model is missing"),
        ("[model]", "[model]\nlicence = 3", "there is no key model.licence"),
        ("max_steps = 3", "max_step = 3", "variant fast: no setting 'max_step'"),
        ("max_steps = 3", "max_steps = 0", "variant fast, phase first: max_steps is 0"),
        ("[variants.fast.values]", "[variants.fast.phases.frist]", "variant fast: no phase 'frist' (did you mean"),
        ("name = ", "name ", "is not TOML"),
        ("[[phases]]", "[phases]", "phases is"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_by_file_key_and_value(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = OWN.replace('[variants.fast]\nabout = "fast"\n', "").replace(
        "[variants.fast.values]", '[variants.fast]\nabout = "fast"\n[variants.fast.values]'
    )
    path = tmp_path / "mine.toml"
    path.write_text(text)
    load_recipe(path)
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        load_recipe(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)


def test_a_phase_is_found_by_name_or_as_the_first_of_its_method() -> None:
    recipe = load_recipe("orca-math")
    assert recipe.phase(None, ("practice",)).name == "practice-1"
    assert recipe.phase("practice-2", ("practice",)).name == "practice-2"
    with pytest.raises(ConfigurationError, match=r"no phase of method kto or dpo: it has sft \(sft\), practice-1"):
        recipe.phase(None, ("kto", "dpo"))
    with pytest.raises(ConfigurationError, match="phase sft of recipe orca-math is sft, not practice"):
        recipe.phase("sft", ("practice",))
    with pytest.raises(ConfigurationError, match="no phase 'dpo': it has sft"):
        recipe.phase("dpo", ("sft",))
