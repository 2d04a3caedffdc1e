package constrain

// Limits of what is compiled, and of what a text may take. They bound time and
// memory, whatever a grammar holds. Whoever is beyond one gets an error.
const (
	MostText    = 1 << 20   // bytes of a grammar, pattern or schema
	MostDepth   = 500       // of parts within parts
	MostRepeat  = 1_000_000 // a repetition's bounds
	mostExprs   = 2_000_000 // nodes of expressions, as they are compiled
	mostCompile = 1_000_000 // steps of a compilation, beyond 16 for each part
	mostWork    = 2_000_000 // steps of one mask or token, and of a question about expressions
	mostBytes   = 256 << 20 // of a grammar and its states
	freshBytes  = 32 << 20  // of states that were computed, before a grammar forgets them
	mostAlt     = 20_000    // alternatives at one place of a text
	mostRules   = 10_000    // rules within rules that do not call themselves
	mostMasks   = 512       // masks that are kept for one vocabulary
	mostSpecial = 1 << 10   // bytes of a special token
)
