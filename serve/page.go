package serve

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// files are the page: HTML, CSS and modules as browsers read them, built by nothing.
//
//go:embed page
var files embed.FS

// policy lets the page load its own files and ask its own server, and nothing else.
// No text can become a script, not even by a mistake of the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// kinds are the types of the page's files.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// asset is a file of the page as it is sent.
type asset struct {
	kind, tag     string
	plain, packed []byte
}

// assets are the page's files by their addresses.
var assets = pageAssets()

func pageAssets() map[string]*asset {
	list, err := fs.ReadDir(files, "page")
	if err != nil {
		panic(err)
	}
	all := map[string]*asset{}
	for _, f := range list {
		data, err := files.ReadFile("page/" + f.Name())
		if err != nil {
			panic(err)
		}
		at := "/page/" + f.Name()
		if f.Name() == "index.html" {
			at = "/"
		}
		sum := sha256.Sum256(data)
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that there is
		_, _ = z.Write(data)                                  // a buffer takes everything
		_ = z.Close()
		all[at] = &asset{kinds[path.Ext(f.Name())], hex.EncodeToString(sum[:12]), data, b.Bytes()}
	}
	return all
}

// page answers with a file of the page. It needs no key: the page asks for it.
func (s *Server) page(w http.ResponseWriter, r *http.Request) error {
	one := assets[r.URL.Path]
	if one == nil {
		return errNothing
	}
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	head.Set("Content-Type", one.kind)
	head.Set("Cache-Control", "no-cache") // kept, and asked about each time
	head.Set("Vary", "Accept-Encoding")
	data, tag := one.plain, `"`+one.tag+`"`
	if unpacks(r.Header.Get("Accept-Encoding")) {
		head.Set("Content-Encoding", "gzip")
		data, tag = one.packed, `"`+one.tag+`-gzip"`
	}
	head.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// unpacks says whether a client takes gzip.
func unpacks(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
		if w := strings.ReplaceAll(weight, " ", ""); strings.EqualFold(strings.TrimSpace(name), "gzip") && w != "q=0" && w != "q=0.0" {
			return true
		}
	}
	return false
}
