# `make demo` and `make test` set up everything they need in .venv; the tests train tiny students and install torch.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Many tests wait for servers and processes of their own: three workers keep two cores busy.
WORKERS := --numprocesses 3 --dist worksteal

.PHONY: demo test quick lint clean

demo: $(VENV)/.core
	$(BIN)/agentinstruct generate seeds/sample -f reading_comprehension -f math_word_problems -t recorded:sample --out runs/demo
	@echo
	$(BIN)/agentinstruct show runs/demo --only transformation=debate --limit 1
	$(BIN)/agentinstruct show runs/demo --only goal=harder --only transformation=satire --limit 1
	$(BIN)/agentinstruct show runs/demo --only goal=change_answer --limit 1
	$(BIN)/agentinstruct show runs/demo --only declined=true --limit 1
	$(BIN)/agentinstruct show runs/demo --only type=suggester_editor --limit 1
	@echo "Next, with a real teacher (set OPENAI_API_KEY first):"
	@echo "  $(BIN)/agentinstruct generate seeds/sample -f reading_comprehension -f math_word_problems --teacher openai:gpt-4.1-mini --budget 1 --out runs/first"

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)

quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS) -m "not slow"

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
