"""The shipped launch files are ones that accelerate reads, and say of each machine what they are named for."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentinstruct.paths import TRAINERS

pytestmark = pytest.mark.slow

FILES: dict[str, tuple[str, dict[str, object]]] = {
    "fsdp2": ("FSDP", {"fsdp_version": 2, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}),
    "deepspeed_zero2": ("DEEPSPEED", {"zero_stage": 2}),
    "deepspeed_zero3": ("DEEPSPEED", {"zero_stage": 3, "zero3_save_16bit_model": True}),
    "one_gpu": ("NO", {}),
}


def test_each_file_is_tested() -> None:
    assert {path.stem for path in (TRAINERS / "accelerate").iterdir()} == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_accelerate_reads_the_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    path = str(TRAINERS / "accelerate" / f"{name}.yaml")
    kind, parts = FILES[name]
    config = load_config_from_file(path)
    assert config.distributed_type == kind
    assert config.mixed_precision == "bf16"
    given = {**config.fsdp_config, **config.deepspeed_config}
    assert parts.items() <= given.items()
    if kind != "DEEPSPEED":  # whose package is not installed, and which the launcher asks for
        parsed = launch_command_parser().parse_args(["--config_file", path, "trainers/sft.py"])
        parsed, _, _ = _validate_launch_command(parsed)
        assert parsed.use_fsdp == (kind == "FSDP")
