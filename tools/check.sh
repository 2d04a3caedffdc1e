#!/usr/bin/env bash
# Builds, checks and tests everything. Needs Go and nothing else; the linter is
# fetched as a Go module at a pinned version.
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

step vet
go vet ./...

step cross-builds
for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
  GOOS=${target%/*} GOARCH=${target#*/} go build -buildvcs=false -o /dev/null .
  GOOS=${target%/*} GOARCH=${target#*/} go vet ./...
done

step tests
go test -timeout 14m ./...

step fuzzing
for pkg in $(go list ./...); do
  dir=$(go list -f '{{.Dir}}' "$pkg")
  for target in $(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{print $2}'); do
    go test -run '^$' -fuzz "^$target\$" -fuzztime 3s "$pkg"
  done
done

step done
