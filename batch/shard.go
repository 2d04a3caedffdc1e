package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Shard is a part of a batch: of Of parts, the one of number Index, from 0 on. The zero
// value is the whole. A request's part follows from its custom_id alone.
type Shard struct{ Index, Of int }

// maxShards is the most parts of a batch.
const maxShards = 1 << 20

func (s Shard) has(customID string) bool {
	if s.Of <= 1 {
		return true
	}
	sum := sha256.Sum256([]byte(customID))
	return binary.BigEndian.Uint64(sum[16:])%uint64(s.Of) == uint64(s.Index)
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, max(s.Of, 1)) }

// ParseShard reads i/n, with i from 0 to n-1.
func ParseShard(text string) (s Shard, err error) {
	i, n, ok := strings.Cut(text, "/")
	if s.Index, err = strconv.Atoi(i); err == nil && ok {
		s.Of, err = strconv.Atoi(n)
	}
	if err != nil || !ok || s.Of < 1 || s.Of > maxShards || s.Index < 0 || s.Index >= s.Of {
		return Shard{}, errors.New("not i/n with i from 0 to n-1, such as 0/4")
	}
	return s, nil
}

// EnvShard is the part that a job of an array has to do, by the variables of Slurm or
// Kubernetes. of is the number of Kubernetes's parts, which it does not tell; 0 is none.
// by names the variable, or is "" where there is none.
func EnvShard(lookup func(string) (string, bool), of int) (s Shard, by string, err error) {
	const slurm, indexed = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"
	number := func(name string, least int) int {
		text, ok := lookup(name)
		n, bad := strconv.Atoi(text)
		if err == nil && (!ok || bad != nil || n < least) {
			err = fmt.Errorf("%s is %q, which is no number from %d on; give --shard i/n", name, text, least)
		}
		return n
	}
	if _, ok := lookup(slurm); ok {
		s.Of = number("SLURM_ARRAY_TASK_COUNT", 1)
		at := number(slurm, 0) - number("SLURM_ARRAY_TASK_MIN", 0)
		step := 1
		if _, ok := lookup("SLURM_ARRAY_TASK_STEP"); ok {
			step = number("SLURM_ARRAY_TASK_STEP", 1)
		}
		if err == nil && (at < 0 || at%step != 0 || at/step >= s.Of) {
			err = fmt.Errorf("the array of Slurm's job has gaps, so that %s does not say which of its %d parts this is; give --shard i/n", slurm, s.Of)
		}
		s.Index = at / max(step, 1)
		by = slurm
	} else if _, ok := lookup(indexed); ok {
		s.Index, s.Of, by = number(indexed, 0), of, indexed
		switch {
		case err == nil && of == 0:
			err = fmt.Errorf("%s says that this is one of several parts; give --shards N with the job's completions, or --shard 0/1 for the whole", indexed)
		case err == nil && s.Index >= of:
			err = fmt.Errorf("%s is %d, and --shards says that there are %d", indexed, s.Index, of)
		}
	} else if of > 1 {
		err = errors.New("--shards is the number of parts, and neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX says which one this is; give --shard i/n")
	}
	if err == nil && s.Of > maxShards {
		err = fmt.Errorf("%d parts are more than %d", s.Of, maxShards)
	}
	if err != nil {
		return Shard{}, by, err
	}
	return s, by, nil
}
