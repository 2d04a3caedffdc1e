#!/usr/bin/env bash
# Holds the grammars of JSON Schemas against another implementation. Says so where its module cannot be had.
# Long: ./oracle.sh -schemas 500 -random 5000 -sampled 200000 -seed 7
set -euo pipefail
cd "$(dirname "$0")"
if ! timeout 60 go mod download >/dev/null 2>&1; then
  printf 'NOTE: not done, the Go module proxy does not answer\n'
  exit 0
fi
go vet ./...
go test -count=1 -timeout 60m . "$@"
