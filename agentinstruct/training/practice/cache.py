"""A key-value cache with room kept free behind it, so that a new token is written in place instead of copying it all.

transformers' own cache that grows is concatenated anew at each token, which was half of a tiny student's time on a CPU.
"""

from __future__ import annotations

from typing import Any

from agentinstruct.training.extras import need


def growing_cache(config: Any, room: int) -> Any:
    """Return transformers' cache for a model, whose plain layers have room for `room` tokens after the prompt.

    Layers of other kinds (sliding, linear) stay as transformers has them.
    """
    caches = need("transformers.cache_utils")
    torch = need("torch")

    class Roomy(caches.DynamicLayer):  # type: ignore[misc, name-defined]  # a class of an untyped package
        """Holds `_used` tokens in tensors that have room for more; `keys` and `values` are views of those in use."""

        def update(self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
            """Add the new tokens, making room where there is none."""
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self._wide: list[Any] = []
            used, new = self.get_seq_length(), key_states.shape[-2]
            if not self._wide or self._wide[0].shape[-2] < used + new:
                self._widen(key_states, value_states, used, new)
            for wide, states in zip(self._wide, (key_states, value_states), strict=True):
                wide[:, :, used : used + new] = states
            self.keys, self.values = (wide[:, :, : used + new] for wide in self._wide)
            return self.keys, self.values

        def _widen(self, key_states: Any, value_states: Any, used: int, new: int) -> None:
            wide = []
            for old, states in ((self.keys, key_states), (self.values, value_states)):
                batch, heads, _, size = states.shape
                # the first tokens are the prompts', which are shared out to their samples before any more come
                length = used + new + (room if used else 0)
                wide.append(torch.empty((batch, heads, length, size), dtype=states.dtype, device=states.device))
                if used:
                    wide[-1][:, :, :used] = old
            self._wide = wide

        def batch_repeat_interleave(self, repeats: int) -> None:
            """Give each row `repeats` copies."""
            super().batch_repeat_interleave(repeats)
            self._wide = []

        def batch_select_indices(self, indices: Any) -> None:
            """Keep the rows of these indices, which rise, in the place the first rows had."""
            used = self.get_seq_length()
            wide = []
            for each in self._wide:
                each[: len(indices), :, :used] = each[indices, :, :used]
                wide.append(each[: len(indices)])
            self._wide = wide
            self.keys, self.values = (each[:, :, :used] for each in wide)

    cache = caches.DynamicCache(config=config)
    cache.layers = [Roomy() if type(layer) is caches.DynamicLayer else layer for layer in cache.layers]
    return cache
