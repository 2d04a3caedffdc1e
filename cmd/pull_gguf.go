package cmd

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/mil-run/mil/internal/hub"
	"github.com/mil-run/mil/internal/show"
)

// gguf downloads one GGUF, which may lie in several files.
func (p *pull) gguf(folder *hub.Folder, snap *hub.Snapshot) error {
	files, err := snap.GGUF(p.ref.File)
	if err != nil {
		return err
	}
	var size int64
	for _, f := range files {
		size += max(f.Size, 0)
	}
	model := int64(0)
	if p.typed || p.tokenizer != "" || len(files) > 1 {
		model = size
	}
	if err := p.space(folder, hub.Missing(folder.Root, files), model); err != nil {
		return err
	}
	if err := p.download(folder, snap, files); err != nil {
		return err
	}
	first := filepath.Join(folder.Path, path.Base(files[0].Path))
	if err := opens(first, false); err != nil {
		return err
	}
	if p.typed || p.tokenizer != "" {
		tokenizer := ""
		if p.tokenizer != "" {
			if tokenizer, err = p.tokenizerFrom(folder, snap); err != nil {
				return err
			}
		}
		return p.convert(first, tokenizer)
	}
	return p.place(folder, files)
}

// part is the path of a part of a GGUF in several files, among the models.
func (p *pull) part(i, count int) string {
	return filepath.Join(string(p.models), fmt.Sprintf("%s-%05d-of-%05d.gguf", p.name, i+1, count))
}

// place moves the files of a GGUF to the models, under the name. Parts keep the
// suffix that numbers them.
func (p *pull) place(folder *hub.Folder, files []hub.File) error {
	p.keep = false // nothing is left to keep
	to := filepath.Join(string(p.models), p.name+".gguf")
	for i := len(files) - 1; i >= 0; i-- { // the first part comes last, since it gives the name
		if len(files) > 1 {
			to = p.part(i, len(files))
		}
		if err := os.Rename(filepath.Join(folder.Path, path.Base(files[i].Path)), to); err != nil {
			return err
		}
	}
	if old, err := p.models.Path(p.name); err == nil && p.force {
		os.Remove(old) // NAME.bin would be found before NAME.gguf
	}
	_, err := show.Fprintf(p.out, "wrote         %s\nname          %s, as in: mil chat %s\n", to, p.name, p.name)
	return err
}
