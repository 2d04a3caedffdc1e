package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/model"
)

// forge writes a session file whose checksums are right.
func forge(t *testing.T, h *header, records ...[]section) (path string, size int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "forged")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := h.encode()
	if err == nil {
		_, err = f.Write(b)
	}
	end := int64(len(b))
	for i, list := range records {
		if err == nil {
			end, err = writeRecord(unsynced{f}, end, i, list)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, end
}

func words(format string, args ...any) section {
	return section{kind: kindInfo, data: fmt.Appendf(nil, format, args...)}
}

func list(element string, n int) string {
	return strings.TrimSuffix(strings.Repeat(element+",", n), ",")
}

// What reading a file allocates is bounded by its length, whatever its counts
// say, also where the model is the one they are for.
func TestBombs(t *testing.T) {
	for _, name := range []string{"mamba2-half", "llama"} {
		m := fixture(t, name)
		s := open2(t, m, ref.New(1), 64)
		h, err := headerOf(s)
		if err != nil {
			t.Fatal(err)
		}
		other, foreign, wide, named := *h, *h, *h, *h
		other.Model = "x"
		foreign.Parts = append([]model.Part{}, h.Parts...)
		foreign.Parts[0].Bytes++
		wide.Parts = nil
		for range 20000 {
			wide.Parts = append(wide.Parts, model.Part{Bytes: 1})
		}
		named.Parts = append([]model.Part{}, h.Parts...)
		named.Parts[0].Name = strings.Repeat("n", 100000)
		tokens := section{kind: kindTokens, data: make([]byte, 4*50)}
		var small, tables [][]section
		for range 2000 {
			small = append(small, []section{words(`{"points":[{},{},{"note":1}]}`)})
		}
		var empty []section
		for i := range 4000 {
			empty = append(empty, section{kind: kindState, from: i % 64, part: i})
		}
		tables = append(tables, append([]section{words(`{"points":[%s]}`, list("{}", 64))}, empty...))
		for what, records := range map[string][][]section{
			"points":             {{words(`{"points":[%s]}`, list("{}", 20000)), tokens}},
			"points with tokens": {{words(`{"points":[%s]}`, list(`{"tokens":1}`, 5000)), tokens}},
			"messages":           {{words(`{"messages":[%s]}`, list("1", 30000))}},
			"objects":            {{words(`{"messages":[%s]}`, list("{}", 30000))}},
			"nested":             {{words(`{"note":%s%s}`, strings.Repeat("[", 9000), strings.Repeat("]", 9000))}},
			"many turns":         small,
			"sections":           tables,
			"a long keep":        {{words(`{"keep":2000000000,"keep_messages":2000000000}`)}},
			"a long drop":        {{words(`{"dropped":-2000000000,"pinned":2000000000}`), tokens}},
			"far positions":      {{words(`{}`), {kind: kindCache, from: 0, to: 1 << 31}, tokens}},
		} {
			for _, h := range []*header{h, &other, &foreign, &wide, &named} {
				path, size := forge(t, h, records...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Load(path, s)
				runtime.ReadMemStats(&after)
				grown := int64(after.TotalAlloc - before.TotalAlloc)
				if most := 32*size + 1<<19; grown > most {
					t.Errorf("%s, %s, %d parts: %d bytes allocated for a file of %d, %v", name, what, len(h.Parts), grown, size, err)
				}
				if h == &other && !errors.Is(err, ErrModel) {
					t.Errorf("%s: %v", what, err)
				}
				if err != nil && (strings.Contains(err.Error(), "\n") || len(s.Tokens()) != 0) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
	}
}

// Reading is linear: a file of twice the turns takes twice the steps, also where
// each of them could move what those before left.
func TestTurnsLinear(t *testing.T) {
	m := fixture(t, "llama")
	s := open2(t, m, ref.New(1), 64)
	h, err := headerOf(s)
	if err != nil {
		t.Fatal(err)
	}
	var records [][]section
	n := 2*maxTimeline + 500
	for i := range n {
		records = append(records, []section{words(`{"keep":%d,"dropped":%d,"points":[{"tokens":%d},{"tokens":%d}]}`, i, i+1, i+1, i+1), {kind: kindTokens, data: make([]byte, 4)}})
	}
	path, _ := forge(t, h, records...)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := read(raw, f, h)
	if err != nil {
		t.Fatal(err)
	}
	if c.records != n || len(c.points) > 2*maxTimeline || c.points[len(c.points)-1].Tokens != n {
		t.Errorf("%d turns, %d points, the last at %d", c.records, len(c.points), c.points[len(c.points)-1].Tokens)
	}
}

func TestElements(t *testing.T) {
	for text, want := range map[string]string{
		`[]`: `[]`, ` [ ] `: `[]`, `null`: `null`, `[1]`: `[1]`, `[{"a":[1,2],"b":"],\"["} , "x\\",[],""]`: `[{"a":[1,2],"b":"],\"["},"x\\",[],""]`,
		`{"a":1}`: "error", `"a"`: "error",
	} {
		var in struct{ M messages }
		err := json.Unmarshal([]byte(`{"m":`+text+`}`), &in)
		got, _ := json.Marshal(in.M)
		if err != nil {
			got = []byte("error")
		}
		if string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
