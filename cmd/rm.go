package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/internal/nearest"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
)

func removeCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove models from the folder of models",
		Long: `Remove models from the folder of models, by the names that mil list shows. On a
terminal it asks first. Elsewhere it needs --yes. A link is removed, but not the file
that it leads to. Nothing outside the folder is ever removed.`,
		Example: "  mil rm m1-3b\n  mil rm --yes m1-3b m1-8b",
		Args:    atLeastOne("NAME"),
		ValidArgsFunction: func(c *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return beginning(modelsFolder(c).Names(), toComplete), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			folder := modelsFolder(c)
			var found []models.Entry
			for _, name := range args { // all of them, before any is removed
				path, err := findEntry(folder, name)
				if err != nil {
					return err
				}
				found = append(found, models.Entry{Name: name, Path: path})
			}
			asks := isTerminal(c.InOrStdin()) && isTerminal(c.ErrOrStderr())
			if !yes && !asks {
				return usagef("mil rm asks before it removes a model, and nobody is there to answer; give --yes")
			}
			answers := bufio.NewScanner(c.InOrStdin())
			for _, e := range found {
				if !yes {
					show.Fprintf(c.ErrOrStderr(), "Remove %s? [y/N] ", describeFile(e))
					if !answers.Scan() || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answers.Text())), "y") {
						fmt.Fprintln(c.ErrOrStderr(), "It stays.")
						continue
					}
				}
				if err := folder.Remove(e.Name); err != nil {
					return err
				}
				show.Fprintln(c.OutOrStdout(), "removed", e.Path)
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "remove without asking")
	return c
}

// findEntry is the file of a name in the folder, and of nothing else.
func findEntry(folder models.Folder, name string) (string, error) {
	path, err := folder.Find(name)
	switch {
	case name == demo.Name:
		return "", errors.New("demo is inside mil and cannot be removed")
	case errors.Is(err, models.ErrName):
		return "", fmt.Errorf("%w; mil rm takes the names that mil list shows", err)
	case errors.Is(err, models.ErrNone):
		return "", fmt.Errorf("%w%s (mil list shows the models)", err, didYouMean(nearest.Of(name, folder.Names())))
	}
	return path, err
}

// describeFile is a model's path and the room that its removal frees.
func describeFile(e models.Entry) string {
	path := show.Visible(e.Path)
	st, err := os.Lstat(e.Path)
	switch {
	case err != nil:
		return path
	case st.Mode()&os.ModeSymlink != 0:
		return "the link " + path
	}
	size, files := int64(0), models.Files(e.Path)
	for _, p := range files {
		if st, err := os.Lstat(p); err == nil {
			size += st.Size()
		}
	}
	if len(files) > 1 {
		path += fmt.Sprintf(" and %d more files", len(files)-1)
	}
	return fmt.Sprintf("%s (%s)", path, units.Bytes(size))
}
