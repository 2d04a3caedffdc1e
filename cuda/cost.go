package cuda

import "github.com/mil-run/mil/backend"

// Cost plans passes of the given number of tokens on a card of compute capability 8.0.
func Cost(p *backend.Program, tokens int) (backend.Cost, error) {
	m := &costMemory{}
	launches, err := plan(p, tokens, m)
	if err != nil {
		return backend.Cost{}, err
	}
	c := backend.CostOf(p)
	c.Launches, c.Scratch = len(launches), m.scratched
	return c, nil
}

// costMemory counts what a plan allocates. Its addresses are aligned as the
// device's, and nothing lies there.
type costMemory struct{ scratched int64 }

const costAddress = 1 << 20

func (m *costMemory) tensor(*backend.Tensor) (uint64, error) { return costAddress, nil }
func (m *costMemory) state(*backend.State) (uint64, error)   { return costAddress, nil }
func (m *costMemory) value(backend.Value) uint64             { return costAddress }
func (m *costMemory) capability() int                        { return tensorCores }
func (m *costMemory) processors() int                        { return hopperSMs }
func (m *costMemory) shared() int                            { return hopperShared }
func (m *costMemory) params() uint64                         { return costAddress }
func (m *costMemory) logits() uint64                         { return costAddress }
func (m *costMemory) best() uint64                           { return costAddress }

func (m *costMemory) scratch(bytes int) uint64 {
	m.scratched += int64(bytes)
	return costAddress
}

func (m *costMemory) constant(data []byte) uint64 { return m.scratch(len(data)) }
