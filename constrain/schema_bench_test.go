package constrain

import (
	"fmt"
	"strings"
	"testing"
)

// toolsSchema is definitions of tools as a client sends them, of at least size
// bytes: an object of one of the names, with that tool's arguments.
func toolsSchema(size int) string {
	var b strings.Builder
	b.WriteString(`{"anyOf":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"object","properties":{"name":{"const":"tool_%d"},"arguments":{"type":"object","description":"What the tool number %d is told.","properties":{`, i, i)
		for j := range 8 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"field_%d_%d":`, i%7, j)
			b.WriteString([]string{
				`{"type":"string","description":"The text that is looked for, as the user wrote it."}`,
				`{"type":"integer","minimum":0,"maximum":500,"description":"How many results come back."}`,
				`{"type":"string","enum":["relevance","newest","oldest"],"default":"relevance"}`,
				`{"type":"array","items":{"type":"string"},"description":"Tags that all must be there."}`,
				`{"type":"boolean","description":"Whether archived things are found too."}`,
				`{"type":["string","null"],"format":"date-time","description":"Nothing older than this."}`,
				`{"type":"object","properties":{"lat":{"type":"number","minimum":-90,"maximum":90},"lon":{"type":"number","minimum":-180,"maximum":180}},"required":["lat","lon"],"additionalProperties":false}`,
				`{"type":"object","additionalProperties":{"type":"string"},"description":"Further settings by name."}`,
			}[(i+j)%8])
		}
		fmt.Fprintf(&b, `},"required":["field_%d_0","field_%d_1"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}`, i%7, i%7)
	}
	b.WriteString(`]}`)
	return b.String()
}

// BenchmarkTools compiles 100 KB of definitions of tools.
func BenchmarkTools(b *testing.B) {
	doc := []byte(toolsSchema(100_000))
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := Schema(doc, SchemaOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
