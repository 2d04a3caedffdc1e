#!/usr/bin/env bash
# Builds, checks and tests everything. Needs Go and bash; the linter comes as a
# Go module at a pinned version. The system's packages give what is missing:
# clang 15 or later (it compiles Metal's kernels as C++, and C for the race
# detector), qemu (for the arm64 kernels), wine (for the Windows binary). The smallest
# run of tools/distill is done where a python3 has PyTorch. Files are held against
# ggml and clients of npm are driven where node and the npm registry are there, and
# the page of mil serve where chromium is.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

step build
go build -buildvcs=false -o mil .

step gofmt
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  printf 'gofmt would change:\n%s\n' "$unformatted"
  exit 1
fi

step "workflows name actions by commit"
if grep -nE '^[^#]*uses:' .github/workflows/*.yml | grep -vE '@[0-9a-f]{40} # v[0-9]'; then
  printf 'these may change under us\n'
  exit 1
fi

step vet
go vet ./...

step staticcheck
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

step cross-builds
host=$(go env GOOS)/$(go env GOARCH)
# Each system and each processor is built and vetted once. The others' own files
# are darwin/amd64's in metal; tools/release.sh builds all six.
for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
  printf '%s\n' "$target"
  # As releases are built, so that the next step finds the packages compiled.
  trim=-trimpath
  [ "$target" != "$host" ] || trim=
  export GOFLAGS="-mod=readonly $trim"
  export GOOS=${target%/*} GOARCH=${target#*/}
  case $target in
    linux/arm64 | darwin/arm64 | windows/amd64)
      go build -buildvcs=false -o /dev/null .
      go vet ./...
      ;;
    darwin/amd64) go vet ./metal/... ;;
    *) go list -deps ./... >/dev/null ;;
  esac
  unset GOOS GOARCH
done

export GOFLAGS=-mod=readonly
step "a static binary, without GPUs"
static=$(mktemp)
for arch in amd64 arm64; do
  GOOS=linux GOARCH=$arch go build -tags nogpu -buildvcs=false -o "$static" .
  if grep -qE 'ld-linux|libc\.so' "$static"; then
    printf 'it asks for a dynamic loader\n'
    exit 1
  fi
done
rm "$static"
go vet -tags nogpu ./cuda ./metal

step "reproducible builds"
# Built in two folders, the same bytes. Not the host's system: its packages are
# cached as they are for tests, with their paths.
elsewhere=$(mktemp -d)
for copy in "$elsewhere/a" "$elsewhere/another"; do
  mkdir "$copy"
  tar -c --exclude=./.git --exclude=./testdata . | tar -x -C "$copy"
  "$copy/tools/release.sh" "$copy/dist" darwin/arm64
done
cmp "$elsewhere/a/dist/SHA256SUMS" "$elsewhere/another/dist/SHA256SUMS"
rm -rf "$elsewhere"

step "known vulnerabilities"
if ! found=$(go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... 2>&1); then
  if grep -q 'fetching vulnerabilities' <<<"$found"; then
    printf 'NOTE: not checked, the list of vulnerabilities cannot be reached from here\n'
  else
    printf '%s\n' "$found"
    exit 1
  fi
fi

step tests
if ! compiler=$(go run ./tools/clang 2>/dev/null); then
  apt-get update -q >/dev/null
  for package in clang-19 clang-18 clang-17 clang-16 clang-15; do
    if apt-get install -qy "$package" libc6-dev >/dev/null 2>&1; then break; fi
  done
  compiler=$(go run ./tools/clang)
fi
printf 'Metal'"'"'s kernels are compiled by %s\n' "$compiler"
# The generators' tests compare all digests. Without -short they also compile
# every kernel, not a few. Those of drafts, chats and the server try the same
# properties with -short, on fewer seeds and requests.
MIL_NEED_CLANG=1 go test -timeout 60m $(go list ./... | grep -v -e '/kernels*/gen$' -e '/speculate$' -e '/chat$' -e '/serve$')
go test -short ./internal/kernel/gen ./cuda/kernels/gen ./speculate ./chat ./serve

step "distillation in miniature"
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import numpy, torch' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -n "$python" ]; then
  "$python" tools/distill/smoke.py ./mil
else
  printf 'NOTE: not done, no python3 here has PyTorch and NumPy (Debian: apt-get install python3-torch)\n'
fi

step "arm64 kernels under qemu"
if ! command -v qemu-aarch64-static >/dev/null; then
  apt-get update -q >/dev/null && apt-get install -qy qemu-user-static >/dev/null
fi
kernels=$(mktemp)
GOARCH=arm64 go test -c -o "$kernels" ./internal/kernel
(cd internal/kernel && qemu-aarch64-static "$kernels" -test.short)
rm "$kernels"

step "race detector, where goroutines share memory"
CGO_ENABLED=1 CC=$compiler go test -race -short -timeout 10m -skip 'Company|WindowBits' ./backend/... ./format ./convert/... ./internal/source
CGO_ENABLED=1 CC=$compiler go test -race -short -timeout 10m -run 'Commit|Threads|Turns|Interrupt|Concurrent|Close|Scheduler' ./model ./chat ./llm ./schedule

step "a day of abuse, shortened"
if [ "$(go env GOOS)" = linux ]; then
  go run ./tools/abuse -short
else
  printf 'NOTE: not done, it knows Linux alone\n'
fi

step "Windows's binary under wine"
tools/wine/run.sh

step "the first hour on a terminal"
if [ "$(go env GOOS)" = linux ]; then
  go run ./tools/firsthour
else
  printf 'NOTE: not done, it knows Linux alone\n'
fi

step "Go's clients of the APIs"
tools/clients/clients.sh

step "clients of npm"
tools/clients/node.sh ./mil

step "JSON Schema against another implementation"
constrain/oracle/oracle.sh

step "the page in a browser"
tools/clients/page.sh

step "Kubernetes's manifests"
tools/kube/run.sh ./mil

step "GGUF against ggml"
tools/clients/ggml.sh ./mil

# By counts: at the end of a time, Go before 1.27 now and then calls its own
# deadline a failure (go.dev/issue/75804).
step fuzzing
for pkg in $(go list ./...); do
  dir=$(go list -f '{{.Dir}}' "$pkg")
  for target in $(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{print $2}'); do
    go test -run '^$' -fuzz "^$target\$" -fuzztime 8000x -fuzzminimizetime 1x "$pkg"
  done
done

step done
