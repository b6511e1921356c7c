# `make demo` and `make test` set up everything they need in .venv; the tests train tiny students and install torch.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test lint clean

demo: $(VENV)/.core
	$(BIN)/agentinstruct generate seeds/sample -f reading_comprehension -f math_word_problems --out runs/demo
	@echo
	@echo "Next, with a real teacher (set OPENAI_API_KEY first):"
	@echo "  $(BIN)/agentinstruct generate seeds/sample -f reading_comprehension -f math_word_problems --teacher openai:gpt-4.1-mini --budget 1 --out runs/first"

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "agentinstruct needs Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(STAMP): $(VENV)/.core
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) runs/demo build dist
