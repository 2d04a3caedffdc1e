package constrain

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// suiteGroup is a schema of the official suite with its instances.
type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

func readSuite(t *testing.T) map[string][]suiteGroup {
	f, err := os.Open("testdata/suite.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	suite := map[string][]suiteGroup{}
	if err := json.NewDecoder(z).Decode(&suite); err != nil {
		t.Fatal(err)
	}
	return suite
}

// TestSuite runs JSON Schema's official suite (testdata/README.md). A schema that
// is compiled must decide all its instances as the suite says.
func TestSuite(t *testing.T) {
	suite := readSuite(t)
	right, refused, total := 0, 0, 0
	for _, file := range slices.Sorted(maps.Keys(suite)) {
		fileRight, fileTotal := 0, 0
		for _, group := range suite[file] {
			total += len(group.Tests)
			fileTotal += len(group.Tests)
			g, err := Schema(group.Schema, SchemaOptions{})
			if err != nil {
				if strings.Contains(err.Error(), "no text at all") { // no value follows it
					for _, test := range group.Tests {
						if test.Valid {
							t.Errorf("%s: %s: %s: %s follows, and the schema was refused: %v", file, group.Description, test.Description, test.Data, err)
						}
						right++
						fileRight++
					}
					continue
				}
				refused += len(group.Tests)
				t.Logf("%s: %s: refused: %v", file, group.Description, err)
				continue
			}
			for _, test := range group.Tests {
				matches := false
				for _, text := range spellings(t, test.Data) {
					ok, err := g.Matches(text)
					if err != nil {
						t.Fatalf("%s: %s: %s: %v", file, group.Description, test.Description, err)
					}
					matches = matches || ok
				}
				if matches == test.Valid {
					right++
					fileRight++
				} else {
					t.Errorf("%s: %s: %s: %s: matches %v, the suite says %v", file, group.Description, test.Description, test.Data, matches, test.Valid)
				}
			}
		}
		t.Logf("%s: %d of %d", file, fileRight, fileTotal)
	}
	t.Logf("%d of %d cases are right (%.1f%%), %d are refused", right, total, 100*float64(right)/float64(total), refused)
	if right*100 < total*75 {
		t.Errorf("only %d of %d cases are right", right, total)
	}
}

// spellings writes an instance in every order of its properties, with numbers as
// JavaScript writes them: 1.0 is 1.
func spellings(t *testing.T, data []byte) []string {
	v, err := parseJSON(data, 100)
	if err != nil {
		t.Fatal(err)
	}
	return writeAll(v)
}

func writeAll(v *jsonValue) []string {
	switch v.kind {
	case 'n':
		return []string{"null"}
	case 't':
		return []string{"true"}
	case 'f':
		return []string{"false"}
	case 's':
		return []string{encodeString(v.text)}
	case '#':
		if d, ok := parseDecimal(v.text); ok {
			return []string{d.String()}
		}
		return []string{v.text}
	case '[':
		out := []string{""}
		for i, item := range v.items {
			out = product(out, i, writeAll(item))
		}
		return wrap("[", out, "]")
	}
	var out []string
	permutations(len(v.keys), func(order []int) {
		texts := []string{""}
		for i, k := range order {
			texts = product(texts, i, wrap(encodeString(v.keys[k])+":", writeAll(v.items[k]), ""))
		}
		out = append(out, wrap("{", texts, "}")...)
	})
	return out
}

// product appends each of more to each text, behind a comma.
func product(texts []string, i int, more []string) []string {
	var out []string
	for _, a := range texts {
		if i > 0 {
			a += ", "
		}
		for _, b := range more {
			out = append(out, a+b)
		}
	}
	return out
}

func wrap(before string, texts []string, behind string) []string {
	for i := range texts {
		texts[i] = before + texts[i] + behind
	}
	return texts
}

// permutations yields all orders of up to 6 things, and one of more.
func permutations(n int, yield func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if n > 6 {
		yield(order)
		return
	}
	var walk func(i int)
	walk = func(i int) {
		if i == n {
			yield(order)
			return
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			walk(i + 1)
			order[i], order[j] = order[j], order[i]
		}
	}
	walk(0)
}

// encodeString writes a string as Go does.
func encodeString(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
