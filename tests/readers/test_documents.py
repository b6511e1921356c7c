"""Files that hold one document: what of each format becomes the seed, and what is skipped with which reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest

from .conftest import Read


def test_a_text_file_is_one_seed_that_says_where_it_is_from(tmp_path: Path, read: Read, passage: str) -> None:
    path = tmp_path / "salt.txt"
    path.write_text(passage + "\r\n")
    [seed], skipped = read(path, license="CC0-1.0")
    assert (seed.text, seed.kind, seed.license, seed.source) == (passage, "text", "CC0-1.0", path.as_posix())
    assert not skipped


def test_markdown_loses_its_front_matter_which_gives_title_and_licence(
    tmp_path: Path, read: Read, passage: str
) -> None:
    front = "---\ntitle: 'On salt'\nlicense: CC-BY-4.0\nboom: !!python/object/apply:os.system ['touch x']\n---\n"
    (tmp_path / "a.md").write_text(f"{front}<!-- hidden -->\n[![badge](x.svg)](y)\n\n{passage}\n\n    a: b\n")
    [seed], _ = read(tmp_path, license="MIT")
    assert seed.text.startswith(passage)
    assert (seed.meta["title"], seed.license) == ("On salt", "CC-BY-4.0")


def test_markdown_links_are_read_for_their_words(tmp_path: Path, read: Read, passage: str) -> None:
    links = 'See [the `map`](x.md "old"), [camels][c] and ![a picture](y.png)a[i][j].'
    (tmp_path / "a.md").write_text(f"{passage} {links}\n\n```\nx = m[a][c](b)\n```\n\n[c]: camels.md\n")
    [seed], _ = read(tmp_path)
    assert seed.text == f"{passage} See the `map`, camels and a[i][j].\n\n```\nx = m[a][c](b)\n```"


def test_a_script_without_an_ending_is_code_by_its_first_line(tmp_path: Path, read: Read, passage: str) -> None:
    (tmp_path / "tool").write_text(f"#!/usr/bin/env python3\n# {passage}\nprint()\n")
    [seed], _ = read(tmp_path)
    assert (seed.kind, seed.meta["language"]) == ("code", "python")


def test_a_rule_at_the_top_of_markdown_is_not_taken_for_front_matter(tmp_path: Path, read: Read, passage: str) -> None:
    (tmp_path / "a.md").write_text(f"---\n{passage}\n---\n{passage.lower()}")
    [seed], _ = read(tmp_path)
    assert seed.text.count("desert") == 2


def test_restructured_text_is_read_for_its_words(tmp_path: Path, read: Read, passage: str) -> None:
    source = (
        f"Salt\n====\n\n.. versionadded:: 2.0\n\n:func:`~desert.cross` and ``camel``.\n\n{passage}\n\n* one\n* two\n"
    )
    (tmp_path / "a.rst").write_text(f"{source}\n.. code-block:: python\n\n   x = 1\n")
    [seed], _ = read(tmp_path)
    expected = ["# Salt", "New in version 2.0", "desert.cross and `camel`.", passage, "- one\n- two"]
    assert seed.text.split("\n\n") == [*expected, "```python\nx = 1\n```"]
    assert seed.meta["title"] == "Salt"


@pytest.mark.parametrize(
    "directive",
    [
        ".. include:: secret.txt",
        ".. raw:: html\n   :file: secret.txt",
        ".. csv-table:: x\n   :file: secret.txt",
        ".. literalinclude:: secret.txt",
        ".. code-block:: text\n   :file: secret.txt",
    ],
)
def test_restructured_text_cannot_reach_another_file(
    tmp_path: Path, read: Read, passage: str, directive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("the combination is 7351")
    (tmp_path / "a.rst").write_text(f"{passage}\n\n{directive}\n")
    seeds, _ = read(tmp_path / "a.rst")
    assert seeds and all("7351" not in seed.text for seed in seeds)


def test_a_role_defined_in_one_file_is_unknown_in_the_next(tmp_path: Path, read: Read, passage: str) -> None:
    using = f"{passage} :loud:`word`"
    (tmp_path / "b.rst").write_text(using)
    alone, _ = read(tmp_path)
    (tmp_path / "a.rst").write_text(f".. role:: loud\n\n:loud:`Another` text about something else. {passage}")
    together, _ = read(tmp_path)
    assert alone[0].id in [seed.id for seed in together]


def test_html_is_read_for_its_main_text(tmp_path: Path, read: Read, passage: str) -> None:
    menu = "<nav><a href=/>Home</a><a href=/shop>Shop</a></nav><script>alert('x')</script>"
    body = f"<main><h1>On salt</h1><p>{passage}</p><p>{passage.upper()}</p></main><footer>Imprint</footer>"
    (tmp_path / "a.html").write_text(f"<html><body>{menu}{body}</body></html>")
    [seed], _ = read(tmp_path)
    assert passage in seed.text
    assert not any(word in seed.text for word in ("alert", "Shop", "Imprint"))
    assert seed.meta["title"] == "On salt"


def test_a_pdf_is_read_without_its_running_heads_and_with_its_lines_joined(
    tmp_path: Path, read: Read, make_pdf: Callable[..., bytes]
) -> None:
    def page(number: int, name: str) -> list[str]:
        first = f"The {name} caravan left the oasis before the sun had risen above the dunes of the inter-"
        return ["The Salt Road", first, "ior, and it came back after forty days.", f"{number}"]

    (tmp_path / "a.pdf").write_bytes(make_pdf(page(1, "first"), page(2, "second"), page(3, "third")))
    [seed], _ = read(tmp_path)
    assert "the dunes of the interior, and it came back after forty days." in seed.text
    assert "Salt Road" not in seed.text


def test_a_password_pdf_is_skipped_with_its_reason(
    tmp_path: Path, read: Read, passage: str, make_pdf: Callable[..., bytes]
) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf([passage])))
    writer.encrypt("sesame", algorithm="RC4-128")
    with (tmp_path / "a.pdf").open("wb") as file:
        writer.write(file)
    seeds, [skipped] = read(tmp_path)
    assert not seeds
    assert str(skipped) == f"{(tmp_path / 'a.pdf').as_posix()}: is encrypted with a password"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("scan.pdf", None, "has no extractable text"),
        ("cut.pdf", b"%PDF-1.4\n1 0 obj\n<</Type", "cannot be read as PDF"),
        ("nothing.txt", b"", "is empty"),
        ("blank.md", b"\n\n  \n", "is empty"),
        ("program.txt", b"\x7fELF\x02\x01\x01\x00\x00\x00\x00" * 40, "is binary"),
        ("short.txt", b"Only a few words stand here.", "has only 6 words"),
        ("numbers.txt", b"1 22 333 4444 55555 " * 40, "is hardly prose"),
        ("list.txt", b"apple\npear\nplum\n" * 20, "is a list of words"),
        ("empty.html", b"<html><body><script>x()</script></body></html>", "has no main text"),
        ("all.min.js", b"var a=1;" * 900, "minified"),
        ("logo.png", b"\x89PNG", "is an image"),
        ("data.tar.gz", b"\x1f\x8b", "is an archive"),
        ("settings.yaml", b"a: 1", "no reader"),
        ("poetry.lock", b"[[package]]", "lists packages"),
        ("LICENSE", b"Permission is hereby granted", "is a licence"),
    ],
)
def test_what_is_no_seed_is_skipped_with_one_line_that_says_why(
    tmp_path: Path, read: Read, name: str, content: bytes | None, reason: str, make_pdf: Callable[..., bytes]
) -> None:
    (tmp_path / name).write_bytes(make_pdf([]) if content is None else content)
    seeds, [skipped] = read(tmp_path)
    assert not seeds
    assert skipped.source == (tmp_path / name).as_posix()
    assert reason in skipped.reason
    assert "\n" not in str(skipped)


def test_a_file_over_the_limit_is_not_even_opened(tmp_path: Path, read: Read) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(3_000_000_000)  # sparse: it takes no room on disk
    seeds, [skipped] = read(tmp_path)
    assert not seeds
    assert "is 3000 MB, over the limit of 50 MB" in skipped.reason


FRENCH = "Le château était fermé, et les élèves attendaient près de la fenêtre où le garçon avait laissé ses clés. " * 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_text_is_understood_in_the_encodings_people_save_it_in(tmp_path: Path, read: Read, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(FRENCH.encode(encoding))
    [seed], skipped = read(tmp_path)
    assert seed.text == FRENCH.strip()
    assert not skipped


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Die Bäume über dem Fluß blühen schön, und größere Äste hängen hinüber zu den Gärten. ", "cp1252"),
        ("The “salt” road — as it’s called — was built by the king’s men, past a café. ", "cp1252"),
        ("Zażółć gęślą jaźń; wędrówka przez góry była długa, a śnieg leżał jeszcze w dolinach. ", "cp1250"),
        ("Дом стоял у самой реки, и вода весной поднималась до крыльца. ", "cp1251"),
        ("家は川のすぐそばにあり、春になると水が玄関まで上がってきた。", "shift_jis"),
        ("房子就在河边，春天的时候水会涨到门口，老人坐在那里补网。", "gb18030"),
    ],
)
def test_older_encodings_are_told_apart(tmp_path: Path, read: Read, text: str, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes((text * 4).encode(encoding))
    [seed], _ = read(tmp_path)
    assert seed.text == (text * 4).strip()


def test_a_page_is_read_in_the_encoding_it_declares(tmp_path: Path, read: Read) -> None:
    text = "Дом стоял у самой реки, и вода весной поднималась до крыльца, где сидел старик и чинил сеть. " * 3
    page = f"<html><head><meta charset=koi8-r></head><body><p>{text}</p></body></html>"
    (tmp_path / "a.html").write_bytes(page.encode("koi8-r"))
    [seed], _ = read(tmp_path)
    assert "чинил сеть" in seed.text


def test_source_code_is_known_by_its_name_and_keeps_its_empty_lines(tmp_path: Path, read: Read) -> None:
    code = "import os\n\n\ndef add(first, second):\n    " + '"""Return the sum of two numbers, whatever they are."""'
    code += "\n    total = first + second\n    return total\n\n\ndef name():\n    return os.name"
    (tmp_path / "a.py").write_text(code)
    [seed], _ = read(tmp_path)
    assert (seed.kind, seed.text, seed.meta["language"]) == ("code", code, "python")


def test_a_long_document_becomes_numbered_pieces_of_the_asked_size(tmp_path: Path, read: Read) -> None:
    paragraphs = [
        f"Paragraph {n} tells of the {n}th day on the road and of what was eaten there." * 2 for n in range(40)
    ]
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(paragraphs))
    seeds, _ = read(path, seed_tokens=100)
    assert [seed.meta["part"] for seed in seeds] == list(range(1, len(seeds) + 1))
    assert {seed.meta["parts"] for seed in seeds} == {len(seeds)}
    assert max(len(seed.text) for seed in seeds) <= 400
    path.write_text("\n\n".join([*paragraphs, "One more paragraph at the very end, about the way home and its inns."]))
    longer, _ = read(path, seed_tokens=100)
    assert [seed.id for seed in longer][: len(seeds) - 1] == [seed.id for seed in seeds][:-1]


def test_the_same_text_is_yielded_once_and_its_copy_is_named(tmp_path: Path, read: Read, passage: str) -> None:
    (tmp_path / "a.txt").write_text(passage)
    (tmp_path / "b.md").write_text(passage)
    [seed], [skipped] = read(tmp_path)
    assert seed.source.endswith("a.txt")
    assert skipped.reason == f"has the same text as {seed.source}"
