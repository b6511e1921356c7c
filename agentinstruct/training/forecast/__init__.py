"""Forecasts: what a recipe's phase would take in steps, memory and hours, before anything is downloaded."""

from agentinstruct.training.forecast.forecast import Forecast
from agentinstruct.training.forecast.memory import GIB
from agentinstruct.training.forecast.rehearsal import Rehearsal

__all__ = [
    "GIB",
    "Forecast",
    "Rehearsal",
]
