package jinja

// node is a statement; expr is an expression. Both are plain data, shared by
// concurrent renders and never changed after parsing.
type (
	node interface{}
	expr interface{}
)

// Statements.
type (
	textNode  struct{ text string }
	printNode struct {
		line int
		x    expr
	}
	branch struct {
		cond expr // nil: else
		body []node
	}
	ifNode struct {
		line     int
		branches []branch
	}
	forNode struct {
		line   int
		target expr
		iter   expr
		cond   expr // nil: none
		body   []node
		orElse []node
		again  bool // recursive: its loop may be called
	}
	setNode struct {
		line   int
		target expr
		value  expr // nil: body is captured, and passed through filters
		body   []node
		filter expr // a filterExpr chain over captured, or nil
	}
	macroNode struct {
		line int
		name string
		sig  signature
		body []node
	}
	callNode struct { // {% call(args) f(...) %}
		line int
		sig  signature
		call *callExpr
		body []node
	}
	filterNode struct {
		line   int
		filter expr
		body   []node
	}
	withNode struct {
		line    int
		targets []expr
		values  []expr
		body    []node
	}
	breakNode    struct{}
	continueNode struct{}
)

// signature is a macro's parameters; the last len(defaults) have defaults.
type signature struct {
	params   []string
	defaults []expr
	varargs  bool // the body mentions varargs or kwargs: extra arguments are
	kwargs   bool // an error otherwise
	caller   bool
}

// Expressions.
type (
	constExpr    struct{ v any }
	nameExpr     struct{ name string }
	capturedExpr struct{} // the text a set or filter block captured
	listExpr     struct {
		items []expr
		kind  kind
	}
	dictExpr struct{ keys, values []expr }
	attrExpr struct {
		x    expr
		name string
	}
	indexExpr struct{ x, i expr }
	sliceExpr struct{ x, lo, hi, step expr } // nil: left out
	unaryExpr struct {
		op string // "-", "+", "not"
		x  expr
	}
	binaryExpr struct {
		op   string
		a, b expr
	}
	logicExpr struct {
		and  bool
		a, b expr
	}
	concatExpr  struct{ items []expr }
	compareExpr struct {
		x    expr
		ops  []string
		args []expr
	}
	condExpr   struct{ then, cond, orElse expr } // orElse may be nil
	filterExpr struct {
		x    expr
		name string
		args callArgs
	}
	testExpr struct {
		x    expr
		name string
		args callArgs
		not  bool
	}
	callExpr struct {
		f    expr
		args callArgs
	}
)

// callArgs are arguments as written.
type callArgs struct {
	pos        []expr
	names      []string
	named      []expr
	list, dict expr // *args and **kwargs, or nil
}
