"""Recipes: the settings of each paper's training, every value with its source."""

from agentinstruct.training.recipes.recipe_form import Hardware, Phase, Recipe, Value

__all__ = [
    "Hardware",
    "Phase",
    "Recipe",
    "Value",
]
