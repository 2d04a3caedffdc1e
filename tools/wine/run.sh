#!/usr/bin/env bash
# Builds the Windows binary and uses it under wine: a reply, a chat in a pipe, a
# conversion, a session, a check of a file. Installs wine and lld where they are
# missing and Debian's packages can be had; says so where they cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(go env GOHOSTOS)/$(go env GOHOSTARCH)" != linux/amd64 ]; then
  echo "NOTE: not done, it needs Linux on amd64"
  exit 0
fi
if ! grep -qm1 rdrand /proc/cpuinfo; then
  echo "NOTE: not done, the stand-in for bcryptprimitives.dll needs a processor with RDRAND"
  exit 0
fi
lld=$(compgen -c lld-link- | sort -Vr | head -1 || true)
if ! command -v wine >/dev/null || [ -z "$lld" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "NOTE: not done, there is no wine here and no apt-get to install it"
    exit 0
  fi
  apt-get update -q >/dev/null
  apt-get install -qy --no-install-recommends wine wine64 lld-19 >/dev/null
  lld=$(compgen -c lld-link- | sort -Vr | head -1)
fi
clang=$(go run ./tools/clang)
echo "$(wine --version), $lld, $clang"

work=$(mktemp -d)
trap 'WINEPREFIX=$work/prefix wineserver -k 2>/dev/null || true; rm -rf "$work"' EXIT
export WINEPREFIX=$work/prefix WINEDEBUG=-all DISPLAY=
"$clang" --target=x86_64-pc-windows-msvc -O1 -c tools/wine/prng.c -o "$work/prng.obj"
"$lld" /dll /noentry /nodefaultlib "/out:$work/bcryptprimitives.dll" "$work/prng.obj"
wineboot -i >/dev/null 2>&1
cp "$work/bcryptprimitives.dll" "$work/prefix/drive_c/windows/system32/"
GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/mil.exe" .

# Debian's own name complains that the 32-bit half is missing.
wine=/usr/lib/wine/wine64
[ -x "$wine" ] || wine=wine
# mil calls the binary; what it prints has Windows's line ends taken off.
mil() { "$wine" "$work/mil.exe" "$@" | tr -d '\r'; }
want() {
  if [ "$2" != "$3" ]; then
    printf '%s under wine: %s\nwant: %s\n' "$1" "$2" "$3"
    exit 1
  fi
}
cp -r testdata/fixtures/mamba2-half "$work/checkpoint"
cd "$work"
want run "$(mil run --temp 0 "What is 2 plus 3?" </dev/null)" "2 + 3 = 5."
want "a chat in a pipe" "$(printf 'My name is Opal.\nWhat is my name?\n' | mil chat --temp 0 | tail -1)" "Your name is Opal."
printf 'My name is Opal.\n' | mil chat --temp 0 --session talk.session >/dev/null
want "a session" "$(printf 'What is my name?\n' | mil chat --temp 0 --session talk.session)" "Your name is Opal."
mil convert checkpoint -o model.bin --type q8_0 >/dev/null 2>&1
mil verify model.bin
printf 'x' | dd of=model.bin bs=1 seek=$(($(stat -c %s model.bin) - 64)) conv=notrunc 2>/dev/null
if mil verify model.bin 2>damaged; then
  echo "a damaged file is called whole under wine"
  exit 1
fi
want "verify of a damaged file" "$(grep -c 'model.bin' damaged)" 1
echo "ok: run, chat, session, convert and verify under wine"
