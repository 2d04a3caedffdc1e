package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"
)

// unknownSize bounds files whose size the server neither lists nor sends.
const unknownSize = 64 << 20

// Progress is told how many bytes of how many are here, and of which file the
// last came.
type Progress func(file string, done, total int64)

// Download brings files of a snapshot into the folder, under their names without
// folders. Files that are there and right are left; parts of files are
// gone on with. Each file takes its name when it is whole and its sum is right.
func (c *Client) Download(ctx context.Context, root *os.Root, s *Snapshot, files []File, progress Progress) error {
	if err := checkNames(files); err != nil {
		return fmt.Errorf("%s: %w", s.Repo, err)
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	var done, total int64
	for _, f := range files {
		total += max(f.Size, 0)
	}
	for _, f := range files {
		d := &download{c: c, root: root, s: s, f: f, name: path.Base(f.Path)}
		d.progress = func(n int64) { progress(d.name, done+n, max(total, done+n)) }
		if err := d.run(ctx); err != nil {
			return err
		}
		done += max(f.Size, 0)
	}
	return nil
}

// Missing counts the bytes of files that are still to come.
func Missing(root *os.Root, files []File) int64 {
	var n int64
	for _, f := range files {
		name := path.Base(f.Path)
		if st, err := root.Stat(name); err == nil && st.Size() == f.Size {
			continue
		}
		n += max(f.Size, 0)
		if st, err := root.Stat(partOf(f)); err == nil {
			n -= min(st.Size(), max(f.Size, 0))
		}
	}
	return n
}

// download is one file's.
type download struct {
	c        *Client
	root     *os.Root
	s        *Snapshot
	f        File
	name     string
	progress func(n int64)
	length   int64 // of the answer, where the server lists no size
}

// partOf names the unfinished file: after the sum, so that another version of the
// file does not go on with it.
func partOf(f File) string {
	id := f.SHA256 + f.Blob
	return path.Base(f.Path) + "." + id[:min(12, len(id))] + ".part"
}

func (d *download) ref() Ref { return Ref{Repo: d.s.Repo, Revision: "main", File: d.f.Path} }

// limit is how many bytes the file may have.
func (d *download) limit() int64 {
	if d.f.Size >= 0 {
		return d.f.Size
	}
	return max(d.length, unknownSize)
}

// sum starts the hash by which the file is known; nil: the server lists none.
func (d *download) sum() hash.Hash {
	switch {
	case len(d.f.SHA256) == 64:
		return sha256.New()
	case len(d.f.Blob) == 40 && d.f.Size >= 0:
		h := sha1.New() // git's own id of the content
		fmt.Fprintf(h, "blob %d\x00", d.f.Size)
		return h
	}
	return nil
}

// right says whether a finished sum is the file's.
func (d *download) right(h hash.Hash) bool {
	return h == nil || hex.EncodeToString(h.Sum(nil)) == strings.ToLower(d.f.SHA256+d.f.Blob)
}

func (d *download) run(ctx context.Context) error {
	if ok, err := d.have(ctx); ok || err != nil {
		return err
	}
	for restarts := 0; ; restarts++ {
		err := d.c.retry(ctx, func() error { return d.try(ctx) })
		if errors.Is(err, errSum) && restarts == 0 {
			continue // the part may have been damaged here: once from the start
		}
		return err
	}
}

// have says whether the file is here already. Its sum is checked, since nobody
// knows what happened to it.
func (d *download) have(ctx context.Context) (bool, error) {
	f, err := d.root.Open(d.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return false, fmt.Errorf("%s: not a regular file", d.name)
	}
	h := d.sum()
	if h != nil && st.Size() == d.f.Size {
		if _, err := io.Copy(h, &watched{r: f, ctx: ctx, seen: d.progress}); err != nil {
			return false, err
		}
		if d.right(h) {
			return true, nil
		}
	}
	return false, d.root.Remove(d.name)
}

var errSum = fmt.Errorf("its sum is wrong: %w", ErrContent)

// try goes on with the file, or begins it, and gives it its name when it is whole.
func (d *download) try(ctx context.Context) (err error) {
	part := partOf(d.f)
	h := d.sum()
	flags := os.O_RDWR | os.O_CREATE
	if h == nil {
		flags |= os.O_TRUNC // without a sum nothing tells whether a part fits
	}
	file, err := d.root.OpenFile(part, flags, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	have, err := d.resume(ctx, file, h)
	if err != nil {
		return err
	}
	if d.f.Size < 0 || have < d.f.Size {
		if have, h, err = d.fetch(ctx, file, have, h); err != nil {
			return err
		}
	}
	if d.f.Size >= 0 && have != d.f.Size {
		return again{fmt.Errorf("%s: the connection ended after %d of %d bytes", d.ref(), have, d.f.Size), 0}
	}
	if !d.right(h) {
		file.Close()
		_ = d.root.Remove(part) // it is of no use
		return fmt.Errorf("%s: %w", d.ref(), errSum)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return d.root.Rename(part, d.name)
}

// resume reads the part of the file that is here into the sum.
func (d *download) resume(ctx context.Context, file *os.File, h hash.Hash) (int64, error) {
	st, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: not a regular file", partOf(d.f))
	}
	if h == nil || st.Size() > d.limit() {
		return 0, file.Truncate(0)
	}
	return io.Copy(h, &watched{r: file, ctx: ctx, seen: d.progress})
}

// fetch asks for the bytes from have on and appends them.
func (d *download) fetch(ctx context.Context, file *os.File, have int64, h hash.Hash) (int64, hash.Hash, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.c.Stall, func() { cancel(errStalled) })
	defer stall.Stop()
	header := map[string]string{"Accept-Encoding": "identity"}
	if have > 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-", have)
	}
	resp, err := d.c.get(ctx, d.address(), header)
	if err != nil {
		return have, h, stalled(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && have > 0 && d.fits(resp, have):
	case resp.StatusCode == http.StatusPartialContent, resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		if err := file.Truncate(0); err != nil {
			return 0, h, err
		}
		return 0, h, again{fmt.Errorf("%s: %w: it does not go on where it was asked to", d.ref(), ErrServer), 0}
	case resp.StatusCode == http.StatusOK: // from the start, asked or not
		have, h, d.length = 0, d.sum(), resp.ContentLength
		if err := file.Truncate(0); err != nil {
			return 0, h, err
		}
	default:
		return have, h, d.c.refused(d.ref(), resp)
	}
	if _, err := file.Seek(have, io.SeekStart); err != nil {
		return have, h, err
	}
	var to io.Writer = file
	if h != nil {
		to = io.MultiWriter(file, h)
	}
	left := d.limit() - have
	body := &watched{r: io.LimitReader(resp.Body, left+1), ctx: ctx, seen: func(n int64) {
		stall.Reset(d.c.Stall)
		d.progress(min(have+n, d.limit()))
	}}
	n, err := io.Copy(to, body)
	switch {
	case n > left:
		_ = file.Truncate(0)
		return have + n, h, fmt.Errorf("%s: %w: the server sends more than the %d bytes it lists", d.ref(), ErrContent, d.limit())
	case err == nil:
		return have + n, h, nil
	case body.failed == nil: // writing failed
		return have + n, h, err
	}
	err = stalled(ctx, again{fmt.Errorf("%s: the connection broke after %d bytes: %w", d.ref(), have+n, err), 0})
	if n > 0 {
		err = progressed{err}
	}
	return have + n, h, err
}

// address is where the file lies at the snapshot's commit.
func (d *download) address() string {
	parts := strings.Split(d.f.Path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return d.c.endpoint.String() + "/" + d.s.Repo + "/resolve/" + d.s.Commit + "/" + strings.Join(parts, "/")
}

// fits says whether an answer goes on from byte have of this very file.
func (d *download) fits(resp *http.Response, have int64) bool {
	var first, last, total int64
	if n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); n != 3 {
		return false
	}
	return first == have && total == d.f.Size && last == total-1
}

var errStalled = errors.New("nothing came for too long")

// stalled makes the error of a request that was cancelled for bringing nothing one
// that is tried again.
func stalled(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStalled {
		return again{errStalled, 0}
	}
	return err
}

// watched counts the bytes read, stops when the context does, and tells reading's
// errors from writing's.
type watched struct {
	r      io.Reader
	ctx    context.Context
	seen   func(n int64)
	n      int64
	failed error
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		w.failed = err
		return 0, err
	}
	n, err := w.r.Read(b)
	w.n += int64(n)
	if n > 0 {
		w.seen(w.n)
	}
	if err != nil && err != io.EOF {
		w.failed = err
	}
	return n, err
}
