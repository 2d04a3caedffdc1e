#!/usr/bin/env bash
# Tests the page of mil serve: how it reads Markdown with node, and the page itself in
# Chromium. Says so where one of them is not there.
set -euo pipefail
cd "$(dirname "$0")/page"
if command -v node >/dev/null && [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ]; then
  if ! said=$(node --test . 2>&1); then
    printf '%s\n' "$said"
    exit 1
  fi
else
  printf 'NOTE: how the page reads Markdown was not tested, there is no node 20 here (Debian: apt-get install nodejs)\n'
fi
if ! command -v chromium >/dev/null; then
  printf 'NOTE: the page was not driven, there is no chromium here (Debian: apt-get install chromium)\n'
  exit 0
fi
if ! timeout 60 go mod download >/dev/null 2>&1; then
  printf 'NOTE: the page was not driven, the Go module proxy does not answer\n'
  exit 0
fi
MIL_CHROMIUM=$(command -v chromium) go test -count=1 -timeout 180s ./...
