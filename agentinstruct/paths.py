"""Where the shipped flows, seeds and trainers are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_package = Path(__file__).parent
_root = _package if (_package / "flows").is_dir() else _package.parent

FLOWS = _root / "flows"
SEEDS = _root / "seeds"
TRAINERS = _root / "trainers"
