package gpu

import (
	"cmp"
	"math"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// The parameter block, int32.
const (
	ParamPos         = iota
	ParamReplay      // tokens of the log to advance through
	ParamLogits      // rows
	ParamCount       // tokens in the pass
	ParamShift       // of positions, for the rotation
	ParamRanked      // 1: the best of the rows are wanted
	ParamTemperature // float32, of the ranking
	ParamPenalty     // float32
	ParamRecent      // tokens before the pass that the penalty looks at

	ParamTokens = 16 // behind them, in logged programs, backend.RankWindow recent ones
)

// ParamWords is the length of a program's parameter block.
func ParamWords(p *backend.Program) int {
	if !p.Logged {
		return ParamTokens + p.Tokens
	}
	return RecentAt(p) + backend.RankWindow
}

// Most is how many tokens a launch may hold, which is a segment's.
func Most(p *backend.Program) int {
	if p.Logged {
		return min(p.Tokens, backend.MaxVerify)
	}
	return p.Tokens
}

// RecentAt is where the recent tokens of a program that ranks lie in the block.
func RecentAt(p *backend.Program) int { return ParamTokens + Most(p) }

// SetParams writes the parameter block of a segment with the given tokens, whose
// rows are ranked where r is not nil.
func SetParams(block []int32, g *backend.Program, tokens []int32, s *backend.Segment, r *backend.Ranking) {
	block[ParamPos], block[ParamReplay] = int32(s.Pos), int32(s.Replay)
	block[ParamLogits], block[ParamCount], block[ParamShift] = int32(s.Logits), int32(s.N), int32(s.Shift)
	copy(block[ParamTokens:], tokens)
	block[ParamRanked] = Bit(r != nil)
	if r != nil {
		block[ParamTemperature] = int32(math.Float32bits(r.Temp))
		block[ParamPenalty] = int32(math.Float32bits(cmp.Or(r.Penalty, 1)))
		recent := r.Recent[max(0, len(r.Recent)-backend.RankWindow):]
		block[ParamRecent] = int32(copy(block[RecentAt(g):], recent))
	}
}

// Of the ranking of rows of logits.
const (
	RankSlice = 4096                        // logits that a block sorts
	RankWords = 2*backend.MaxCandidates + 1 // of a row's result: float32 logits, int32 tokens, the float32 sum
)

// Ranks reports whether rows of p's logits can be ranked.
func Ranks(p *backend.Program) bool {
	return p.LogitRows > 0 && p.Vocab > 0 && p.Logged
}

// Ranking appends the results of n rows to best, without a copy. words are
// the area Best.
func Ranking(best []backend.Best, words []int32, rows, vocab int, r *backend.Ranking) []backend.Best {
	keep := min(backend.MaxCandidates, vocab)
	if r.Temp == 0 {
		keep = 1
	}
	for i := range rows {
		row := words[RankWords*i:][:RankWords]
		b := backend.Best{Tokens: row[backend.MaxCandidates:][:keep], Logits: unsafe.Slice((*float32)(unsafe.Pointer(&row[0])), keep)}
		if r.Temp != 0 {
			b.Sum = float64(math.Float32frombits(uint32(row[2*backend.MaxCandidates])))
		}
		best = append(best, b)
	}
	return best
}
