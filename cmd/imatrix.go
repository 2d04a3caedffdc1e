package cmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

func imatrixCommand() *cobra.Command {
	var g gather
	var backendName, isa string
	var threads int
	var special bool
	c := &cobra.Command{
		Use:   "imatrix MODEL",
		Short: "Gather an importance matrix from a text, for convert --imatrix",
		Long: `Read a text with a model and write an importance matrix, which describes the inputs
of each weight matrix. It sums the squares of every column's inputs, and their
products with those of its neighbours. Quantization with convert --imatrix then errs
where it costs least, at no cost in size. The file takes one kilobyte for each column
of each matrix.

The CPU computes, on its fast kernels with float32 activations. Some 10,000 tokens
are enough. The text should be like the text that the model will read.

An interrupted run leaves OUTPUT.part. The same command goes on from it.`,
		Example: "  mil imatrix m1-f16.bin -f text.txt -o m1.imatrix\n  mil convert models/M1-3B --type q4_k --imatrix m1.imatrix",
		Args:    exactly("MODEL"),

		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := findModel(c, args[0])
			if err != nil {
				return err
			}
			if err := importance.Vacant(g.output, g.force); err != nil {
				return err
			}
			file, err := openModel(path)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := intact(file); err != nil {
				return err
			}
			e, err := chat.Open(file)
			if err != nil {
				return err
			}
			if g.text, err = readText(e, g.path, special); err != nil {
				return err
			}
			g.warn = c.ErrOrStderr()
			g.machine = llm.NewMachine(llm.Options{Backend: devices.CPU, Threads: threads, ISA: isa, Warn: (&runFlags{warn: g.warn}).say})
			defer g.machine.Close()
			b, err := g.machine.Backend()
			if isa := new(llm.ISAError); errors.As(err, &isa) {
				return fmt.Errorf("--isa: %w", isa.Err)
			} else if err != nil {
				return err
			}
			if backendName != "auto" && backendName != b.Name() {
				show.Fprintf(g.warn, "mil: --backend %s does not sum inputs; the CPU computes\n", backendName)
			}
			ctx, stop := interruptible()
			defer stop()
			context.AfterFunc(ctx, stop) // a second Ctrl-C ends a save, too
			stats, err := g.run(ctx, file, e, b.(backend.Observer))
			if err != nil {
				return file.Named(err)
			}
			_, err = show.Fprintf(c.OutOrStdout(), "wrote %s: %d matrices, %d tokens\n", g.output, stats.Len(), len(g.text.IDs))
			return err
		},
	}
	addText(c.Flags(), &g.path, "file", "f", "FILE", "the text to read")
	addText(c.Flags(), &g.output, "output", "o", "FILE", "the file to write")
	addNumber(c.Flags(), &g.window, "ctx", "c", 512, 1, maxContext, "size of a window in tokens; a token sees those before it in the window")
	addNumber(c.Flags(), &threads, "threads", "t", 0, 0, maxThreads, "number of threads (default one a performance core)")
	oneOf(c.Flags(), &isa, "isa", "", llm.ISAs(), "instruction set, one that mil info --cpu lists (default the best)")
	oneOf(c.Flags(), &backendName, "backend", "auto", backendNames(), "backend; the CPU computes whatever is named, since only its kernels sum inputs")
	c.Flags().BoolVar(&special, "special", false, "read the names of special tokens in the file as those tokens")
	c.Flags().BoolVar(&g.force, "force", false, "replace the file if it exists")
	c.MarkFlagRequired("file")
	c.MarkFlagRequired("output")
	return c
}

// gather is one run of mil imatrix.
type gather struct {
	path, output string
	window       int
	force        bool
	text         eval.Text
	warn         io.Writer
	machine      *llm.Machine

	stats  *importance.Statistics
	key    string // of the run, in its part
	before int64  // tokens fed before the present window
	saved  time.Time
	took   time.Duration // by the last save
}

// run reads the text, from where an earlier run of the same key stopped, and
// writes the file.
func (g *gather) run(ctx context.Context, file *format.File, e *chat.Engine, b backend.Observer) (*importance.Statistics, error) {
	id, err := file.Identity()
	if err != nil {
		return nil, err
	}
	ids := sha256.Sum256(fmt.Append(nil, g.text.Lead, g.text.IDs))
	g.key = fmt.Sprintf("%s, text %x, ctx %d, %s", id, ids, g.window, b.Name())
	part, ok, err := importance.OpenPart(g.part(), g.key)
	if g.stats = part; !ok {
		g.stats = importance.New()
	}
	if err != nil {
		show.Fprintf(g.warn, "mil: starting anew: %v\n", err)
	}
	o := model.Options{Context: g.window}
	p := counted(g.warn, "reading")
	defer p.end()
	b.Observe(func(ws []*backend.Tensor, p *backend.Params) (*quant.Moments, int) {
		names := make([]string, len(ws))
		for i, w := range ws {
			names[i] = w.Name
		}
		m := g.stats.Of(ws[0].Cols, names...)
		return m, int(min(max(m.Count-g.before-int64(p.Segments[0].Pos), 0), int64(len(p.Tokens))))
	})
	s, err := g.machine.Timeline(e.Model, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	g.saved = time.Now()
	read := 0
	err = eval.Read(ctx, g.text, s.Session, g.stats.Seen(), g.next, func(done, total int) {
		read = done
		p.count(done, total)
	})
	if errors.Is(err, eval.ErrInterrupted) {
		return nil, g.interrupted(err, read)
	}
	if err != nil {
		return nil, err
	}
	if err := g.stats.Save(g.output, filepath.Base(g.path), g.window, g.force); err != nil {
		return nil, err
	}
	os.Remove(g.part()) // only ours: a file of this name is no user's
	return g.stats, nil
}

func (g *gather) part() string { return g.output + ".part" }

// saveEvery is the longest work that a killed run may lose. It is longer on
// machines where saving takes more than a twentieth of it.
const saveEvery = 30 * time.Second

// next begins a window.
func (g *gather) next(fed int64) {
	g.before = fed
	if since := time.Since(g.saved); since < saveEvery || since < 20*g.took {
		return
	}
	if err := g.save(); err != nil {
		show.Fprintf(g.warn, "mil: warning: %v\n", err)
	}
}

func (g *gather) save() error {
	start := time.Now()
	err := g.stats.SavePart(g.part(), g.key)
	g.saved = time.Now()
	g.took = g.saved.Sub(start)
	return err
}

// interrupted keeps the sums so far.
func (g *gather) interrupted(why error, done int) error {
	if g.stats.Len() == 0 {
		return why
	}
	if err := g.save(); err != nil {
		return fmt.Errorf("%w; the sums so far are lost: %w", why, err)
	}
	return fmt.Errorf("%w after %d of %d tokens; the same command goes on from %s", why, done, len(g.text.IDs), g.part())
}
