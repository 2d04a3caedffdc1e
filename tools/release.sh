#!/usr/bin/env bash
# tools/release.sh FOLDER [OS/ARCH ...]: builds mil for each system (all by
# default) into the folder and writes SHA256SUMS beside them. The same source
# gives the same bytes wherever it lies; in a checkout the commit is part of it.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
stamp=auto
[ -e .git ] || stamp=false
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
names=()
for target; do
  os=${target%/*} arch=${target#*/}
  name=mil-$os-$arch
  [ "$os" != windows ] || name=$name.exe
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0 \
    go build -trimpath -buildvcs=$stamp -ldflags '-s -w' -o "$out/$name" .
  names+=("$name")
done
cd "$out"
sha256sum "${names[@]}" >SHA256SUMS
