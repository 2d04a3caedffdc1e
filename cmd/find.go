package cmd

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/llm"
)

// modelsFolder is the folder of models with a short name: --models, or the
// user's own. Without either it knows no names.
func modelsFolder(c *cobra.Command) models.Folder {
	if f := c.Flag("models"); f != nil && f.Changed {
		return models.Folder(f.Value.String())
	}
	dir, _ := models.Default()
	return dir
}

// modelNames are the names that a MODEL may have without a path.
func modelNames(c *cobra.Command) []string {
	return append([]string{demo.Name}, modelsFolder(c).Names()...)
}

// completeModels completes the first n arguments of a command with names of
// models, or files. An n below 0 is all of them.
func completeModels(n int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if n >= 0 && len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(modelNames(c), toComplete), cobra.ShellCompDirectiveDefault
	}
}

// findModel is the path of the file that a MODEL argument names: a file, else a
// model in the folder. "" is the demo, which has no file. Every command takes its
// models through it.
func findModel(c *cobra.Command, arg string) (string, error) {
	return llm.Find(arg, string(modelsFolder(c)))
}

// shortName is the path of a model by its name. "" is the path of the demo.
func shortName(c *cobra.Command, arg string) (path string, ok bool) {
	if arg == demo.Name {
		return "", true
	}
	path, err := modelsFolder(c).Find(arg)
	return path, err == nil
}

// mayBeModel reports whether a lone argument of run is meant as a model. It is
// if the path exists, if it has a model's name or suffix, or if it is a path
// without a space.
func mayBeModel(c *cobra.Command, arg string) bool {
	if arg == "" {
		return false
	}
	if _, err := os.Lstat(arg); err == nil { // a link to nothing too
		return true
	}
	if _, ok := shortName(c, arg); ok {
		return true
	}
	for _, s := range append(models.Suffixes, ".safetensors") {
		if len(arg) > len(s) && strings.EqualFold(arg[len(arg)-len(s):], s) {
			return true
		}
	}
	return strings.ContainsAny(arg, "/"+string(os.PathSeparator)) && !strings.Contains(arg, " ")
}

// modelFlag gives a command the flag --model, which comes before its arguments.
func modelFlag(c *cobra.Command) *cobra.Command {
	var name string
	addText(c.Flags(), &name, "model", "m", "MODEL", "the model, instead of the first argument")
	all := func(args []string) []string {
		if c.Flags().Changed("model") {
			return append([]string{name}, args...)
		}
		return args
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error { return check(c, all(args)) }
	}
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error { return run(c, all(args)) }
	return c
}

// openModel opens the file that findModel found: the demo for "".
func openModel(path string) (*format.File, error) { return llm.OpenFile(path) }
