"""The words that the reader of word problems knows: what verbs do to a quantity, and how nouns and verbs inflect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Effect = Literal["have", "be", "gain", "lose", "do", "cost", "pay", "share", "pack", "need"]
"""What a verb does to what its subject owns; `do` counts something without changing belongings (walk, score)."""

_VERBS: dict[Effect, str] = {
    "have": "have/had own hold/held contain",
    "be": "be/was",
    "gain": (
        "buy/bought find/found get/got receive pick collect bake make/made earn save win/won gather catch/caught knit"
        " build/built plant grow/grew harvest borrow print sew/sewed fold order fill take/took carry produce"
    ),
    "lose": (
        "give/gave lose/lost sell/sold eat/ate use spend/spent donate lend/lent break/broke throw/threw drop"
        " drink/drank read/read hand unload squeeze rent remove deliver post leave/left"
    ),
    "do": (
        "travel walk run/ran drive/drove cycle ride/rode swim/swam fly/flew sail score paint work type climb drum"
        " arrive write/wrote rain row practise"
    ),
    "cost": "cost/cost",
    "pay": "pay/paid",
    "share": "share split/split divide",
    "pack": "pack put/put place arrange sort",
    "need": "need weigh",
}
_PARTICIPLES = {
    "given": "give",
    "eaten": "eat",
    "broken": "break",
    "thrown": "throw",
    "driven": "drive",
    "written": "write",
}
_DOUBLED = {"knit", "drop", "drum", "travel"}
_IRREGULAR_NOUNS = {
    "child": "children", "person": "people", "man": "men", "woman": "women", "loaf": "loaves", "knife": "knives",
    "leaf": "leaves", "shelf": "shelves", "mouse": "mice", "goose": "geese", "foot": "feet", "fish": "fish",
    "sheep": "sheep", "scarf": "scarves", "half": "halves", "potato": "potatoes", "tomato": "tomatoes",
    "mango": "mangoes", "hero": "heroes", "bus": "buses", "euro": "euros", "photo": "photos",
}  # fmt: skip
_IRREGULAR_PLURALS = {plural: noun for noun, plural in _IRREGULAR_NOUNS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb by its base form."""

    base: str
    past: str
    effect: Effect

    @property
    def third(self) -> str:
        """The form after he, she or it."""
        if self.base in {"have", "be"}:
            return {"have": "has", "be": "is"}[self.base]
        if re.search(r"(?:s|x|ch|sh|o)$", self.base):
            return self.base + "es"
        return self.base[:-1] + "ies" if re.search(r"[^aeiou]y$", self.base) else self.base + "s"


def _regular_past(base: str) -> str:
    if base in _DOUBLED:
        return base + base[-1] + "ed"
    if base.endswith("e"):
        return base + "d"
    return base[:-1] + "ied" if re.search(r"[^aeiou]y$", base) else base + "ed"


def _all_verbs() -> list[Verb]:
    verbs = []
    for effect, words in _VERBS.items():
        for word in words.split():
            base, _, past = word.partition("/")
            verbs.append(Verb(base=base, past=past or _regular_past(base), effect=effect))
    return verbs


_BY_BASE = {verb.base: verb for verb in _all_verbs()}
_PAST_FORMS = {verb.past: verb for verb in _BY_BASE.values()}
_PAST_FORMS |= {"were": _BY_BASE["be"]} | {participle: _BY_BASE[base] for participle, base in _PARTICIPLES.items()}
_THIRD_FORMS = {verb.third: verb for verb in _BY_BASE.values()}
BASE_FORMS = _BY_BASE | {"are": _BY_BASE["be"]}


def find_verb(word: str) -> tuple[Verb, bool] | None:
    """Return the verb that `word` is a form of, and whether the form is a past one."""
    lower = word.lower()
    if lower in _PAST_FORMS:
        return _PAST_FORMS[lower], True
    verb = _THIRD_FORMS.get(lower) or BASE_FORMS.get(lower)
    return (verb, False) if verb else None


def singular(noun: str) -> str:
    """Return the singular of `noun`, which may be one already."""
    if noun in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[noun]
    if noun in _IRREGULAR_NOUNS or not noun.endswith("s") or noun.endswith(("ss", "us")):
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-2] if re.search(r"(?:ss|x|ch|sh|z)es$", noun) else noun[:-1]


def plural(noun: str) -> str:
    """Return the plural of a singular noun."""
    if noun in _IRREGULAR_NOUNS:
        return _IRREGULAR_NOUNS[noun]
    if re.search(r"(?:s|x|ch|sh|z)$", noun):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + "s"


def head(phrase: str) -> str:
    """Return the word of a noun phrase that its number shows in: `boxes` of `big boxes of pens`."""
    words = re.split(r" (?:of|in|about|for) ", phrase, maxsplit=1)[0].split()
    return words[-1] if words else ""


def inflect(phrase: str, *, one: bool) -> str:
    """Return the noun phrase in the singular or the plural, whichever it was in."""
    noun = head(phrase)
    if not noun:
        return phrase
    form = singular(noun) if one else plural(singular(noun))
    place = phrase.index(noun) if phrase.startswith(noun) else phrase.index(" " + noun) + 1
    return phrase[:place] + form + phrase[place + len(noun) :]


def same_thing(asked: str, held: str) -> bool:
    """Say whether `held` is a kind of `asked`: `red apples` are apples, apples need not be red ones.

    A measure told without its stuff is taken for the same: `kilograms` for `kilograms of flour`.
    """
    if asked == held:
        return True
    one, other = head(asked), head(held)
    if not one or singular(one) != singular(other):
        return False
    if " of " in asked and " of " not in held:
        asked = asked.partition(" of ")[0]
    return _words(asked) <= _words(held)


def _words(phrase: str) -> set[str]:
    return {singular(word) for word in phrase.split()} - {"of", "the"}
