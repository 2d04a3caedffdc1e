package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/hub"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/source"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/quant"
)

// pullFlags are the flags of pull.
type pullFlags struct {
	mix, name, tokenizer string
	keep, force          bool
	typed                bool // --type was given
}

func pullCommand() *cobra.Command {
	var f pullFlags
	c := &cobra.Command{
		Use:   "pull OWNER/REPO[@REVISION][:FILE.gguf]",
		Short: "Download a model from Hugging Face and convert it (the only command that uses the network)",
		Long: `Download the files of a checkpoint that a conversion needs from Hugging Face, convert
them, and put the model into the folder of models, where it has a name. :FILE.gguf
downloads one GGUF file instead. It is kept as it is, or converted if --type is
given. This is the only command that uses the network.

The same command goes on with an interrupted download. Sizes and sums are checked.
The download is removed when the model is converted and verified, unless --keep is
given.

HF_TOKEN is the access token for gated or private repositories. It is sent only to
the server that HF_ENDPOINT names (default https://huggingface.co). The connection
uses HTTPS unless HF_ENDPOINT says http. Proxies are taken from the environment.`,
		Example: `  mil pull togethercomputer/M1-3B
  mil pull meta-llama/Llama-3.2-1B-Instruct --type q8_0
  mil pull state-spaces/mamba-130m --tokenizer EleutherAI/gpt-neox-20b
  mil pull bartowski/Llama-3.2-1B-Instruct-GGUF:Llama-3.2-1B-Instruct-Q4_K_M.gguf`,
		Args: exactly("OWNER/REPO"),
		RunE: func(c *cobra.Command, args []string) error {
			f.typed = c.Flags().Changed("type")
			return f.run(c, args[0])
		},
	}
	f.mix = "q4_k_m"
	addText(c.Flags(), &f.mix, "type", "", "TYPE", "type of the weights: "+strings.Join(quant.MixNames(), " "))
	addText(c.Flags(), &f.name, "name", "", "NAME", "name of the model (default the repository's or the file's)")
	addText(c.Flags(), &f.tokenizer, "tokenizer", "", "FROM", "folder, tokenizer.json or OWNER/REPO with the tokenizer")
	c.Flags().BoolVar(&f.keep, "keep", false, "keep the download")
	c.Flags().BoolVar(&f.force, "force", false, "replace a model that has the name")
	return c
}

// pull is one run of the command.
type pull struct {
	*pullFlags
	ctx       context.Context
	ref       hub.Ref
	mix       quant.Mix
	client    *hub.Client
	models    models.Folder
	name      string
	out, errs io.Writer
}

func (f *pullFlags) run(c *cobra.Command, arg string) error {
	ref, err := hub.ParseRef(arg)
	if err != nil {
		return usage(err)
	}
	p := &pull{pullFlags: f, ref: ref, models: modelsFolder(c), out: c.OutOrStdout(), errs: c.ErrOrStderr()}
	if p.mix, err = quant.ParseMix(f.mix); err != nil {
		return usagef("--type: %w", err)
	}
	if p.client, err = hub.New(os.Getenv("HF_ENDPOINT"), os.Getenv("HF_TOKEN")); err != nil {
		return usage(err)
	}
	p.client.Notice = p.note
	if p.name = f.name; p.name == "" {
		p.name = models.NameFor(path.Base(ref.Repo))
		if ref.File != "" {
			p.name = models.NameFor(path.Base(ref.File))
		}
	}
	if err := p.free(); err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	p.ctx = ctx
	err = p.do()
	if errors.Is(err, context.Canceled) || errors.Is(err, convert.ErrInterrupted) {
		return pullInterrupted{ref}
	}
	return err
}

// pullInterrupted says how to go on.
type pullInterrupted struct{ ref hub.Ref }

func (e pullInterrupted) Error() string {
	return fmt.Sprintf("pull %s: interrupted; the same command goes on from here", e.ref)
}
func (e pullInterrupted) Unwrap() error { return context.Canceled }

func (p *pull) note(text string) { show.Fprintln(p.errs, "mil:", show.Own(show.Visible(text))) }

// free refuses a name that a model has already, unless it is to be replaced.
func (p *pull) free() error {
	if _, err := p.models.Path(p.name); err != nil {
		return usagef("--name: %w", err)
	}
	if at, err := p.models.Find(p.name); err == nil && !p.force {
		return fmt.Errorf("%s is there already (%s); --force replaces it, --name gives the new one another name", p.name, at)
	}
	return nil
}

// do downloads, converts, verifies and clears up.
func (p *pull) do() error {
	base := filepath.Join(string(p.models), ".pull")
	folder, err := hub.OpenFolder(p.ctx, base, p.ref.Repo, p.note)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := p.free(); err != nil { // another pull may have made it meanwhile
		return err
	}
	snap, err := p.client.Snapshot(p.ctx, p.ref)
	if err != nil {
		return err
	}
	if p.ref.File != "" {
		err = p.gguf(folder, snap)
	} else {
		err = p.checkpoint(folder, snap)
	}
	if err != nil {
		return err
	}
	if p.keep {
		_, err = show.Fprintf(p.out, "kept          %s\n", folder.Path)
		return err
	}
	return folder.Remove()
}

// checkpoint downloads a checkpoint, the small files first: they tell whether mil
// runs it.
func (p *pull) checkpoint(folder *hub.Folder, snap *hub.Snapshot) error {
	small, err := snap.Small()
	if err != nil {
		return err
	}
	if err := p.client.Download(p.ctx, folder.Root, snap, small, nil); err != nil {
		return err
	}
	if err := convert.CheckConfig(folder.Path); err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the folder, which the user does not know
		}
		return fmt.Errorf("pull %s: %w", p.ref, err)
	}
	tokenizer, err := p.tokenizerFrom(folder, snap)
	if err != nil {
		return err
	}
	weights, err := snap.Weights(func(index string) ([]string, error) {
		return source.Shards(filepath.Join(folder.Path, index))
	})
	if err != nil {
		return err
	}
	var size int64
	for _, f := range weights {
		size += max(f.Size, 0)
	}
	if err := p.space(folder, hub.Missing(folder.Root, weights), size/2); err != nil {
		return err
	}
	if err := p.download(folder, snap, weights); err != nil {
		return err
	}
	return p.convert(folder.Path, tokenizer)
}

// tokenizerFrom is what --tokenizer names, downloaded where it is a repository.
func (p *pull) tokenizerFrom(folder *hub.Folder, snap *hub.Snapshot) (string, error) {
	if p.tokenizer == "" {
		_, ok := snap.File("tokenizer.json")
		if _, model := snap.File("tokenizer.model"); !ok && !model {
			return "", fmt.Errorf("%s has no tokenizer.json; name the one of the model it was made from: --tokenizer OWNER/REPO", p.ref)
		}
		return "", nil
	}
	if _, err := os.Stat(p.tokenizer); err == nil {
		return p.tokenizer, nil
	}
	ref, err := hub.ParseRef(p.tokenizer)
	if err != nil || ref.File != "" {
		return "", usagef("--tokenizer: %s is neither here nor OWNER/REPO", p.tokenizer)
	}
	other, err := p.client.Snapshot(p.ctx, ref)
	if err != nil {
		return "", fmt.Errorf("--tokenizer: %w", err)
	}
	var files []hub.File
	for _, name := range []string{"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json"} {
		if f, ok := other.File(name); ok && (name != "tokenizer.model" || len(files) == 0) {
			files = append(files, f)
		}
		if name == "tokenizer.model" && len(files) == 0 {
			return "", fmt.Errorf("--tokenizer: %s has no tokenizer.json", ref)
		}
	}
	if err := folder.Mkdir("tokenizer", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	root, err := folder.OpenRoot("tokenizer")
	if err != nil {
		return "", err
	}
	defer root.Close()
	return filepath.Join(folder.Path, "tokenizer"), p.client.Download(p.ctx, root, other, files, nil)
}

// space refuses a download that does not fit the disk together with the model
// made from it.
func (p *pull) space(folder *hub.Folder, download, model int64) error {
	free, ok := hub.Free(folder.Path)
	if need := download + model; ok && need > free {
		return fmt.Errorf("pull %s: %w: it needs %s (%s to download, about %s for the model), and %s has %s; make room, or take another folder with --models DIR",
			p.ref, hub.ErrSpace, units.Bytes(need), units.Bytes(download), units.Bytes(model), folder.Path, units.Bytes(free))
	}
	return nil
}

// download fetches the large files and shows its progress.
func (p *pull) download(folder *hub.Folder, snap *hub.Snapshot, files []hub.File) error {
	far := newProgress(p.out, "", progressbar.OptionShowBytes(true), progressbar.OptionShowCount())
	far.line = func(percent int64, file string, total int64) string {
		return fmt.Sprintf("%3d%% of %s downloaded, %s", percent, units.Bytes(total), file)
	}
	defer far.end()
	return p.client.Download(p.ctx, folder.Root, snap, files, far.steps)
}

// convert makes the model, and opens and verifies it.
func (p *pull) convert(from, tokenizer string) error {
	output, err := p.models.Path(p.name)
	if err != nil {
		return err
	}
	o := convert.Options{Output: output, Type: p.mix, Tokenizer: tokenizer, Force: p.force}
	far := convertProgress(p.out)
	o.Progress = far.steps
	sum, err := convert.Run(p.ctx, from, o)
	far.end()
	if err != nil {
		return err
	}
	if err := opens(output, true); err != nil {
		return err
	}
	for _, w := range sum.Warnings {
		p.note("warning: " + w)
	}
	return printSummary(p.out, output, p.name, sum)
}

// opens says why a model file cannot be opened, if it cannot.
func opens(file string, ours bool) error {
	f, err := format.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := chat.Open(f); err != nil {
		return err
	}
	if ours {
		return f.Verify(nil)
	}
	return nil
}
