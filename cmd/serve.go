package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/memory"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/serve"
)

// serveFlags are the command's.
type serveFlags struct {
	runFlags
	draft          string
	listen         string
	memory, body   int64
	weights        int64
	slots, queue   int
	conns, tokens  int
	key, keyFile   string
	origins, hosts []string
	logFile        string
	sessions       string
	sessionBytes   int64
	grace, ping    time.Duration
}

func serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve [MODEL...]",
		Short: "Answer requests over HTTP, as OpenAI's clients write them",
		Long: `Answer requests over HTTP, as OpenAI's clients write them. Several requests share
each pass of a model, and a text is the same alone and in company. Each model is
loaded when it is first asked for, by its short name or its file's name without
the ending. Without MODEL the demo inside mil answers, by the name demo.

The server's address is a page, too: open it in a browser to talk with the models.

The server listens on this machine alone unless --listen says otherwise. Give it
a key (--api-key-file) before others can reach it. docs/serving.md says more.`,
		Example: `  mil serve
  mil serve m1-3b --draft lookup --slots 4
  mil serve model.bin --listen 0.0.0.0:8080 --api-key-file key.txt --allow-host box.local
  curl localhost:8080/v1/chat/completions -H 'Content-Type: application/json' \
    -d '{"messages": [{"role": "user", "content": "Hello"}]}'`,
		ValidArgsFunction: completeModels(-1),
		RunE:              f.run,
	}
	set := c.Flags()
	f.add(set)
	addText(set, &f.draft, "draft", "", "MODEL", "draft for speculative decoding: a model, lookup, demo or auto")
	f.listen = "127.0.0.1:8080"
	addText(set, &f.listen, "listen", "", "ADDRESS", "address to listen on, or unix:PATH")
	set.Var(&size{&f.memory}, "memory", "memory of all conversations and kept prompts, such as 4G (default half of what is free)")
	set.Var(&size{&f.weights}, "weights", "size of the models that stay loaded together (default what --memory leaves free)")
	addNumber(set, &f.slots, "slots", "", 8, 1, 64, "requests at work at a time, of each model")
	addNumber(set, &f.queue, "queue", "", 64, 1, 1<<16, "requests that wait, of each model; others are told to come back")
	addNumber(set, &f.conns, "connections", "", 256, 1, 1<<16, "connections at a time; the one idle longest goes")
	addNumber(set, &f.tokens, "max-reply", "", 0, 0, 1<<30, "most tokens of a reply, 0 as many as the context holds")
	set.Var(&size{&f.body}, "body", "largest request (default 8M)")
	addText(set, &f.key, "api-key", "", "KEY", "key that requests must have (others can see it among the running programs)")
	addText(set, &f.keyFile, "api-key-file", "", "FILE", "file with the keys that requests may have, one a line")
	set.Var(&texts{&f.origins, "ORIGIN"}, "allow-origin", "web page that may ask, such as http://localhost:3000; may be given several times")
	set.Var(&texts{&f.hosts, "NAME"}, "allow-host", "name by which the server may be asked; may be given several times")
	addText(set, &f.sessions, "sessions", "", "DIR", "keep conversations in this folder; without it they end with the server")
	set.Var(&size{&f.sessionBytes}, "sessions-size", "size of what models have read, in that folder (default 8G)")
	addText(set, &f.logFile, "log", "", "FILE", "append a line for each request to this file; - prints them")
	addTime(set, &f.ping, "ping", 10*time.Second, "time between signs of life on a stream that has nothing to say")
	addTime(set, &f.grace, "grace", 5*time.Second, "time that running requests get when the server ends")
	return c
}

func (f *serveFlags) run(c *cobra.Command, args []string) error {
	f.warn = c.ErrOrStderr()
	o := serve.Options{LLM: f.options(), Slots: f.slots, Queue: f.queue, Origins: f.origins, Hosts: f.hosts, Sessions: f.sessions, SessionBytes: f.sessionBytes}
	o.LLM.Draft = f.draft
	for _, arg := range args {
		path, err := findModel(c, arg)
		if err != nil {
			return err
		}
		o.Models = append(o.Models, path)
	}
	o.Limits.Conns, o.Limits.Tokens, o.Limits.Body = f.conns, f.tokens, f.body
	o.Limits.Ping = f.ping
	o.Memory, o.Weights = memorySizes(f.memory, f.weights)
	var err error
	if o.Keys, err = f.keys(); err != nil {
		return err
	}
	if f.logFile != "" {
		out := c.ErrOrStderr()
		if f.logFile != "-" {
			file, err := os.OpenFile(f.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer file.Close()
			out = file
		}
		o.Log = log.New(out, "", log.LstdFlags)
	}
	s, err := serve.New(o)
	if err != nil {
		return err
	}
	l, at, err := listen(f.listen)
	if err != nil {
		return err
	}
	if len(o.Keys) == 0 && !local(l.Addr()) {
		show.Fprintf(c.ErrOrStderr(), "mil: warning: anybody who reaches %s can ask; --api-key-file FILE keeps them out\n", at)
	}
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	show.Fprintf(c.OutOrStdout(), "listening on %s\n", at)
	return s.Run(ctx, l, f.grace)
}

// memorySizes are the memory of conversations, half of what is free, and that of
// weights, which is the rest, unless flags, which are not 0, say otherwise.
func memorySizes(memoryFlag, weightsFlag int64) (conversations, weights int64) {
	free, ok := memory.Free()
	if !ok {
		free = 8 << 30
	}
	conversations = cmp.Or(memoryFlag, free/2)
	return conversations, cmp.Or(weightsFlag, max(free-conversations, 1))
}

// maxKeys is the bytes of a file of keys.
const maxKeys = 1 << 20

// keys are those of --api-key and --api-key-file.
func (f *serveFlags) keys() (list []string, err error) {
	if f.key != "" {
		list = append(list, f.key)
	}
	if f.keyFile == "" {
		return list, nil
	}
	data, err := bounded.File(f.keyFile, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("the file of keys: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no key", f.keyFile)
	}
	return list, nil
}

// listen opens an address. at is where people find it.
func listen(address string) (l net.Listener, at string, err error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if err := unused(path); err != nil {
			return nil, "", err
		}
		if l, err = net.Listen("unix", path); err != nil {
			return nil, "", err
		}
		if err = os.Chmod(path, 0o600); err != nil {
			return nil, "", errors.Join(err, l.Close())
		}
		return l, address, nil
	}
	if l, err = net.Listen("tcp", address); err != nil {
		return nil, "", err
	}
	return l, "http://" + l.Addr().String(), nil
}

// unused removes a socket that a killed server left. One that answers stays, and so
// does whatever is no socket.
func unused(path string) error {
	at, err := os.Lstat(path)
	if err != nil {
		return nil // there is none, or listening says more
	}
	if at.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there and is no socket; give --listen another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("another program listens on %s; end it, or give --listen another path", path)
	}
	return os.Remove(path)
}

// local says whether only this machine reaches an address.
func local(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return !ok || t.IP.IsLoopback()
}
