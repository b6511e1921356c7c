"""The verbs this reader knows, with their forms, and the small closed word classes it needs."""

from __future__ import annotations

from functools import lru_cache


def words_in(text: str) -> list[str]:
    """Return the words of a list written as running text."""
    return text.split()


_REGULAR = """
accept achieve act add adopt affect allow announce appear apply approve arrive ask attach attack attract avoid base
believe belong call capture carry cause change check choose clean climb collapse collect combine compare complete
compose conduct connect conquer conserve consider consist consume contain continue contribute control convert cool
cook copy cover create cross cultivate cure damage date deliver demonstrate depend describe design destroy detect
determine develop die differ discover dissolve distinguish divide dominate drop earn employ enable encourage end
enter erupt establish estimate evaporate evolve examine exceed excavate exist expand explain explore export expose
express extend extract face fail fasten fertilise finish flourish flow focus follow force form found function gain
gather generate govern guard guide handle happen harvest help hunt identify illustrate import improve include
increase indicate influence inhabit inherit inspire install introduce invade invent invite involve isolate issue
join kill last launch lack lift limit link list live locate lower maintain manage manufacture mark marry mature
measure melt migrate mine mix move multiply name need note notice observe obtain occupy occur offer open operate
orbit order organise organize originate pass patent perform permit persuade pick place plan plant play pollinate
pour power practise predict prefer prepare present preserve press prevent print process produce promise propose
protect prove provide publish pull pump purchase push raise reach react receive recognise recognize record recover
reduce reflect refuse regulate reject release rely remain remove rename renew repair repeat replace report represent
require rescue resemble resist respond restore result retain retire return reveal reverse revolve roast rotate rule
sail save scatter separate serve settle shape share shelter signal sink store start stay stop stretch strike study
succeed suffer suggest supply support surround survive switch taste test trace trade train transfer transform
translate transmit transport trap travel treat trigger turn unite use vary visit vote walk want warm warn wash watch
weigh work yield absorb adapt appoint assemble attend average award bake balance bend blend boil bore border burn
calculate ferment filter float fold freeze graduate grind hatch heat host house hover import kneel knit land lecture
log map observe paint perish pierce pitch point polish reproduce rescue rest roll rot season seal seat select sew
shade sign smooth span specialise specialize spin sort spray stain steer stimulate stir strengthen surpass sustain
swallow target thrive thicken threaten tie tow trim tunnel twist urge value weave wind withdraw witness wrap
"""
_IRREGULAR = """
become:became:become begin:began:begun bend:bent:bent bind:bound:bound bite:bit:bitten blow:blew:blown
break:broke:broken breed:bred:bred bring:brought:brought build:built:built burn:burned:burned buy:bought:bought
catch:caught:caught choose:chose:chosen come:came:come cost:cost:cost cut:cut:cut dig:dug:dug do:did:done
draw:drew:drawn drink:drank:drunk drive:drove:driven eat:ate:eaten fall:fell:fallen feed:fed:fed feel:felt:felt
fight:fought:fought find:found:found fly:flew:flown forget:forgot:forgotten freeze:froze:frozen get:got:got
give:gave:given go:went:gone grind:ground:ground grow:grew:grown have:had:had hear:heard:heard hide:hid:hidden
hit:hit:hit hold:held:held keep:kept:kept know:knew:known lay:laid:laid lead:led:led leave:left:left lend:lent:lent
let:let:let lie:lay:lain lose:lost:lost make:made:made mean:meant:meant meet:met:met overcome:overcame:overcome
pay:paid:paid put:put:put read:read:read ride:rode:ridden ring:rang:rung rise:rose:risen run:ran:run say:said:said
see:saw:seen seek:sought:sought sell:sold:sold send:sent:sent set:set:set shake:shook:shaken shine:shone:shone
show:showed:shown shrink:shrank:shrunk shut:shut:shut sing:sang:sung sink:sank:sunk sit:sat:sat sleep:slept:slept
speak:spoke:spoken spend:spent:spent spin:spun:spun split:split:split spread:spread:spread stand:stood:stood
steal:stole:stolen stick:stuck:stuck strike:struck:struck swim:swam:swum swing:swung:swung take:took:taken
teach:taught:taught tell:told:told think:thought:thought throw:threw:thrown understand:understood:understood
wear:wore:worn weave:wove:woven win:won:won wind:wound:wound withdraw:withdrew:withdrawn write:wrote:written
undergo:underwent:undergone sweep:swept:swept
"""
_DOUBLING = frozenset(
    words_in(
        """
    drop stop plan ship trap trim occur refer transfer regret permit admit control map log knit rot travel pin spin
    wrap
    """
    )
)

AUXILIARIES = frozenset(
    words_in(
        """
    is are was were can could will would must may might should has have had
    """
    )
)
BE = frozenset(("is", "are", "was", "were"))
DETERMINERS = frozenset(
    words_in(
        """
    the a an its his her their this that these those each every some many most few several no any all both another
    our my your one two three four five six seven eight nine ten
    """
    )
)
PREPOSITIONS = frozenset(
    words_in(
        """
    of in on at by for from to with without into onto over under between among across through along near around
    about above below behind beside during after before since until against within toward towards inside outside
    beyond off as than per via upon throughout
    """
    )
)
CLAUSE_WORDS = frozenset(
    words_in(
        """
    that which who whom whose when where while if because although though since unless whether and or but how why
    what as
    """
    )
)
STOP_WORDS = (
    PREPOSITIONS
    | DETERMINERS
    | CLAUSE_WORDS
    | AUXILIARIES
    | frozenset(
        words_in(
            """
    be been being it they he she we you i them him us do does did not only also very so such then there here more
    less other same own just even still yet too up down out
    """
        )
    )
)


def _past_of(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    if base in _DOUBLING:
        return base + base[-1] + "ed"
    return base + "ed"


def _third_person(base: str) -> str:
    """Return the form that follows he, she or it."""
    if base in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[base]
    if base.endswith(("s", "x", "z", "ch", "sh")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


_PAST: dict[str, str] = {base: _past_of(base) for base in _REGULAR.split()}
_PARTICIPLE: dict[str, str] = dict(_PAST)
for _entry in _IRREGULAR.split():
    _base, _PAST[_base], _PARTICIPLE[_base] = _entry.split(":")

PAST_TO_BASE: dict[str, str] = {past: base for base, past in sorted(_PAST.items())} | {"found": "find"}
PARTICIPLE_TO_BASE: dict[str, str] = {form: base for base, form in sorted(_PARTICIPLE.items())}
THIRD_TO_BASE: dict[str, str] = {_third_person(base): base for base in _PAST}
BASES = frozenset(_PAST)


@lru_cache(maxsize=8_192)
def lemma(word: str) -> str:
    """Return a rough base form under which `built` meets `build` and `towers` meets `tower`."""
    low = word.lower().replace("’", "'").removesuffix("'s")
    if low in BASES:
        return low
    for forms in (PAST_TO_BASE, PARTICIPLE_TO_BASE, THIRD_TO_BASE):
        if low in forms:
            return forms[low]
    if len(low) > 4 and low.endswith("ies"):
        return low[:-3] + "y"
    if len(low) > 3 and low.endswith("s") and not low.endswith(("ss", "us", "is")):
        return low[:-1]
    return low
