# Two commands are enough: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run repro test lint bench viz viz-site mlflow docs

help:           ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	touch $(STAMP)

setup: $(STAMP) ## create .venv and install the pinned set

run: $(STAMP)   ## render the built-in set and run the whole pipeline on it
	$(BIN)/kedro run

repro: $(STAMP) ## the same as DVC stages, only what is stale; DATASET=NAME for an overlay
	$(BIN)/python -m deepfake_pipeline.repro $(DATASET)

test: $(STAMP)  ## all tests that need no GPU and no data of one's own
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)  ## style, types, and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each prints a small table: what every degradation and every repair costs; how the descriptor tells people apart;
# enhancement and training against plain loops; direct convolution against fewer products; detectors side by side,
# recall and landmarks; MTCNN against the plain loop, and where the time goes; memory of extraction at 1,000 and 10,000
# images; planted copies, false alarms and the search of 100,000 files; scoring against the plain loop; where
# explanations point; what a study costs; runs killed and resumed.
BENCHMARKS := degradations repairs descriptor enhancement training_rate minimal_filtering face_detection face_speed \
	memory leaks scoring explanations enhancement_study kills

bench: $(STAMP) ## what claims of speed, recall, memory, leaks and resuming rest on (long); BENCHMARKS=NAME for one
	for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

viz: $(STAMP)   ## look at the pipelines, their data and previews in a browser
	$(BIN)/kedro viz run

viz-site: $(STAMP) ## the same as a static site, with previews, in build/
	$(BIN)/kedro viz build --include-previews

mlflow: $(STAMP) ## look at every recorded run in a browser
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

docs: $(STAMP)  ## build the documentation into site/
	$(BIN)/mkdocs build
