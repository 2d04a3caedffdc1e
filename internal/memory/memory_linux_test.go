package memory

import (
	"os"
	"path/filepath"
	"testing"
)

// The closest limit counts, whoever sets it; pages of files are given back.
func TestFree(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		space int64
		want  int64
		no    bool
	}{
		"machine":     {map[string]string{"proc/meminfo": "MemTotal: 900 kB\nMemAvailable:     100 kB\n"}, -1, 100 << 10, false},
		"unknown":     {map[string]string{"proc/meminfo": "MemTotal: 900 kB\n"}, -1, 0, true},
		"version 2":   {map[string]string{"proc/self/cgroup": "0::/a/b\n", "proc/meminfo": "MemAvailable: 100 kB", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "50000\n", "sys/fs/cgroup/a/memory.current": "30000\n", "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 4000\nactive_file 1000\n"}, -1, 25000, false},
		"a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "7000\n", "sys/fs/cgroup/memory.current": "9000\n"}, -1, 0, false},
		"version 1":   {map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n0::/\n", "proc/meminfo": "MemAvailable: 100 kB", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9000\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, -1, 8000, false},
		"its own":     {map[string]string{"proc/self/statm": "10 5 3\n", "proc/meminfo": "MemAvailable: 100 kB"}, 50000, 50000 - 10*4096, false},
		"nonsense":    {map[string]string{"proc/self/cgroup": "x\n0::\n:::", "proc/meminfo": "MemAvailable: many kB", "sys/fs/cgroup/memory.max": "\n"}, -1, 0, true},
	} {
		dir := t.TempDir()
		for f, text := range c.files {
			path := filepath.Join(dir, f)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := (system{dir}).free(c.space, 4096); got != c.want || ok == c.no {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, c.want)
		}
	}
	if n, ok := Free(); !ok || n <= 0 {
		t.Errorf("here: %d, %v", n, ok)
	}
}
