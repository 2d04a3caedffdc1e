"""Runs commands that wait for each other, a given number at a time in each lane. A file that is there is not made again."""
import json, os, subprocess, time
from dataclasses import dataclass, field


@dataclass
class Job:
    name: str
    lane: str
    argv: list
    makes: str                                 # the file that says it is done
    needs: list = field(default_factory=list)  # files


def run(jobs, lanes, logs, until=None):
    """Starts jobs in their order as soon as what they need is there. One that fails takes only those along that wait for
    it; it is told at the end, with its log's end. At `until` seconds after the start what runs is ended, and what was
    made stays."""
    os.makedirs(logs, exist_ok=True)
    begun, times, running, failed = time.time(), {}, {}, []
    waiting = [j for j in jobs if not os.path.exists(j.makes)]
    try:
        while waiting or running:
            for name, (job, process, start) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                times[name] = {"start": round(start - begun, 1), "seconds": round(time.time() - start, 1)}
                if process.returncode or not os.path.exists(job.makes):
                    failed.append(name)
                    print(f"{name} failed", flush=True)
                    continue
                print(f"{time.time() - begun:7.1f} s  {name} took {times[name]['seconds']} s", flush=True)
            if until and time.time() - begun > until:
                raise SystemExit(f"stopped after {until} s with {len(waiting) + len(running)} jobs to go; the same command goes on")
            for job in list(waiting):
                busy = sum(j.lane == job.lane for j, _, _ in running.values())
                if busy < lanes[job.lane] and all(os.path.exists(n) for n in job.needs):
                    waiting.remove(job)
                    out = open(f"{logs}/{job.name}.log", "w")
                    running[job.name] = job, subprocess.Popen(job.argv, stdout=out, stderr=subprocess.STDOUT), time.time()
            if not running and waiting:
                break
            time.sleep(0.1)
    finally:
        for _, process, _ in running.values():
            process.terminate()
        with open(f"{logs}/times.json", "a") as f:
            f.write(json.dumps(times) + "\n")
    if failed:
        with open(f"{logs}/{failed[0]}.log") as f:
            raise SystemExit(f"{', '.join(failed)} failed; the end of {logs}/{failed[0]}.log:\n" + f.read()[-3000:])
    if waiting:
        raise SystemExit(f"{waiting[0].name} waits for {[n for n in waiting[0].needs if not os.path.exists(n)]}, which nothing makes")
