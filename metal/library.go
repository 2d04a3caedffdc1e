package metal

import "fmt"

// modules gives the text that holds a kernel, self-contained, and its name.
type modules func(kernel string) (name, source string, ok bool)

// function implements [machine]: a module is compiled when the first of its
// kernels is wanted, a kernel when it is. Metal keeps the compiled form of kernels
// for the next process by itself.
func (g *hardware) function(name string) (function, error) {
	if f, ok := g.functions[name]; ok {
		return f, nil
	}
	err := g.pooled(func() error {
		library, err := g.library(name)
		if err != nil {
			return err
		}
		p, err := g.pipeline(library, name)
		if err == nil {
			g.functions[name] = function(len(g.pipelines))
			g.pipelines = append(g.pipelines, p)
		}
		return err
	})
	return g.functions[name], err
}

// library compiles the module of a kernel, where that is still to be done.
// Arithmetic stays as it is written: a token's bits must not depend on what the
// compiler makes of its neighbours.
func (g *hardware) library(kernel string) (id, error) {
	name, source, ok := g.modules(kernel)
	if !ok {
		return 0, fmt.Errorf("no kernel %s", kernel)
	}
	if l, ok := g.libraries[name]; ok {
		return l, nil
	}
	options := g.ask(g.class("MTLCompileOptions"), g.names.new)
	defer g.release(options)
	g.tell(options, g.names.setFastMathEnabled, aBool(false))
	g.tell(options, g.names.setLanguageVersion, aWord(languageVersion))
	text := g.string(source)
	defer g.release(text)
	failed := new(id)
	l := g.ask(g.device, g.names.newLibraryWithSource, anObject(text), anObject(options), anOut(failed))
	if l == 0 {
		return 0, g.failure("compile the kernels "+name, *failed)
	}
	g.libraries[name] = l
	return l, nil
}

// pipeline makes a kernel of a library ready to run.
func (g *hardware) pipeline(library id, name string) (p pipeline, err error) {
	text := g.string(name)
	defer g.release(text)
	kernel := g.ask(library, g.names.newFunctionWithName, anObject(text))
	if kernel == 0 {
		return p, fmt.Errorf("no kernel %s", name)
	}
	defer g.release(kernel)
	failed := new(id)
	if p.state = g.ask(g.device, g.names.newComputePipelineState, anObject(kernel), anOut(failed)); p.state == 0 {
		return p, g.failure("make the kernel "+name+" ready", *failed)
	}
	p.threads = int(g.tell(p.state, g.names.maxTotalThreads))
	if n := g.tell(p.state, g.names.threadExecutionWidth); n != simdWidth {
		g.release(p.state)
		return p, fmt.Errorf("kernel %s runs in simdgroups of %d threads, %d are needed", name, n, simdWidth)
	}
	return p, nil
}
