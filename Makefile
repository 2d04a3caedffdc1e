# `go build` and tools/check.sh are all that mil needs; this is for what they do not cover.
PYTHON ?= $(shell for p in python3 /usr/bin/python3; do $$p -c 'import numpy, torch' 2>/dev/null && echo $$p && break; done)

.PHONY: check distill distill-smoke build pytorch
check:
	tools/check.sh

build:
	CGO_ENABLED=0 go build -buildvcs=false -o mil .

pytorch:
	@test -n "$(PYTHON)" || { echo "no python3 here has PyTorch and NumPy (Debian: apt-get install python3-torch)"; exit 1; }

# Teacher, hybrids, drafts and their scores, on one GPU; called again, it goes on where it was.
distill: build pytorch
	$(PYTHON) tools/distill all --out dist/distill --mil ./mil

# The same in miniature, on a processor.
distill-smoke: build pytorch
	$(PYTHON) tools/distill/smoke.py ./mil
