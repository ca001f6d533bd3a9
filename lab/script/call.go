package script

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab/message"
)

// function is a function that scripts can call.
type function struct {
	name       string
	positional []string // may also be given by name
	required   []string
	optional   []string
	replaced   map[string]string // what to write in place of an argument of earlier labs, by its name
	// make reads the arguments, reports their mistakes, and returns the result.
	// The result is dropped if there was a mistake.
	make func(*call) starlark.Value
}

func (f function) params() []string {
	all := slices.Clone(f.positional)
	for _, name := range slices.Concat(f.required, f.optional) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// call is one call of a function, with its place in the file.
type call struct {
	script   *script
	function function
	expr     *syntax.CallExpr // nil if the place is not known
	at       syntax.Position
	args     map[string]argument
	unknown  []string // names of arguments that the function does not take
	thread   *starlark.Thread
	err      error // of a script's function that this call has called
}

// argument is one argument of a call, or one element of a list.
type argument struct {
	value starlark.Value
	at    syntax.Position // of the value
	expr  syntax.Expr     // nil if it was given by *args or **kwargs
}

func (s *script) define(f function) { s.names[f.name] = s.builtin(f) }

func (s *script) builtin(f function) *starlark.Builtin {
	return starlark.NewBuiltin(f.name, func(
		thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple,
	) (starlark.Value, error) {
		before := s.faultCount
		c := s.newCall(thread, f)
		c.bind(args, kwargs)
		value := f.make(c)
		if c.err != nil {
			return nil, c.err
		}
		if s.faultCount > before {
			return invalidValue{}, nil
		}
		return value, nil
	})
}

func (s *script) newCall(thread *starlark.Thread, f function) *call {
	c := &call{
		script: s, function: f, at: syntax.MakePosition(&s.displayName, 1, 1),
		args: map[string]argument{}, thread: thread,
	}
	// The innermost frame is the function itself. Its caller may also be a
	// built-in function, as in sorted(key = get), which has no place in the file.
	for depth := 1; depth < thread.CallStackDepth(); depth++ {
		pos := thread.CallFrame(depth).Pos
		if pos.Filename() != s.displayName {
			continue
		}
		c.at = pos
		if expr := s.calls[placeOf(pos)]; expr != nil {
			c.at = syntax.Start(expr)
			if depth == 1 {
				c.expr = expr
			}
		}
		break
	}
	return c
}

func (c *call) fault(at syntax.Position, format string, args ...any) {
	c.script.fault(at, c.function.name, format, args...)
}

// bind stores the arguments under their names, and reports those that are
// unknown, repeated or missing.
func (c *call) bind(args starlark.Tuple, kwargs []starlark.Tuple) {
	params := c.function.params()
	for i, value := range args {
		if i >= len(c.function.positional) {
			c.fault(c.positionalAt(i).at, "%s; give arguments by name: %s", c.tooManyUnnamed(),
				strings.Join(params, ", "))
			break
		}
		arg := c.positionalAt(i)
		arg.value = value
		c.args[c.function.positional[i]] = arg
	}
	for _, pair := range kwargs {
		name := string(pair[0].(starlark.String))
		keyword, arg := c.namedAt(name)
		arg.value = pair[1]
		if !slices.Contains(params, name) {
			c.unknown = append(c.unknown, name)
			advice := message.Suggest(name, params)
			if instead, known := c.function.replaced[name]; known {
				advice = "write " + instead
			}
			c.fault(keyword, "unknown argument %q; %s", name, advice)
			continue
		}
		if _, twice := c.args[name]; twice {
			c.fault(keyword, "argument %q is given twice", name)
			continue
		}
		c.args[name] = arg
	}
	c.requireAll()
}

// tooManyUnnamed describes, for a message, how many unnamed arguments are too many.
func (c *call) tooManyUnnamed() string {
	switch n := len(c.function.positional); n {
	case 0:
		return "an argument without a name"
	case 1:
		return "more than 1 argument without a name"
	default:
		return fmt.Sprintf("more than %d arguments without a name", n)
	}
}

// requireAll reports missing required arguments.
func (c *call) requireAll() {
	for _, name := range c.function.required {
		c.require(name)
	}
}

// require reports an argument that is missing. One that is given under a misspelt name is reported
// as unknown.
func (c *call) require(name string) {
	if !c.has(name) && !c.misspelt(name) {
		c.fault(c.at, "missing argument %q", name)
	}
}

// misspelt reports whether an unknown argument was probably meant to be name.
func (c *call) misspelt(name string) bool {
	params := c.function.params()
	return slices.ContainsFunc(c.unknown,
		func(given string) bool { return message.Nearest(given, params) == name })
}

// keywordName returns the name of an argument given by name, or nil for others.
func keywordName(arg syntax.Expr) *syntax.Ident {
	if pair, ok := arg.(*syntax.BinaryExpr); ok && pair.Op == syntax.EQ {
		name, _ := pair.X.(*syntax.Ident)
		return name
	}
	return nil
}

// positionalAt returns the place of the i-th argument, which is given without a
// name; its value is not set.
func (c *call) positionalAt(i int) argument {
	if c.expr != nil && i < len(c.expr.Args) {
		expr := c.expr.Args[i]
		if _, starred := expr.(*syntax.UnaryExpr); !starred && keywordName(expr) == nil {
			return argument{at: syntax.Start(expr), expr: expr}
		}
	}
	return argument{at: c.at}
}

// namedAt returns the place of an argument's name and of its value, which is not set.
func (c *call) namedAt(name string) (keyword syntax.Position, arg argument) {
	if c.expr != nil {
		for _, expr := range c.expr.Args {
			if id := keywordName(expr); id != nil && id.Name == name {
				value := expr.(*syntax.BinaryExpr).Y
				return id.NamePos, argument{at: syntax.Start(value), expr: value}
			}
		}
	}
	return c.at, argument{at: c.at}
}

func (c *call) has(name string) bool {
	_, ok := c.args[name]
	return ok
}

// validArgument returns an argument, and whether it was given and no earlier
// mistake made it invalid.
func (c *call) validArgument(name string) (argument, bool) {
	arg, ok := c.args[name]
	if !ok {
		return arg, false
	}
	_, invalid := arg.value.(invalidValue)
	return arg, !invalid
}
