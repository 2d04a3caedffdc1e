package session

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/internal/whole"
)

func cacheIn(t testing.TB, dir string, limit int64) *Cache {
	t.Helper()
	c, err := OpenCache(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	c.Warn = func(err error) { t.Errorf("warned: %v", err) }
	t.Cleanup(func() { c.Close() })
	return c
}

// What a cache gives back goes on as what was kept, to the bit; of several
// beginnings it gives the longest.
func TestCache(t *testing.T) {
	for _, name := range testutil.Checkpoints(t) {
		m := fixture(t, name)
		c := cacheIn(t, t.TempDir(), 1<<30)
		ids := random(rand.New(rand.NewPCG(2, 2)), 1500)
		s := open2(t, m, cpu.New(2), 2000)
		for _, n := range []int{0, 7, 512, 1024, 1300} { // kept after n tokens
			if n > 0 {
				logits := feed(t, s, ids[len(s.Tokens()):n])
				none := cacheIn(t, t.TempDir(), 1<<30)
				none.Keep(s, []float32{}) // as a feed that wants none leaves them
				if got, _, err := none.Find(open2(t, m, cpu.New(2), 1600), ids, 0); got != n || err != nil {
					t.Fatalf("%s: without logits found %d tokens of %d, %v", name, got, n, err)
				}
				c.Keep(s, logits)
			}
			fresh := open2(t, m, cpu.New(2), 1600)
			got, logits, err := c.Find(fresh, ids, 0)
			if err != nil || got != n || logits != nil {
				t.Fatalf("%s: found %d tokens of %d, %v", name, got, n, err)
			}
			if n == 0 {
				continue
			}
			if again, _, err := c.Find(fresh, ids, n); again != 0 || err != nil {
				t.Fatalf("%s: found %d tokens where there are %d, %v", name, again, n, err)
			}
			all := open2(t, m, cpu.New(2), 1600)
			if got, logits, err := c.Find(all, ids[:n], 0); got != n || len(logits) != s.Vocab() || err != nil {
				t.Fatalf("%s: found %d tokens of all %d, %v", name, got, n, err)
			}
			probe := []int32{3, 1, 4}
			want := feed(t, s, probe)
			if err := s.Commit(0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(feed(t, fresh, probe), want) || !slices.Equal(feed(t, all, probe), want) {
				t.Fatalf("%s: other logits after %d tokens", name, n)
			}
		}
		other := slices.Clone(ids)
		other[600] ^= 1
		if n, _, err := c.Find(open2(t, m, cpu.New(2), 1600), other, 0); n != 512 || err != nil {
			t.Errorf("%s: with another token at 600 it found %d, %v", name, n, err)
		}
		if n, _, err := c.Find(open2(t, m, ref.New(2), 1600), ids, 0); n != 0 && len(m.Config.AttentionLayers()) > 0 || err != nil {
			t.Errorf("%s: another backend found %d, %v", name, n, err)
		}
	}
}

// A damaged or missing file is a beginning that is not there, and makes room for
// itself to be written again.
func TestCacheDamage(t *testing.T) {
	m := fixture(t, "mamba2-half")
	ids := random(rand.New(rand.NewPCG(2, 2)), 600)
	s := open2(t, m, ref.New(2), 600)
	logits := feed(t, s, ids)
	for name, spoil := range map[string]func(path string){
		"flip":     func(path string) { b, _ := os.ReadFile(path); b[len(b)/2] ^= 1; os.WriteFile(path, b, 0o600) },
		"cut":      func(path string) { os.Truncate(path, 5000) },
		"empty":    func(path string) { os.Truncate(path, 0) },
		"gone":     func(path string) { os.Remove(path) },
		"longer":   func(path string) { b, _ := os.ReadFile(path); os.WriteFile(path, append(b, 0), 0o600) },
		"another":  func(path string) { os.WriteFile(path, []byte("some text"), 0o600) },
		"link":     func(path string) { os.Rename(path, path+".real"); os.Symlink(path+".real", path) },
		"a folder": func(path string) { os.Remove(path); os.Mkdir(path, 0o700) },
	} {
		for _, ext := range []string{extState, extPage} {
			dir := t.TempDir()
			c := cacheIn(t, dir, 1<<30)
			c.Keep(s, logits)
			files, _ := filepath.Glob(filepath.Join(dir, "*"+ext))
			if len(files) != 1 {
				t.Fatal(files)
			}
			spoil(files[0])
			fresh := open2(t, m, ref.New(2), 600)
			if n, _, err := c.Find(fresh, ids, 0); n != 0 || err != nil || len(fresh.Tokens()) != 0 {
				t.Errorf("%s %s: found %d, %v", ext, name, n, err)
			}
			if name == "a folder" || name == "link" {
				continue
			}
			c.Keep(s, logits)
			if n, _, err := c.Find(fresh, ids, 0); n != len(ids) || err != nil {
				t.Errorf("%s %s, kept again: found %d, %v", ext, name, n, err)
			}
		}
	}
}

// The folder stays below its limit; what was used last stays, and what is not
// the cache's is left alone.
func TestCacheEviction(t *testing.T) {
	m := fixture(t, "mamba2-half")
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine.state")
	if err := os.WriteFile(mine, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	size := func() (n int64) {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if st, err := f.Info(); err == nil && f.Name() != "mine.state" {
				n += st.Size()
			}
		}
		return n
	}
	s := open2(t, m, ref.New(2), 64)
	prompts := make([][]int32, 12)
	c := cacheIn(t, dir, 1<<30)
	for i := range prompts {
		prompts[i] = random(rand.New(rand.NewPCG(3, uint64(i))), 20)
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		c.Keep(s, feed(t, s, prompts[i]))
		files, _ := filepath.Glob(filepath.Join(dir, "*-*-*.state"))
		for _, f := range files { // clocks of file systems are coarse
			st, _ := os.Stat(f)
			os.Chtimes(f, time.Time{}, st.ModTime().Add(-time.Minute))
		}
		if i == 0 {
			c.limit = 4 * size()
			continue
		}
		if n, _, err := c.Find(s, prompts[0], 0); n != 20 || err != nil { // used again and again
			t.Fatalf("after %d more the first is gone: %d, %v", i, n, err)
		}
		if size() > c.limit {
			t.Fatalf("%d bytes, the limit is %d", size(), c.limit)
		}
	}
	if n, _, _ := c.Find(s, prompts[11], 0); n != 20 {
		t.Error("the newest is gone")
	}
	if n, _, _ := c.Find(s, prompts[5], 0); n != 0 {
		t.Error("an old one is still there")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("somebody's file:", err)
	}
	// What a process left that was killed goes, what one is writing stays.
	states, _ := filepath.Glob(filepath.Join(dir, "*-*-*.state"))
	live, err := whole.Create(states[0], whole.Options{Perm: 0o600, Loose: true})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Abort()
	dead, theirs := live.Name()+"0", filepath.Join(dir, ".mine.tmp-1")
	for _, f := range []string{dead, theirs} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.limit = 0
	if err := c.evict(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("a killed writer's file stays")
	}
	for _, f := range []string{live.Name(), theirs} {
		if _, err := os.Stat(f); err != nil {
			t.Error("what is being written, or somebody's:", err)
		}
	}
}

// Two processes, each with its own opening of the folder, write, read and evict
// at the same time; what either finds is right.
func TestCacheShared(t *testing.T) {
	m := fixture(t, "mamba1-half")
	dir := t.TempDir()
	var wg sync.WaitGroup
	for p := range 2 {
		c := cacheIn(t, dir, 2<<20)
		s, plain := open2(t, m, ref.New(1), 64), open2(t, m, ref.New(1), 64)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(9, uint64(p)))
			found := 0
			for range 60 {
				ids := random(rand.New(rand.NewPCG(4, uint64(r.IntN(6)))), 20)[:8+r.IntN(12)]
				if err := s.Reset(); err != nil {
					t.Error(err)
					return
				}
				n, _, err := c.Find(s, ids[:len(ids)-1], 0)
				if err != nil {
					t.Error(err)
					return
				}
				if found += n; n == 0 {
					c.Keep(s, feed(t, s, ids[:4]))
				}
				got := feed(t, s, ids[len(s.Tokens()):])
				plain.Reset()
				if want := feed(t, plain, ids); !slices.Equal(got, want) {
					t.Errorf("other logits from %d tokens of the cache", n)
					return
				}
			}
			if found == 0 {
				t.Error("nothing was ever found")
			}
		})
	}
	wg.Wait()
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") {
			t.Errorf("%s is left", f.Name())
		}
	}
}

// A folder that cannot be written costs a warning, once; one that cannot be made
// is an error.
func TestCacheUnwritable(t *testing.T) {
	m := fixture(t, "mamba2-half")
	dir := t.TempDir()
	c := cacheIn(t, dir, 1<<20)
	var told []string
	c.Warn = func(err error) { told = append(told, err.Error()) }
	s := open2(t, m, ref.New(1), 64)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.Keep(s, feed(t, s, []int32{1, 2}))
	}
	if len(told) != 1 || !strings.Contains(told[0], dir) || strings.Contains(told[0], "\n") {
		t.Errorf("told %q", told)
	}
	if n, _, err := c.Find(s, []int32{1, 2, 3, 4, 5, 6}, 0); n != 0 || err != nil {
		t.Error(n, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := OpenCache(file, 1<<20); err == nil || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}

// An entry that is whole and does not fit, of whatever shape, is a beginning that
// is not there: the prompt is read as without it.
func TestCacheMisfit(t *testing.T) {
	m := fixture(t, "mamba2-half")
	ids := random(rand.New(rand.NewPCG(2, 2)), 530)
	s := open2(t, m, cpu.New(2), 600)
	logits := feed(t, s, ids)
	k, err := (&Cache{}).keysOf(s, ids)
	if err != nil {
		t.Fatal(err)
	}
	page, state := k.name(Page, extPage), k.name(len(ids), extState)
	var good []section
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	_, logged := snap.State()
	good = append(good, words(`{"logged":%d}`, logged), section{kind: kindTokens, data: int32s(ids)})
	good = append(good, stateSections(snap, 0)...)
	good = append(good, rows(s, Page, 544, unit)...)
	good = append(good, section{kind: kindLogits, data: float32s(logits)})
	at := func(kind int) int { return slices.IndexFunc(good, func(s section) bool { return s.kind == kind }) }
	with := func(kind int, change func(s *section)) []section {
		list := slices.Clone(good)
		change(&list[at(kind)])
		return list
	}
	half := func(s *section) { s.data = s.data[:len(s.data)/8*4] }
	for what, spoiled := range map[string]struct {
		name string
		list []section
	}{
		"nothing":           {state, nil},
		"short state":       {state, with(kindState, half)},
		"no state":          {state, slices.DeleteFunc(slices.Clone(good), func(s section) bool { return s.kind == kindState })},
		"more state":        {state, append(slices.Clone(good), good[at(kindState)])},
		"far part":          {state, with(kindState, func(s *section) { s.part = 1 << 30 })},
		"logged":            {state, with(kindInfo, func(s *section) { s.data = []byte(`{"logged":17}`) })},
		"logged before":     {state, with(kindInfo, func(s *section) { s.data = []byte(`{"logged":-1}`) })},
		"no JSON":           {state, with(kindInfo, func(s *section) { s.data = []byte(`{`) })},
		"fewer tokens":      {state, with(kindTokens, half)},
		"fewer logits":      {state, with(kindLogits, half)},
		"other positions":   {state, with(kindCache, func(s *section) { s.from, s.to = 1<<30, 1<<30+32 })},
		"positions of none": {state, with(kindCache, func(s *section) { s.to = s.from })},
		"many sections":     {state, append(slices.Clone(good), slices.Repeat([]section{{kind: 9}}, 5000)...)},
		"short page":        {page, rows(s, 0, 480, unit)},
		"page of elsewhere": {page, rows(s, 32, 544, unit)},
		"half a page":       {page, rows(s, 0, Page, unit)[:1]},
	} {
		c := cacheIn(t, t.TempDir(), 1<<30)
		c.Keep(s, logits)
		if err := c.write(spoiled.name, spoiled.list); err != nil {
			t.Fatal(err)
		}
		for _, have := range []int{0, 5} { // of an empty session and one that holds something
			fresh := open2(t, m, cpu.New(2), 600)
			if have > 0 {
				feed(t, fresh, ids[:have])
			}
			n, _, err := c.Find(fresh, ids, have)
			if n != 0 || err != nil {
				t.Fatalf("%s: found %d, %v", what, n, err)
			}
			if held := len(fresh.Tokens()); held != 0 && held != have {
				t.Errorf("%s: the session holds %d", what, held)
			}
		}
	}
	// The whole of it, and then the same in a context of another length.
	c := cacheIn(t, t.TempDir(), 1<<30)
	c.Keep(s, logits)
	for context, want := range map[int]int{600: 530, 530: 530, 529: 0, 64: 0, 4000: 530} {
		if n, _, err := c.Find(open2(t, m, cpu.New(2), context), ids, 0); n != want || err != nil {
			t.Errorf("context %d: found %d, %v", context, n, err)
		}
	}
}

// A file that vanishes, is cut or overwritten while it is read or behind that takes
// nothing from a session: nothing of it stays mapped.
func TestCacheVanishes(t *testing.T) {
	m := fixture(t, "mamba2-half")
	ids := random(rand.New(rand.NewPCG(2, 2)), 1100)
	plain := open2(t, m, cpu.New(2), 1200)
	logits := feed(t, plain, ids)
	for what, do := range map[string]func(path string) error{
		"cut":         func(path string) error { return os.Truncate(path, 64) },
		"overwritten": func(path string) error { b, _ := os.ReadFile(path); clear(b); return os.WriteFile(path, b, 0o600) },
	} {
		dir := t.TempDir()
		c := cacheIn(t, dir, 1<<30)
		c.Keep(plain, logits)
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		spoil := func() {
			for _, f := range files {
				if err := do(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		fresh, late := open2(t, m, cpu.New(2), 1200), open2(t, m, cpu.New(2), 1200)
		if n, _, err := c.Find(fresh, ids, 0); n != len(ids) || err != nil {
			t.Fatal(n, err)
		}
		var entries []*entry
		for _, f := range files {
			e, err := c.read(filepath.Base(f), late)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			entries = append(entries, e)
		}
		spoil()
		for _, e := range entries {
			if err := e.put(late); err == nil && len(e.caches) > 0 {
				t.Errorf("%s: %s was read", what, e.name)
			}
		}
		if n, _, err := c.Find(late, ids, 0); n != 0 || err != nil {
			t.Errorf("%s: found %d, %v", what, n, err)
		}
		more := []int32{3, 1, 4}
		want := feed(t, plain, more)
		if err := plain.Commit(0); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(feed(t, fresh, more), want) {
			t.Errorf("%s: other logits", what)
		}
	}
}

// Attention with a window keeps the last positions alone, and a beginning is found
// all the same. What a ring has lost before it was kept is not kept.
func TestCacheOfRings(t *testing.T) {
	m := fixture(t, "../families/mistral-window")
	ids := random(rand.New(rand.NewPCG(2, 3)), 5000)
	kept, late := cacheIn(t, t.TempDir(), 1<<30), cacheIn(t, t.TempDir(), 1<<30)
	s := open2(t, m, cpu.New(2), 6000)
	for n := 1000; n <= 4500; n += 700 {
		kept.Keep(s, feed(t, s, ids[len(s.Tokens()):n]))
	}
	late.Keep(s, nil)
	if n, _, err := late.Find(open2(t, m, cpu.New(2), 6000), ids, 0); n != 0 || err != nil {
		t.Errorf("%d tokens are found that the ring had lost: %v", n, err)
	}
	for n := 4500; n >= 1000; n -= 700 {
		fresh, whole := open2(t, m, cpu.New(2), 6000), open2(t, m, cpu.New(2), 6000)
		if got, _, err := kept.Find(fresh, ids[:n+20], 0); got != n || err != nil {
			t.Fatalf("found %d tokens of %d: %v", got, n, err)
		}
		for at := 0; at < n; at += len(whole.Tokens()) - at { // as it was read
			feed(t, whole, ids[at:max(1000, min(at+700, n))])
		}
		if ids := ids[n : n+20]; !slices.Equal(feed(t, fresh, ids), feed(t, whole, ids)) {
			t.Errorf("other logits after %d tokens", n)
		}
	}
}
