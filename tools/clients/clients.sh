#!/usr/bin/env bash
# Drives mil serve with Go's clients of the APIs. Says so where their modules cannot be had.
set -euo pipefail
cd "$(dirname "$0")"
if ! timeout 60 go mod download >/dev/null 2>&1; then
  printf 'NOTE: not done, the Go module proxy does not answer\n'
  exit 0
fi
go test -count=1 -timeout 180s ./...
