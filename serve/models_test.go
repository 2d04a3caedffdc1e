package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// copies writes the demo under several names.
func copies(t *testing.T, names ...string) (dir string, paths []string) {
	t.Helper()
	dir = t.TempDir()
	f, err := llm.OpenFile("")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range names {
		path := filepath.Join(dir, name+".bin")
		if err := os.WriteFile(path, f.Mapping(), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return dir, paths
}

// loadedModels are the ids that /slots lists.
func loadedModels(t *testing.T, address string) (list []string) {
	t.Helper()
	for id := range load(t, address) {
		list = append(list, id)
	}
	return list
}

func about(model string) string {
	return fmt.Sprintf(`{"model":%q,"prompt":"Once upon a time","max_tokens":24,"temperature":0}`, model)
}

// Models are listed by name, loaded when they are first asked for, and answer at the
// same time what each answers alone.
func TestModels(t *testing.T) {
	_, paths := copies(t, "a", "b")
	address := run(t, serve.Options{Models: paths})
	resp, err := http.Get("http://" + address + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct{ Data []struct{ ID string } }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil || len(all.Data) != 2 || all.Data[0].ID != "a" || all.Data[1].ID != "b" {
		t.Errorf("%v %v", all, err)
	}
	if list := loadedModels(t, address); len(list) != 0 {
		t.Errorf("%q were loaded before anybody asked", list)
	}
	want := text(t, run(t, serve.Options{}), about("demo"))
	var each sync.WaitGroup
	for i := range 12 { // the first of each load it, and the others wait
		each.Go(func() {
			if got := text(t, address, about([]string{"a", "b"}[i%2])); got != want {
				t.Errorf("%q, alone %q", got, want)
			}
		})
	}
	each.Wait()
	if list := loadedModels(t, address); len(list) != 2 {
		t.Errorf("%q are loaded", list)
	}
}

// The model that was asked for longest ago makes room, when its requests have ended.
func TestModelsMakeRoom(t *testing.T) {
	_, paths := copies(t, "a", "b", "c")
	address := run(t, serve.Options{Models: paths, Weights: size(t, paths[0]) * 5 / 2})
	want := text(t, address, about("a"))
	for _, c := range []struct{ ask, gone string }{{"b", "c"}, {"a", "c"}, {"c", "b"}, {"b", "a"}, {"a", "c"}} {
		if got := text(t, address, about(c.ask)); got != want {
			t.Errorf("%s says %q, not %q", c.ask, got, want)
		}
		if list := strings.Join(loadedModels(t, address), " "); strings.Contains(list, c.gone) || !strings.Contains(list, c.ask) {
			t.Errorf("after %s these are loaded: %s", c.ask, list)
		}
	}
	var each sync.WaitGroup
	for i := range 30 { // all three at the same time, where two fit
		each.Go(func() {
			if got := text(t, address, about([]string{"a", "b", "c"}[i%3])); got != want {
				t.Errorf("in company %q, not %q", got, want)
			}
		})
	}
	each.Wait()
}

// A model that cannot be loaded is an error that says why, and is tried again. One
// whose file is removed, cut or replaced goes on, or is loaded anew.
func TestModelFiles(t *testing.T) {
	_, paths := copies(t, "a", "good")
	good, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(paths[0]+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(paths[0]+".new", paths[0]); err != nil {
			t.Fatal(err)
		}
	}
	address := run(t, serve.Options{Models: paths[:1]})
	fails := func() {
		t.Helper()
		resp, err := http.Post("http://"+address+"/v1/completions", "application/json", strings.NewReader(about("a")))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var e struct {
			Error struct{ Code, Message string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.StatusCode != 503 || e.Error.Code != "model_not_loaded" || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v %v", resp.StatusCode, e, err)
		}
	}
	write(good[:len(good)/2])
	fails()
	fails()
	write(good)
	want := text(t, address, about("a"))
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	if got := text(t, address, about("a")); got != want {
		t.Errorf("with the file removed: %q, not %q", got, want)
	}
	write(good)
	if got := text(t, address, about("a")); got != want {
		t.Errorf("with the file replaced: %q, not %q", got, want)
	}
	if err := os.Truncate(paths[0], int64(len(good)/2)); err != nil {
		t.Fatal(err)
	}
	fails()
	write(good)
	if got := text(t, address, about("a")); got != want {
		t.Errorf("with the file whole again: %q, not %q", got, want)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	at, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return at.Size()
}
