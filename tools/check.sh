#!/usr/bin/env bash
# Builds, checks and tests everything. Needs Go and bash; the linter comes as a
# Go module at a pinned version. The system's packages give what is missing:
# clang 15 or later (it compiles Metal's kernels as C++, and C for the race
# detector), qemu (for the arm64 kernels), wine (for the Windows binary). The smallest
# run of tools/distill is done where a python3 has PyTorch. Files are held against
# ggml and clients of npm are driven where node and the npm registry are there, and
# the page of mil serve where chromium is.
#
# Steps that mostly wait, or use one processor, run beside the others. Their
# output comes when the others are done, and any that fails fails the whole.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
work=$(mktemp -d)
step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

# beside NAME FUNCTION runs a function of this file in the background.
declare -A lanes=()
beside() {
  set -m # a process group of its own, which can be ended whole
  "$2" >"$work/$1.log" 2>&1 </dev/null &
  lanes[$1]=$!
  set +m
}

# done_beside NAME waits for it, shows what it printed and fails where it failed.
done_beside() {
  local code=0
  wait "${lanes[$1]}" || code=$?
  unset "lanes[$1]"
  cat "$work/$1.log"
  [ "$code" = 0 ] || printf 'FAILED: %s, exit status %s\n' "$1" "$code"
  return "$code"
}

cleanup() {
  local name
  for name in "${!lanes[@]}"; do
    kill -- "-${lanes[$name]}" 2>/dev/null || true
    printf '\nstopped: %s, which had printed:\n' "$name"
    cat "$work/$name.log"
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# system_packages installs what the later steps need and is not here.
system_packages() {
  step "packages of the system"
  if ! go run ./tools/clang >/dev/null 2>&1; then
    apt-get update -q >/dev/null
    local package
    for package in clang-19 clang-18 clang-17 clang-16 clang-15; do
      if apt-get install -qy "$package" libc6-dev >/dev/null 2>&1; then break; fi
    done
  fi
  if ! command -v qemu-aarch64-static >/dev/null; then
    apt-get update -q >/dev/null && apt-get install -qy qemu-user-static >/dev/null
  fi
  printf 'Metal'"'"'s kernels are compiled by %s\n' "$(go run ./tools/clang)"
}

# Programs that use the built mil, and the arm64 kernels, one after another.
programs() {
  step "Windows's binary under wine" # which may install packages as well
  tools/wine/run.sh

  step "arm64 kernels under qemu"
  # Flags as of the cross-builds, whose packages are compiled by then.
  GOARCH=arm64 go test -trimpath -c -o "$work/kernels" ./internal/kernel
  (cd internal/kernel && qemu-aarch64-static "$work/kernels" -test.short)

  step "distillation in miniature"
  local python= candidate
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

  if [ "$(go env GOOS)" = linux ]; then
    step "a day of abuse, shortened"
    go run ./tools/abuse -short
    step "the first hour on a terminal"
    go run ./tools/firsthour
  else
    printf 'NOTE: no abuse and no first hour on a terminal, they know Linux alone\n'
  fi

  step "Go's clients of the APIs"
  tools/clients/clients.sh

  step "clients of npm"
  tools/clients/node.sh ./mil

  step "JSON Schema against another implementation"
  constrain/oracle/oracle.sh

  step "the page in a browser"
  tools/clients/page.sh

  step "GGUF against ggml"
  tools/clients/ggml.sh ./mil
}

# lists prints each package with its files on a system and a processor, and with the
# system where the package uses syscall, which has other names on each.
lists() {
  local system='{{range .}}{{if eq . "syscall"}} '$GOOS'{{end}}{{end}}'
  go list -f "{{.ImportPath}} {{.GoFiles}} {{.SFiles}} {{.TestGoFiles}} {{.XTestGoFiles}}{{with .Imports}}$system{{end}}{{with .TestImports}}$system{{end}}{{with .XTestImports}}$system{{end}}" ./...
}

step build
go build -buildvcs=false -o mil .
beside packages system_packages

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
# Three systems and two processors are built; tools/release.sh builds all six. A
# package is vetted once for each list of its files that any of the six has.
host=$(go env GOOS)/$(go env GOARCH)
GOOS=${host%/*} lists >"$work/vetted"
for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64 darwin/amd64 windows/arm64; do
  [ "$target" != "$host" ] || continue
  # As releases are built, so that the next step finds the packages compiled.
  export GOOS=${target%/*} GOARCH=${target#*/} GOFLAGS="-mod=readonly -trimpath"
  case $target in
    linux/arm64 | darwin/arm64 | windows/amd64) go build -buildvcs=false -o /dev/null . ;;
    *) go list -deps ./... >/dev/null ;;
  esac
  lists >"$work/lists"
  grep -vxFf "$work/vetted" "$work/lists" >"$work/new" || [ $? = 1 ]
  cat "$work/new" >>"$work/vetted"
  mapfile -t new < <(cut -d' ' -f1 "$work/new")
  printf '%s, %s packages are not as elsewhere\n' "$target" "${#new[@]}"
  [ ${#new[@]} = 0 ] || go vet "${new[@]}"
  unset GOOS GOARCH
done

step "a static binary, without GPUs"
for arch in amd64 arm64; do
  # The flags are those with which the packages were compiled above.
  trim="-trimpath"
  [ "linux/$arch" != "$host" ] || trim=
  GOFLAGS="-mod=readonly $trim" GOOS=linux GOARCH=$arch go build -tags nogpu -buildvcs=false -o "$work/static" .
  if grep -qE 'ld-linux|libc\.so' "$work/static"; then
    printf 'it asks for a dynamic loader\n'
    exit 1
  fi
done
export GOFLAGS=-mod=readonly
go vet -tags nogpu ./cuda ./metal

done_beside packages
beside programs programs

step "reproducible builds"
# Built in two folders, the same bytes. Not the host's system: its packages are
# cached as they are for tests, with their paths.
for copy in "$work/a" "$work/another"; do
  mkdir "$copy"
  tar -c --exclude=./.git --exclude=./testdata . | tar -x -C "$copy"
  "$copy/tools/release.sh" "$copy/dist" darwin/arm64
done
cmp "$work/a/dist/SHA256SUMS" "$work/another/dist/SHA256SUMS"

step "known vulnerabilities"
# The checker is not even built where its list cannot be reached.
if command -v curl >/dev/null && ! curl -fsS -m 20 --retry 1 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then
  printf 'NOTE: not checked, the list of vulnerabilities cannot be reached from here\n'
elif ! found=$(go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... 2>&1); then
  if grep -q 'fetching vulnerabilities' <<<"$found"; then
    printf 'NOTE: not checked, the list of vulnerabilities cannot be reached from here\n'
  else
    printf '%s\n' "$found"
    exit 1
  fi
fi

step tests
# The longest come first, and the generators' run beside them. Their tests compare
# all digests; without -short they also compile every kernel, not a few. Those of
# drafts, chats and the server try the same properties with -short, on fewer seeds
# and requests.
long='/(metal|backend/cpu|model|cmd)$'
short='/(kernels?/gen|speculate|chat|serve)$'
go list ./... >"$work/all"
mapfile -t tested < <(grep -E "$long" "$work/all" && grep -vE -e "$long" -e "$short" "$work/all")
mapfile -t shortened < <(grep -E "$short" "$work/all")
short_tests() { go test -short "${shortened[@]}"; }
beside short short_tests
MIL_NEED_CLANG=1 go test -timeout 60m "${tested[@]}"
done_beside short

step "race detector, where goroutines share memory"
compiler=$(go run ./tools/clang)
CGO_ENABLED=1 CC=$compiler go test -race -short -timeout 10m -skip 'Company|WindowBits' ./backend/... ./format ./convert/... ./internal/source
CGO_ENABLED=1 CC=$compiler go test -race -short -timeout 10m -run 'Threads|Turns|Interrupt|Concurrent|Close|Scheduler' ./model ./chat ./llm ./schedule

# By counts: at the end of a time, Go before 1.27 now and then calls its own
# deadline a failure (go.dev/issue/75804). One binary serves a package's targets.
step fuzzing
for dir in $(go list -f '{{.Dir}}' ./...); do
  targets=$(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | awk '{print $2}' || true)
  [ -n "$targets" ] || continue
  go test -c -fuzz Fuzz -o "$work/fuzz.test" "$dir"
  for target in $targets; do
    printf '%s %s\n' "${dir#"$PWD"/}" "$target"
    if ! (cd "$dir" && "$work/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime 4000x -test.fuzzminimizetime 1x \
      -test.fuzzcachedir "$work/corpus$dir") >"$work/fuzz.log" 2>&1 || grep 'without coverage guidance' "$work/fuzz.log"; then
      cat "$work/fuzz.log"
      exit 1
    fi
    tail -2 "$work/fuzz.log"
  done
done

done_beside programs
step done
