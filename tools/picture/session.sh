#!/usr/bin/env bash
# Makes docs/session.svg: a chat with the demo, as a terminal of 88 columns shows
# it. Needs tmux and a built ./mil.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-docs/session.svg}
home=$(mktemp -d)
name=mil-picture-$$
trap 'tmux kill-session -t "$name" 2>/dev/null || true; rm -rf "$home"' EXIT
tmux new-session -d -s "$name" -x 88 -y 30 "env -i HOME=$home TERM=xterm-256color PATH=$PWD:$PATH PS1='$ ' bash --norc"
say() { tmux send-keys -t "$name" -l "$1"; tmux send-keys -t "$name" Enter; sleep "${2:-2}"; }
sleep 1
say "clear" 1
say "mil chat --seed 3" 3
say "My name is Opal."
say "What is my name?"
say "Tell me a tale about a fox." 6
say "What is 38 plus 18?"
tmux capture-pane -p -e -t "$name" | go run ./tools/picture >"$out.new"
mv "$out.new" "$out"
