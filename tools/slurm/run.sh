#!/usr/bin/env bash
# tools/slurm/run.sh [MIL]: proves deploy/mil-batch.sbatch on a real Slurm. It starts one node
# as root, hands in an array of four, lets one part be told to end while it works, so
# that Slurm queues it again, merges the parts and compares them with one run that nobody
# disturbs. Debian's packages give Slurm. Without them it says NOTE and does nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  if ! { apt-get update -q && apt-get install -qy slurm-wlm munge; } >/dev/null 2>&1; then
    printf 'NOTE: not done, there is no Slurm here (Debian: apt-get install slurm-wlm munge)\n'
    exit 0
  fi
fi
if [ "$(id -u)" != 0 ]; then
  printf 'NOTE: not done, a Slurm of its own takes root\n'
  exit 0
fi
dir=$(mktemp -d)
mil=${1:-}
if [ -z "$mil" ]; then
  mil=$dir/mil
  CGO_ENABLED=0 go build -buildvcs=false -o "$mil" .
fi
mil=$(realpath "$mil")
daemons=()
stop() {
  if [ ${#daemons[@]} -gt 0 ]; then
    kill "${daemons[@]}" 2>/dev/null || true
    wait "${daemons[@]}" 2>/dev/null || true
  fi
  rm -rf "$dir"
}
trap stop EXIT
fail() {
  printf 'FAIL: %s\n' "$1"
  tail -n 20 "$dir"/*.log "$dir"/job-* 2>/dev/null || true
  exit 1
}
# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

# A Slurm of one node, apart from any other on this machine.
chmod 755 "$dir"
mkdir -m 755 "$dir/munge" "$dir/state" "$dir/spool"
head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 400 "$dir/munge/key"
munged --foreground --force --num-threads 1 --socket "$dir/munge/socket" --key-file "$dir/munge/key" \
  --pid-file "$dir/munge/pid" --seed-file "$dir/munge/seed" --log-file "$dir/munge.log" >/dev/null 2>&1 &
daemons+=($!)
wait_for 20 munge --socket "$dir/munge/socket" --no-input || fail "munged does not start"
port=$((20000 + RANDOM % 10000))
cat >"$dir/slurm.conf" <<CONF
ClusterName=mil
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,sched_min_interval=0
MpiDefault=none
ReturnToService=2
RequeueExit=75
MaxJobCount=100
NodeName=one NodeHostname=$(hostname) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=one Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf
slurmctld -D -i >/dev/null 2>&1 &
daemons+=($!)
slurmd -D -N one >/dev/null 2>&1 &
daemons+=($!)
idle() { sinfo -h -o %T | grep -qx idle; }
wait_for 60 idle || fail "Slurm's node does not come up"
printf 'Slurm %s runs\n' "$(sinfo --version | cut -d' ' -f2)"

# Two of the requests fail, and every reply is long enough to be caught at work.
in=$dir/in.jsonl
for i in $(seq 160); do
  printf '{"custom_id":"%d","method":"POST","url":"/v1/completions","body":{"prompt":"Tale %d: Once upon a time","max_tokens":%d,"temperature":%s}}\n' \
    "$i" "$i" $((60 + i % 40)) "$([ $((i % 80)) = 7 ] && echo -1 || echo 0.8)"
done >"$in"
"$mil" batch "$in" -o "$dir/one.jsonl" --model demo --backend cpu --threads 1 2>"$dir/one.log" && fail "no request failed"

# What deploy/mil-batch.sbatch asks of a large node is changed by flags; the rest is as it stands.
wrapper=$dir/mil-few
printf '#!/bin/sh\nexec %q "$@" --backend cpu --threads 1 --streams 2\n' "$mil" >"$wrapper"
chmod +x "$wrapper"
job=$(MIL=$wrapper MODEL=demo IN=$in OUT=$dir/out sbatch --parsable --cpus-per-task=1 --time=10 --output="$dir/job-%a" deploy/mil-batch.sbatch) || fail "sbatch"
begun() { [ "$(cat "$dir/out-1.jsonl" | wc -l)" -ge 3 ]; }
wait_for 120 begun || fail "the second part does not begin"
scancel --batch --signal=TERM "${job}_1"
ended() { [ -z "$(squeue -h -j "$job" 2>/dev/null)" ]; }
wait_for 300 ended || fail "the array does not end: $(squeue -a)"
grep -q 'stopped before the end' "$dir/job-1" || fail "the second part did not stop"
grep -q 'are answered already' "$dir/job-1" || fail "the second part was not queued again"
printf 'the second part: %s\n' "$(grep -m1 'stopped before' "$dir/job-1")"
"$mil" batch merge "$in" "$dir"/out-?.jsonl -o "$dir/all.jsonl"
"$mil" batch sort "$in" "$dir/one.jsonl" -o "$dir/one.jsonl"
# Without what tells of time and of shared prefixes.
plain() { sed -E 's/"(created|cached_tokens)":[0-9]+//g; s/"id":"cmpl-[0-9-]+"//; s/"timings":\{[^}]*\}//' "$1"; }
cmp <(plain "$dir/one.jsonl") <(plain "$dir/all.jsonl") || fail "the merged parts are not the one run"
printf '%d answers of four parts are those of one run\n' "$(wc -l <"$dir/all.jsonl")"
