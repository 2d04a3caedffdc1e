#!/usr/bin/env bash
# Drives a built mil serve with npm's clients of the APIs. Where they cannot be had, it
# says why and succeeds.
set -euo pipefail
mil=$(realpath "${1:-mil}")
cd "$(dirname "$0")/node"

left_out() {
  printf 'NOTE: not driven by clients of npm, %s\n' "$1"
  exit 0
}

for program in node npm; do
  command -v "$program" >/dev/null || left_out "there is no $program here (20 or later)"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || left_out "node is of version $major, not 20 or later"
if ! cmp -s package-lock.json node_modules/.installed; then
  npm view openai version --fetch-retries=1 --fetch-timeout=20000 >/dev/null 2>&1 ||
    left_out "the npm registry does not answer"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi
timeout 120 node --test-reporter=dot main.js "$mil"
