#!/usr/bin/env bash
# Holds GGUF files of a built mil against a real ggml (tools/clients/ggml/README.md).
# Where that cannot be had, it says why and succeeds.
set -euo pipefail
mil=$(realpath "${1:-mil}")
cd "$(dirname "$0")/ggml"

left_out() {
  printf 'NOTE: not compared with ggml, %s\n' "$1"
  exit 0
}

[ "$(uname -sm)" = "Linux x86_64" ] || left_out "whose library is taken for Linux on x86-64 alone"
for program in node npm; do
  command -v "$program" >/dev/null || left_out "there is no $program here (20 or later)"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || left_out "node is of version $major, not 20 or later"
if ! cmp -s package-lock.json node_modules/.installed; then
  version=$(node -p 'require("./package.json").dependencies["@node-llama-cpp/linux-x64"]')
  npm view "@node-llama-cpp/linux-x64@$version" version --fetch-retries=1 --fetch-timeout=20000 >/dev/null 2>&1 ||
    left_out "the npm registry does not answer"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
fi
node main.js "$mil"
