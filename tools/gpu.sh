#!/usr/bin/env bash
# Tests and measurements on a machine with an NVIDIA card and no Go.
#
#   tools/gpu.sh pack            build what runs there into dist/gpu.tar.xz
#   tools/gpu.sh check OUT       there: conformance, fixtures, transcripts; logs into OUT
#   tools/gpu.sh sanitize OUT    there: the conformance run under compute-sanitizer
#   tools/gpu.sh bench OUT MODEL:MIX...   there: convert inflated models and time them
#
#   tools/gpu.sh fabricate SHAPE-MIX FILE   there: a model of random weights in seconds, for bench and profile
#   tools/gpu.sh shapes OUT [BACKEND...]    there: published hybrids' shapes beside the distilled ones, on cpu and cuda
#   tools/gpu.sh profile OUT MODEL TOKENS [DEPTH]   there: what each kernel of a pass costs
#
# What runs there runs in the repository's root beside dist/gpu.tar.xz.
set -euo pipefail
cd "$(dirname "$0")/.."

pack() {
	export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
	local work
	work=$(mktemp -d)
	# The demo is in the working tree there: the command goes without it.
	: >"$work/none"
	# One binary is all: the tests, and the commands where it is called like them.
	cat >"$work/main_test.go" <<-'GO'
		package cuda_test

		import (
			"fmt"
			"os"
			"path/filepath"
			"testing"

			"github.com/mil-run/mil/cmd"
			"github.com/mil-run/mil/internal/fabricate"
		)

		func TestMain(m *testing.M) {
			name, err := filepath.Base(os.Args[0]), error(nil)
			switch name {
			case "mil":
				err = cmd.Execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			case "fabricate":
				err = fabricate.Write(os.Args[2], os.Args[1])
			default:
				os.Exit(m.Run())
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
				os.Exit(1)
			}
		}
	GO
	# Kernels go unpacked, for xz to find what they have in common.
	python3 - "$PWD" "$work" >"$work/overlay.json" <<-'PYTHON'
		import glob, gzip, json, os, sys
		root, work = sys.argv[1:]
		new = {"internal/demo/model.bin": "none", "internal/demo/draft.bin": "none", "cuda/main_test.go": "main_test.go"}
		for path in glob.glob(root + "/cuda/kernels/*.gz"):
		    name = os.path.basename(path)
		    open(f"{work}/{name}", "wb").write(gzip.compress(gzip.open(path).read(), 0))
		    new["cuda/kernels/" + name] = name
		print(json.dumps({"Replace": {f"{root}/{k}": f"{work}/{v}" for k, v in new.items()}}))
	PYTHON
	go test -c -overlay "$work/overlay.json" -ldflags '-s -w' -o "$work/cuda.test" ./cuda
	pwd >"$work/root" # where tests look for testdata
	[ -z "${INFLATE:-}" ] || cp "$INFLATE" "$work/inflate.py"
	mkdir -p dist
	(cd "$work" && tar c cuda.test root $(ls inflate.py 2>/dev/null)) | xz --x86 --lzma2=preset=9e >"$work/packed"
	mv "$work/packed" dist/gpu.tar.xz
	rm -r "$work"
	ls -l dist/gpu.tar.xz
}

bin=/tmp/mil-gpu

unpack() {
	mkdir -p $bin
	python3 -c "import tarfile; tarfile.open('dist/gpu.tar.xz').extractall('$bin', filter='data')"
	ln -sf cuda.test $bin/mil
	ln -sf cuda.test $bin/fabricate
	local root
	root=$(cat $bin/root)
	[ -e "$root" ] || { mkdir -p "$(dirname "$root")" && ln -s "$PWD" "$root"; }
	nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv,noheader || true
}

check() {
	unpack
	$bin/mil info --devices
	cd cuda
	$bin/cuda.test -test.v -test.timeout 200s -test.run 'Conform|Fixtures|Commit|Split|Transcripts|SameBits|TestRank$|SessionFile' >"$1/check.log" 2>&1 || true
	grep -E '^ *--- FAIL|^panic|^(FAIL|PASS|ok)|error|word' "$1/check.log" | head -60
}

sanitize() {
	unpack
	cd cuda
	for tool in memcheck racecheck initcheck; do
		(timeout 300 compute-sanitizer --tool $tool --error-exitcode 9 $bin/cuda.test -test.v -test.run 'TestConform$|TestConformDeep|TestRank$' >"$1/$tool.log" 2>&1 || echo "$tool: exit $?") &
	done
	wait
	for tool in memcheck racecheck initcheck; do
		echo "== $tool: $(grep -c -- '--- PASS' "$1/$tool.log") passed"
		grep -E '=========' "$1/$tool.log" | head -20
		tail -3 "$1/$tool.log"
	done
}

bench() {
	unpack
	local out=$1 spec shape mix
	shift
	for spec; do
		shape=${spec%%:*} mix=${spec#*:}
		if [ ! -e /tmp/inflated-$shape ]; then
			case $shape in
			mamba2-2.7b) time python3 tools/random_mamba.py /tmp/inflated-$shape mamba2 2560 64 testdata/fixtures/pure-mamba2 ;;
			mamba-2.8b) time python3 tools/random_mamba.py /tmp/inflated-$shape mamba 2560 64 testdata/fixtures/pure-mamba1 ;;
			*) time python3 $bin/inflate.py testdata/demo/hybrid-mamba2 /tmp/inflated-$shape --preset "$shape" ;;
			esac
		fi
		[ -e /tmp/$shape-$mix.bin ] || $bin/mil convert /tmp/inflated-$shape -o /tmp/$shape-$mix.bin --type "$mix" >/dev/null
		echo "$spec converted after $SECONDS s"
		$bin/mil bench /tmp/$shape-$mix.bin --backend cuda --prompt 2048 --gen 128 --json >"$out/bench-$shape-$mix.json"
		echo "$spec $(grep -E "tok_s" "$out/bench-$shape-$mix.json" | tr -d "\n")"
	done
}

fabricate() { $bin/fabricate "$1" "$2"; }

# shapes OUT [BACKEND...] times each shape between two runs of the 3B hybrid, and
# prints its shares over the mean of theirs. MIX and SHAPES choose others.
shapes() {
	[ -e $bin/mil ] || unpack
	local out=$1 mix=${MIX:-q4_k_m} list i=0 shape on flags
	shift
	list=(${SHAPES:-granite-4.0-h-micro nemotron-h-8b apriel-h1-15b falcon-h1-3b nemotron-nano-9b-v2})
	for on in ${*:-cpu cuda}; do
		flags="--runs 2 --prompt 512 --gen 16"
		[ $on = cpu ] || flags="--runs 2 --prompt 2048 --gen 128"
		for shape in 3b $(printf '%s 3b ' "${list[@]}"); do
			[ -e /tmp/$shape-$mix.bin ] || $bin/fabricate $shape-$mix /tmp/$shape-$mix.bin
			$bin/mil bench /tmp/$shape-$mix.bin --backend $on $flags --json >"$out/shape-$on-$(printf %02d $i)-$shape.json" 2>>"$out/shapes.log"
			i=$((i + 1))
		done
	done
	echo "after $SECONDS s"
	python3 tools/shapes.py "$out"/shape-*.json
}

# profile OUT MODEL TOKENS [DEPTH]
profile() {
	$bin/cuda.test -test.v -test.run TestProfile -profile "$2" -profile-tokens "$3" -profile-depth "${4:-0}" |
		tee "$1/profile-$(basename "$2" .bin)-$3-${4:-0}.log" | grep profile_test | head -40
}

"$@"
