// Package schedule lets many requests share one model on one backend.
//
// A [Scheduler] owns the backend. Requests come in with the tokens of their
// prompts and get a stream of tokens back. Between two steps the scheduler
// drops what was cancelled, admits what fits its memory, and chooses the next
// step: a pass that makes tokens for many requests, or a piece of one prompt.
// The choice is a pure function of the clock, the measured costs and the
// requests (policy.go), so it can be tested without a model.
//
// A text does not depend on the company it was made in. docs/serving.md says
// what that means, and how prompts, memory and prefixes are shared.
package schedule
