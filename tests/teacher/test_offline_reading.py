"""The offline teacher reads: it asks, refines, answers and judges, and declines what it cannot do well."""

from __future__ import annotations

import random
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.paths import FLOWS
from agentinstruct.stages import replies
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading import ANSWERERS

FLOW = FLOWS / "reading_comprehension"
TYPES = {
    entry["name"]: entry["form"] for entry in tomllib.loads((FLOW / "question_types.toml").read_text("utf-8"))["types"]
}
LETTERS = "ABCDEFGH"
BRIDGE = """The bridges of Harnley

Harnley lies on both banks of the Teal. Anna Brandt designed the first stone bridge. The first stone bridge
was opened in 1784. The bridge was 92 metres long. In 1841 a flood destroyed the stone bridge.

Samuel Okell, an engineer from the coast, built a chain bridge. Samuel Okell finished the chain bridge in
1846. The chain bridge carried few carts because its planks were rotten. Thomas Reed planned the present
bridge. Thomas Reed was born in Derby. The present bridge was completed in 1907. It carries a road and two
paths. The present bridge has 14 arches of grey granite.
"""
CODE = "```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [link](https://example.org)\n\n    code_block()\n"


def ask(reply: str, system: str = "", **sections: Any) -> dict[str, Any]:
    tags = []
    for name, value in sections.items():
        attributes, text = value if isinstance(value, tuple) else ({}, value)
        shown = "".join(f' {key}="{word}"' for key, word in attributes.items())
        tags.append(f"<{name}{shown}>\n{text}\n</{name}>")
    answer = ANSWERERS[reply](Material.of(system, "\n".join(tags)))
    assert answer is not None
    getattr(replies, reply).model_validate(answer)
    return answer


def questions(passage: str, name: str, form: str | None = None, count: int = 2) -> list[dict[str, Any]]:
    kind = ({"name": name, "form": form or TYPES[name]}, "guidance")
    return list(ask("Questions", question_type=kind, how_many=str(count), passage=passage)["questions"])


def respond(passage: str, question: str, options: list[str] | None = None) -> dict[str, Any]:
    lettered = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options or [], strict=False))
    return ask("GroundedAnswer", passage=passage, question=question, **({"options": lettered} if options else {}))


def expected(item: dict[str, Any], form: str, shown: list[str]) -> str:
    if form == "sequence":
        return ", ".join(LETTERS[shown.index(option)] for option in item["options"])
    return LETTERS[shown.index(item["answer"])] if form == "multiple_choice" else item["answer"]


@pytest.mark.parametrize("name", TYPES)
def test_the_reader_comes_to_the_writers_answer_whatever_the_order_of_options(name: str) -> None:
    for item in questions(BRIDGE, name):
        shown = random.Random(7).sample(item["options"], len(item["options"]))
        answer = respond(BRIDGE, item["question"], shown)
        if TYPES[name] != "open":
            assert answer["final_answer"] == expected(item, TYPES[name], shown)
        assert answer["answerable"] and len(answer["response"]) > 20
        assert all(quote in BRIDGE for quote in [*item["evidence"], *answer["evidence"]])


def test_at_least_a_dozen_types_are_written_for_a_plain_passage() -> None:
    assert sum(bool(questions(BRIDGE, name)) for name in TYPES) >= 12


def test_no_more_questions_are_written_than_wanted() -> None:
    assert [len(questions(BRIDGE, "vocabulary_fill_blank", count=count)) for count in (1, 2)] == [1, 2]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("text", [CODE, "", "Index\n\nA 1\nB 2\n", "He went there. It was so. They did it."])
def test_what_is_not_prose_gets_no_question(name: str, text: str) -> None:
    assert questions(text, name) == []


def test_types_that_need_judgement_are_declined() -> None:
    assert not any(
        questions(BRIDGE, name)
        for name in ("strengthen", "flaw", "attitude_or_tone", "parallel_reasoning", "best_title")
    )


def test_a_users_own_type_is_served_by_its_form() -> None:
    assert questions(BRIDGE, "dates_and_places", "short_answer")
    choice = questions(BRIDGE, "pick_the_year", "multiple_choice")[0]
    assert len(set(choice["options"])) == 4 and choice["answer"] in choice["options"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("In which year was the present bridge completed?", "1907"),
        ("Who built a chain bridge?", "Samuel Okell"),
        ("How many arches of grey granite does the present bridge have?", "14 arches"),
        ("Where was Thomas Reed born?", "Derby"),
        ("The bridge was 95 metres long.", "False"),
        ("The bridge was 92 metres long.", "True"),
        ("Anna Brandt designed the first ____ bridge.", "stone"),
        ("How many years after the first stone bridge was opened did Samuel Okell finish the chain bridge?", "62"),
    ],
)
def test_simple_questions_are_answered_from_the_passage(question: str, answer: str) -> None:
    found = respond(BRIDGE, question)
    assert found["final_answer"] == answer
    assert answer in found["response"]


@pytest.mark.parametrize(
    "question",
    [
        "In which year was Anna Brandt born?",
        "Who paid for the chain bridge?",
        "How many towers does the present bridge have?",
        "The bridge was painted red.",
        "In which year was the railway station opened?",
    ],
)
def test_what_the_passage_does_not_tell_is_declined_with_a_reason(question: str) -> None:
    answer = respond(BRIDGE, question)
    assert not answer["answerable"] and answer["final_answer"] == "" and "does not" in answer["response"]


def refined(goal: str, name: str) -> list[tuple[dict[str, Any], dict[str, Any], list[str]]]:
    edits = []
    for item in questions(BRIDGE, name, count=4):
        shown = random.Random(3).sample(item["options"], len(item["options"]))
        lettered = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, shown, strict=False))
        sections: dict[str, Any] = {
            "goal": ({"name": goal}, "aim"),
            "question_type": ({"name": name, "form": TYPES[name]}, "guidance"),
        }
        sections |= {"passage": BRIDGE, "question": item["question"], "answer": item["answer"]} | (
            {"options": lettered} if shown else {}
        )
        suggestions = ask("Suggestions", **sections)["suggestions"]
        edits += [(item, ask("Edit", **sections, suggestion=suggestion), shown) for suggestion in suggestions]
    return edits


@pytest.mark.parametrize("name", ["literal_answer", "date_time_arithmetic", "cause_and_effect"])
def test_an_unanswerable_item_is_declined_by_the_reader_and_keeps_its_question(name: str) -> None:
    edits = refined("unanswerable", name)
    assert edits
    for item, edit, shown in edits:
        assert edit["possible"] and edit["question"] == item["question"] and edit["options"] == shown
        assert not respond(edit["passage"], edit["question"], shown)["answerable"]
        assert len(edit["passage"]) > 0.7 * len(BRIDGE)


@pytest.mark.parametrize("name", ["literal_answer", "critical_true_false", "date_time_arithmetic"])
def test_a_changed_passage_gives_the_answer_that_the_editor_names(name: str) -> None:
    edits = refined("change_answer", name)
    assert edits
    for item, edit, _ in edits:
        assert edit["answer"] != item["answer"] and edit["question"] == item["question"]
        assert respond(edit["passage"], edit["question"])["final_answer"] == edit["answer"]


def test_a_harder_choice_has_a_further_option_and_the_same_key() -> None:
    edits = refined("harder", "except_question")
    assert edits
    for item, edit, shown in edits:
        assert len(edit["options"]) == len(shown) + 1 and edit["answer"] == item["answer"] and edit["passage"] == ""


def test_a_suggestion_in_other_words_is_not_carried_out() -> None:
    edit = ask("Edit", passage=BRIDGE, question="Who built a chain bridge?", suggestion="Make it about ships.")
    assert not edit["possible"] and edit["passage"] == edit["question"] == ""


@pytest.mark.parametrize("path", sorted((FLOW / "transform").glob("*.md")), ids=lambda path: path.stem)
def test_only_dialogue_and_meeting_are_attempted_and_keep_the_seeds_sentences(path: Any) -> None:
    system = path.read_text("utf-8").partition("\n---\n")[0]
    long = BRIDGE + "\nThe town has three schools. The oldest school was founded in 1650. It stands near the river.\n"
    passage = ask("Passage", system, seed=long)
    if path.stem in ("dialogue", "meeting"):
        assert not passage["irrelevant"] and "The present bridge has 14 arches of grey granite." in passage["text"]
        assert len(set(re.findall(r"^(\w+): ", passage["text"], re.M))) >= 2
        assert questions(passage["text"], "literal_answer")
    else:
        assert passage["irrelevant"] and passage["text"] == ""


def test_the_judge_passes_a_summary_of_the_passage_and_no_other_text() -> None:
    item = questions(BRIDGE, "constrained_summary")[0]
    sections = {
        "question_type": ({"name": "constrained_summary", "form": "open"}, ""),
        "passage": BRIDGE,
        "question": item["question"],
    }
    good = respond(BRIDGE, item["question"])["response"]
    assert ask("Judgement", **sections, answer=item["answer"], response=good)["passed"]
    strange = "Penguins swim quickly through cold southern oceans and catch plenty of silver fish."
    assert not ask("Judgement", **sections, answer=item["answer"], response=strange)["passed"]


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        ("The bridge was 92 metres long. The bridge was 92 metres long. Thomas Reed was born in Derby.", "twice"),
        ("The bridge was 92 metres long. Thomas Reed was born in Derby.", "2 sentences"),
        (
            "Thomas Reed was born in Derby. Samuel Okell built a chain bridge. The bridge was 92 metres long.",
            "order",
        ),
    ],
)
def test_the_judge_fails_a_summary_that_breaks_the_form_asked_for(response: str, fault: str) -> None:
    item = questions(BRIDGE, "constrained_summary")[0]
    verdict = ask("Judgement", passage=BRIDGE, question=item["question"], answer="", response=response)
    assert not verdict["passed"] and fault in verdict["reason"]


@pytest.mark.parametrize("form", ["dialogue", "meeting"])
def test_a_conversation_says_no_sentence_of_the_seed_twice(form: str) -> None:
    system = (FLOW / "transform" / f"{form}.md").read_text("utf-8").partition("\n---\n")[0]
    long = BRIDGE + "\nThe town has three schools. The oldest school was founded in 1650. It stands near the river.\n"
    passage = ask("Passage", system, seed=long)["text"]
    for told in re.findall(r"[A-Z][^.]+\.", " ".join(long.split())):
        assert passage.count(told) <= 1
    said = questions(passage, "constrained_summary")
    assert not said or "item" not in respond(passage, said[0]["question"])["response"]


def test_whoever_asks_in_a_dialogue_knows_nothing_but_what_was_said() -> None:
    system = (FLOW / "transform" / "dialogue.md").read_text("utf-8").partition("\n---\n")[0]
    turns = ask("Passage", system, seed=BRIDGE)["text"].split("\n\n")
    for place, turn in enumerate(turns[1:], 1):
        if turn.endswith("?"):
            said = "\n".join(turns[:place])
            assert all(name in said for name in re.findall(r"\b(?:Anna|Samuel|Thomas|Okell|Reed|\d{4})\b", turn))


def test_a_refusal_does_not_list_the_speakers_of_a_conversation() -> None:
    talk = "Nora: Good evening.\n\nIdris: The chain bridge carried few carts. The bridge was opened by Anna Brandt."
    response = respond(talk, "Who was Samuel Okell, according to the passage?")["response"]
    assert response.startswith("The passage does not say who Samuel Okell was.")
    assert "Nora" not in response and "Idris" not in response


@pytest.mark.parametrize(
    "fragment",
    [
        "Useful for speeding up computations that would take too long in the main loop of a program.",
        "Only architecture any packages need to be rebuilt in the third phase of the change.",
        "Creates the structures needed to manage the definitions that are included in one file.",
        "Searches for an element called name and returns the value that belongs to that element .",
    ],
)
@pytest.mark.parametrize("name", ["critical_true_false", "vocabulary_fill_blank", "literal_answer"])
def test_a_sentence_without_its_subject_is_not_asked_about(fragment: str, name: str) -> None:
    assert questions(fragment + "\n", name) == []


def test_a_participle_is_not_taken_for_the_verb() -> None:
    passage = "The data returned should be handled as constant values by every caller of the third interface."
    assert questions(passage, "literal_answer") == []


def test_a_false_statement_changes_no_name_and_no_share_beyond_the_whole() -> None:
    encodings = "Every ASCII file from the last century is already a valid UTF-8 file. Of all pages 97 per cent use it."
    for name in ("critical_true_false", "cannot_be_true"):
        for item in questions(encodings, name, count=4):
            assert not re.search(r"UTF-(?!8)|1\d\d per cent", item["question"])


def test_two_changes_turn_a_choice_of_statements() -> None:
    passage = BRIDGE.replace("92 metres", "46 metres").replace("14 arches", "38 arches")
    item = questions(passage, "except_question", count=1)[0]
    lettered = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, item["options"], strict=False))
    kind = ({"name": "except_question", "form": "multiple_choice"}, "guidance")
    sections: dict[str, Any] = {"goal": ({"name": "change_answer"}, "aim"), "question_type": kind}
    sections |= {"passage": passage, "question": item["question"], "options": lettered, "answer": item["answer"]}
    for suggestion in ask("Suggestions", **sections)["suggestions"]:
        edit = ask("Edit", **sections, suggestion=suggestion)
        letter = respond(edit["passage"], item["question"], edit["options"])["final_answer"]
        assert edit["answer"] != item["answer"] and edit["options"][LETTERS.index(letter)] == edit["answer"]


def test_a_harder_statement_holds_two_claims_and_keeps_its_verdict() -> None:
    edits = refined("harder", "critical_true_false")
    assert edits
    for item, edit, _ in edits:
        assert ", and " in edit["question"] and edit["answer"] == item["answer"]
        assert respond(BRIDGE, edit["question"])["final_answer"] == item["answer"]


def test_a_harder_gap_lacks_two_words() -> None:
    passage = "The engineer wrote down how several satirical pamphlets mocked the company before it was closed again."
    kind = ({"name": "vocabulary_fill_blank", "form": "fill_blank"}, "guidance")
    sections: dict[str, Any] = {"goal": ({"name": "harder"}, "aim"), "question_type": kind, "passage": passage}
    sections["question"] = passage.replace("pamphlets", "____")
    edit = ask("Edit", **sections, suggestion=ask("Suggestions", **sections)["suggestions"][0])
    assert edit["answer"] == "satirical pamphlets"
    assert respond(passage, edit["question"])["final_answer"] == "satirical pamphlets"


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300), reply=st.sampled_from(sorted(ANSWERERS)), name=st.sampled_from(sorted(TYPES)))
def test_no_text_whatever_makes_it_stumble(text: str, reply: str, name: str) -> None:
    kind = ({"name": name, "form": TYPES[name]}, "")
    sections = {"goal": ({"name": "harder"}, ""), "question_type": kind, "how_many": "2", "seed": text, "passage": text}
    ask(reply, "a dialogue", **sections, question=text, options=text, answer=text, suggestion=text, response=text)


@pytest.mark.parametrize("name", ["except_question", "literal_answer", "relationship_matching"])
def test_the_same_prompt_is_always_answered_alike(name: str) -> None:
    assert questions(BRIDGE, name) == questions(BRIDGE, name)
