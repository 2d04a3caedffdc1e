"""What is trained, at what size and for how long."""
from dataclasses import dataclass, field


@dataclass
class Run:
    """A hybrid: which layers attend, what the others are, and what their mixers begin as."""
    name: str
    mixer: str
    attention: list
    reuse: bool = True       # mixers begin from the attention's projections; else at random
    freeze: bool = False     # only mixers are trained, as in the paper's ablation
    plain: bool = False      # convolutions begin by handing on what comes, else at random
    rate: float = 1.0        # of the learning rate
    parent: str = "teacher"  # what it begins from; a hybrid with more attention makes it stepwise
    share: float = 1.0       # of the budget


@dataclass
class Plan:
    vocab: int = 2048
    d_model: int = 256
    n_layer: int = 8
    n_head: int = 4
    n_kv_head: int = 2
    d_ff: int = 768
    draft_model: int = 128   # d_model of drafts, with heads of the same size
    drafts: tuple = (1, 2, 4)
    short: int = 512         # tokens of a row in the first stage
    long: int = 4096         # and in the second
    batch: int = 32768       # tokens of a step
    shards: int = 12         # files of rows; each holds shard tokens
    shard: int = 1 << 22
    long_shards: int = 4
    teacher: tuple = (3000, 300, 2e-3)  # steps short, steps long, rate
    student: tuple = (300, 30, 1e-3)
    draft: tuple = (700, 30, 2e-3)
    held: int = 150          # conversations of the held-out text
    held_rows: int = 64      # rows of the checks on the way
    checks: int = 6          # a stage
    each: int = 40           # questions a kind
    needles: tuple = ((512, 2), (1024, 2), (2048, 2), (4096, 2), (10240, 1))  # lengths, and runs at each depth
    types: tuple = ("f32", "q4_k_m")
    runs: list = field(default_factory=list)

    def aside(self, name):
        """Whether it is no part of the table: measured in one type and without needles."""
        run = next((r for r in self.runs if r.name == name), None)
        return name.startswith("draft") or bool(run and (run.freeze or run.plain or run.rate != 1 or run.parent != "teacher"))


def hybrids(layers):
    """The paper's shares of attention in both kinds of Mamba, from attention and from random, and its ablations."""
    every = lambda n: [i for i in range(layers) if n and i % n == n - 1]
    out = [Run(f"{mixer}-{share}{'' if reuse else '-random'}", mixer, every(n), reuse)
           for share, n in (("50", 2), ("0", 0), ("25", 4), ("12", 8)) for mixer in ("mamba2", "mamba1") for reuse in (True, False)]
    for reuse in (True, False):
        end = "" if reuse else "-random"
        out += [Run(f"mamba2-50-plain{end}", "mamba2", every(2), reuse, plain=True), Run(f"mamba2-50-frozen{end}", "mamba2", every(2), reuse, freeze=True),
                Run(f"mamba2-50-slow{end}", "mamba2", every(2), reuse, rate=0.3)]
    return out + [Run("mamba2-12-step", "mamba2", every(8), parent="mamba2-25", share=0.5)]


FULL = Plan(runs=hybrids(8))
SMOKE = Plan(vocab=420, d_model=32, n_layer=4, n_head=2, n_kv_head=1, d_ff=64, draft_model=16, drafts=(1,), short=160, long=1120, batch=1120,
             shards=1, shard=1 << 14, long_shards=1, teacher=(40, 1, 4e-3), student=(20, 1, 2e-3), draft=(20, 1, 4e-3), held=2, held_rows=4, checks=1, each=1,
             needles=((256, 1),), types=("f32",),
             runs=[Run("mamba1-50", "mamba1", [1, 3]), Run("mamba2-50", "mamba2", [1, 3]),
                   Run("mamba2-25-step", "mamba2", [3], parent="mamba2-50"), Run("mamba2-0-random", "mamba2", [], reuse=False, freeze=True)])
PLANS = {"full": FULL, "smoke": SMOKE}
