package script

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
)

// function is a name of the vocabulary: what it takes and what it makes.
type function struct {
	name       string
	positional []string // may also be given by name
	required   []string
	optional   []string
	// make reads the arguments, noting what is wrong with them; its value is
	// dropped when anything was.
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
	expr     *syntax.CallExpr // nil when the place is not known
	at       syntax.Position
	args     map[string]argument
	unknown  []string // names of arguments that the function does not take
	thread   *starlark.Thread
	err      error // of what it called in turn
}

type argument struct {
	value starlark.Value
	at    syntax.Position // of the value
	expr  syntax.Expr     // nil when it came by *args or **kwargs
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
	// The innermost frame is the function itself. Whoever called it may be a
	// built-in function too: sorted(key = get).
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

func (c *call) bind(args starlark.Tuple, kwargs []starlark.Tuple) {
	for i, value := range args {
		if i >= len(c.function.positional) {
			c.fault(c.positionalAt(i).at, "%s; arguments go by name: %s", c.tooMany(),
				strings.Join(c.function.params(), ", "))
			break
		}
		arg := c.positionalAt(i)
		arg.value = value
		c.args[c.function.positional[i]] = arg
	}
	params := c.function.params()
	for _, pair := range kwargs {
		name := string(pair[0].(starlark.String))
		keyword, arg := c.namedAt(name)
		arg.value = pair[1]
		if !slices.Contains(params, name) {
			c.unknown = append(c.unknown, name)
			c.fault(keyword, "unknown argument %q; %s", name, lab.Suggest(name, params))
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

func (c *call) tooMany() string {
	if n := len(c.function.positional); n > 0 {
		if n > 1 {
			return fmt.Sprintf("more than %d arguments without a name", n)
		}
		return "more than 1 argument without a name"
	}
	return "an argument without a name"
}

// requireAll asks for what is missing, unless it is there under a wrong name,
// which has been told.
func (c *call) requireAll() {
	for _, name := range c.function.required {
		if !c.has(name) && !c.misspelt(name) {
			c.fault(c.at, "missing argument %q", name)
		}
	}
}

// misspelt is whether an argument that nobody takes was most likely meant to
// be this one.
func (c *call) misspelt(name string) bool {
	params := c.function.params()
	return slices.ContainsFunc(c.unknown, func(given string) bool { return lab.Nearest(given, params) == name })
}

// keywordOf is the name of an argument given by name, nil for others.
func keywordOf(arg syntax.Expr) *syntax.Ident {
	if pair, ok := arg.(*syntax.BinaryExpr); ok && pair.Op == syntax.EQ {
		name, _ := pair.X.(*syntax.Ident)
		return name
	}
	return nil
}

func (c *call) positionalAt(i int) argument {
	if c.expr != nil && i < len(c.expr.Args) {
		if _, starred := c.expr.Args[i].(*syntax.UnaryExpr); !starred && keywordOf(c.expr.Args[i]) == nil {
			return argument{at: syntax.Start(c.expr.Args[i]), expr: c.expr.Args[i]}
		}
	}
	return argument{at: c.at}
}

func (c *call) namedAt(name string) (keyword syntax.Position, arg argument) {
	if c.expr != nil {
		for _, expr := range c.expr.Args {
			if id := keywordOf(expr); id != nil && id.Name == name {
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

// validArgument is an argument that is there and was not spoilt by an earlier fault.
func (c *call) validArgument(name string) (argument, bool) {
	arg, ok := c.args[name]
	if !ok {
		return arg, false
	}
	_, spoilt := arg.value.(invalidValue)
	return arg, !spoilt
}

func (c *call) wrongType(arg argument, name, want string) {
	c.fault(arg.at, "%s is %s, want %s", name, describeType(arg.value), want)
}

// describeType is a value's type in words, for messages.
func describeType(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType:
		return "None"
	case starlark.Bool:
		return v.String()
	case starlark.Int:
		return "a whole number"
	case starlark.Float:
		return "a float"
	case starlark.Callable:
		return "a function"
	default:
		article := "a "
		if strings.ContainsRune("aeiou", rune(v.Type()[0])) {
			article = "an "
		}
		return article + v.Type()
	}
}

// stringLine is an argument of one line of text that is not empty.
func (c *call) stringLine(name string) string {
	arg, ok := c.validArgument(name)
	if !ok {
		return ""
	}
	text, ok := arg.value.(starlark.String)
	switch {
	case !ok:
		c.wrongType(arg, name, "a string")
	case strings.TrimSpace(string(text)) == "":
		c.fault(arg.at, "%s is empty", name)
	case strings.ContainsAny(string(text), "\n\r"):
		c.fault(arg.at, "%s has more than one line", name)
	}
	return string(text)
}

// lineMatching is an argument of one line that has a form.
func (c *call) lineMatching(name string, form *regexp.Regexp) string {
	before := c.script.faultCount
	text := c.stringLine(name)
	if arg, ok := c.validArgument(name); ok && c.script.faultCount == before && !form.MatchString(text) {
		c.fault(arg.at, "%s %q is not of the form %s", name, text, form)
	}
	return text
}

// integer is an argument that is a whole number between least and most, or its
// default.
func (c *call) integer(name string, otherwise, least, most int) int {
	arg, ok := c.validArgument(name)
	if !ok {
		return otherwise
	}
	number, ok := arg.value.(starlark.Int)
	if !ok {
		c.wrongType(arg, name, "a whole number")
		return otherwise
	}
	n, fits := number.Int64()
	if !fits || n < int64(least) || n > int64(most) {
		c.fault(arg.at, "%s is %s, want %d to %d", name, number, least, most)
		return otherwise
	}
	return int(n)
}

// number is an argument that is a number above 0 and at most most, or its
// default.
func (c *call) number(name string, otherwise float64, most int) float64 {
	arg, ok := c.validArgument(name)
	if !ok {
		return otherwise
	}
	n, ok := starlark.AsFloat(arg.value)
	if !ok {
		c.wrongType(arg, name, "a number")
		return otherwise
	}
	if math.IsNaN(n) || n <= 0 || n > float64(most) {
		c.fault(arg.at, "%s is %s, want more than 0 and at most %d", name, arg.value, most)
		return otherwise
	}
	return n
}

// boolean is an argument that is True or False, or its default.
func (c *call) boolean(name string, otherwise bool) bool {
	arg, ok := c.validArgument(name)
	if !ok {
		return otherwise
	}
	truth, ok := arg.value.(starlark.Bool)
	if !ok {
		c.wrongType(arg, name, "True or False")
		return otherwise
	}
	return bool(truth)
}

// maxElements bounds what a script can make the host walk through in one step:
// a range is as long as one likes.
const maxElements = 10_000

// list is the elements of an argument that is a list, each with its own place
// where the file spells the list out. Elements spoilt by an earlier fault are
// left out.
func (c *call) list(name, of string) []argument {
	arg, ok := c.validArgument(name)
	if !ok {
		return nil
	}
	sequence, ok := arg.value.(starlark.Sequence)
	if _, dict := arg.value.(*starlark.Dict); !ok || dict {
		c.wrongType(arg, name, "a list of "+of)
		return nil
	}
	if sequence.Len() == 0 {
		c.fault(arg.at, "%s is empty, want a list of %s", name, of)
		return nil
	}
	if sequence.Len() > maxElements {
		c.fault(arg.at, "%s has %d elements, at most %d are allowed", name, sequence.Len(), maxElements)
		return nil
	}
	var spelt []syntax.Expr
	switch expr := arg.expr.(type) {
	case *syntax.ListExpr:
		spelt = expr.List
	case *syntax.ParenExpr:
		if tuple, ok := expr.X.(*syntax.TupleExpr); ok {
			spelt = tuple.List
		}
	}
	var elements []argument
	i := 0
	for value := range starlark.Elements(sequence) {
		element := argument{value: value, at: arg.at}
		if len(spelt) == sequence.Len() {
			element.at, element.expr = syntax.Start(spelt[i]), spelt[i]
		}
		i++
		if _, spoilt := value.(invalidValue); !spoilt {
			elements = append(elements, element)
		}
	}
	return elements
}

// lines is an argument that is a list of strings, none of them empty.
func (c *call) lines(name, of string) []string {
	var all []string
	for _, element := range c.list(name, of) {
		text, ok := element.value.(starlark.String)
		switch {
		case !ok:
			c.fault(element.at, "%s holds %s, want a list of %s", name, describeType(element.value), of)
		case text == "":
			c.fault(element.at, "%s holds an empty string", name)
		default:
			all = append(all, string(text))
		}
	}
	return all
}

// strings is an argument that is a dict of strings by strings; nil when it is
// not given.
func (c *call) strings(name string) map[string]string {
	arg, ok := c.validArgument(name)
	if !ok {
		return nil
	}
	dict, ok := arg.value.(*starlark.Dict)
	if !ok {
		c.wrongType(arg, name, "a dict of strings")
		return nil
	}
	all := map[string]string{}
	for _, item := range dict.Items() {
		key, isKey := item[0].(starlark.String)
		value, isValue := item[1].(starlark.String)
		if !isKey || !isValue {
			if _, spoilt := item[1].(invalidValue); !spoilt {
				c.fault(arg.at, "%s has %s: %s, want strings", name, item[0], item[1])
			}
			continue
		}
		all[string(key)] = string(value)
	}
	return all
}
