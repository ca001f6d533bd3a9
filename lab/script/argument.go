package script

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab/message"
)

// maxElements limits the elements of a list that is read in one step: range()
// makes lists of any length.
const maxElements = 10_000

func (c *call) wrongType(arg argument, name, want string) {
	c.fault(arg.at, "%s is %s, want %s", name, describeType(arg.value), want)
}

// describeType returns the type of a value in words, for messages.
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

// stringLine reads an argument that is one line of text and not empty.
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

// lineMatching reads an argument that is one line of text and matches a pattern.
func (c *call) lineMatching(name string, pattern *regexp.Regexp) string {
	before := c.script.faultCount
	text := c.stringLine(name)
	if arg, ok := c.validArgument(name); ok && c.script.faultCount == before && !pattern.MatchString(text) {
		c.fault(arg.at, "%s %q is not of the form %s", name, text, pattern)
	}
	return text
}

// bytes reads an argument that is a string or bytes.
func (c *call) bytes(name string) []byte {
	arg, ok := c.validArgument(name)
	if !ok {
		return nil
	}
	switch v := arg.value.(type) {
	case starlark.String:
		return []byte(v)
	case starlark.Bytes:
		return []byte(v)
	}
	c.wrongType(arg, name, "a string or bytes")
	return nil
}

// oneOf reads an argument that is one of the valid strings. If these are not
// complete, it accepts any line of text.
func (c *call) oneOf(name string, valid []string, complete bool) string {
	before := c.script.faultCount
	text := c.stringLine(name)
	arg, ok := c.validArgument(name)
	if ok && complete && c.script.faultCount == before && !slices.Contains(valid, text) {
		slices.Sort(valid)
		c.fault(arg.at, "unknown %s %q; %s", name, text, message.Suggest(text, slices.Compact(valid)))
	}
	return text
}

// integer reads an argument that is a whole number from low to high, and
// returns fallback if it is missing or invalid.
func (c *call) integer(name string, fallback, low, high int) int {
	arg, ok := c.validArgument(name)
	if !ok {
		return fallback
	}
	number, ok := arg.value.(starlark.Int)
	if !ok {
		c.wrongType(arg, name, "a whole number")
		return fallback
	}
	n, fits := number.Int64()
	if !fits || n < int64(low) || n > int64(high) {
		c.fault(arg.at, "%s is %s, want %d to %d", name, number, low, high)
		return fallback
	}
	return int(n)
}

// number reads an argument that is a number above 0 and at most high, and
// returns fallback if it is missing or invalid.
func (c *call) number(name string, fallback float64, high int) float64 {
	arg, ok := c.validArgument(name)
	if !ok {
		return fallback
	}
	n, ok := starlark.AsFloat(arg.value)
	if !ok {
		c.wrongType(arg, name, "a number")
		return fallback
	}
	if math.IsNaN(n) || n <= 0 || n > float64(high) {
		c.fault(arg.at, "%s is %s, want more than 0 and at most %d", name, arg.value, high)
		return fallback
	}
	return n
}

// boolean reads an argument that is True or False, and returns fallback if it
// is missing or invalid.
func (c *call) boolean(name string, fallback bool) bool {
	arg, ok := c.validArgument(name)
	if !ok {
		return fallback
	}
	truth, ok := arg.value.(starlark.Bool)
	if !ok {
		c.wrongType(arg, name, "True or False")
		return fallback
	}
	return bool(truth)
}

// list reads an argument that is a list, and returns its elements without those
// that an earlier mistake made invalid. Each has its own place if the script
// writes the list out. content says for messages what the list holds.
func (c *call) list(name, content string) []argument {
	arg, ok := c.validArgument(name)
	if !ok {
		return nil
	}
	sequence, ok := arg.value.(starlark.Sequence)
	if _, dict := arg.value.(*starlark.Dict); !ok || dict {
		c.wrongType(arg, name, "a list of "+content)
		return nil
	}
	if sequence.Len() == 0 {
		c.fault(arg.at, "%s is empty, want a list of %s", name, content)
		return nil
	}
	if sequence.Len() > maxElements {
		c.fault(arg.at, "%s has %d elements, at most %d are allowed", name, sequence.Len(), maxElements)
		return nil
	}
	written := writtenElements(arg.expr)
	var elements []argument
	i := 0
	for value := range starlark.Elements(sequence) {
		element := argument{value: value, at: arg.at}
		if len(written) == sequence.Len() {
			element.at, element.expr = syntax.Start(written[i]), written[i]
		}
		i++
		if _, invalid := value.(invalidValue); !invalid {
			elements = append(elements, element)
		}
	}
	return elements
}

// writtenElements returns the elements of a list or a tuple that is written out.
func writtenElements(expr syntax.Expr) []syntax.Expr {
	switch expr := expr.(type) {
	case *syntax.ListExpr:
		return expr.List
	case *syntax.ParenExpr:
		if tuple, ok := expr.X.(*syntax.TupleExpr); ok {
			return tuple.List
		}
	}
	return nil
}

// stringList reads an argument that is a list of strings, none of them empty.
func (c *call) stringList(name, content string) []string {
	return c.checkedStrings(name, content, func(string, []string) string { return "" })
}

// distinctStrings reads an argument that is a list of strings, each at most once. problem returns
// why one of them is not valid, or "".
func (c *call) distinctStrings(name, content string, problem func(text string) string) []string {
	return c.checkedStrings(name, content, func(text string, before []string) string {
		if slices.Contains(before, text) {
			return "which it has twice"
		}
		return problem(text)
	})
}

// checkedStrings reads an argument that is a list of strings, none of them empty. problem returns
// why one of them is not valid after those before it, or "".
func (c *call) checkedStrings(
	name, content string, problem func(text string, before []string) string,
) (all []string) {
	for _, element := range c.list(name, content) {
		text, ok := element.value.(starlark.String)
		switch {
		case !ok:
			c.fault(element.at, "%s holds %s, want a list of %s", name, describeType(element.value), content)
			continue
		case text == "":
			c.fault(element.at, "%s holds an empty string", name)
			continue
		}
		if reason := problem(string(text), all); reason != "" {
			c.fault(element.at, "%s holds %q, %s", name, string(text), reason)
		}
		all = append(all, string(text))
	}
	return all
}

// integerList reads an argument that is a list of whole numbers from low to
// high, each at most once and at most maxRungs in all.
func (c *call) integerList(name string, low, high int) (all []int) {
	for _, element := range c.boundedList(name, "whole numbers") {
		number, ok := element.value.(starlark.Int)
		if !ok {
			c.fault(element.at, "%s holds %s, want whole numbers", name, describeType(element.value))
			continue
		}
		n, fits := number.Int64()
		switch {
		case !fits || n < int64(low) || n > int64(high):
			c.fault(element.at, "%s holds %s, want %d to %d", name, number, low, high)
		case slices.Contains(all, int(n)):
			c.fault(element.at, "%s holds %d twice", name, n)
		}
		all = append(all, int(n))
	}
	return all
}

// numberList reads an argument that is a list of numbers above 0 and at most
// high, each at most once and at most maxRungs in all.
func (c *call) numberList(name string, high int) (all []float64) {
	for _, element := range c.boundedList(name, "numbers") {
		n, ok := starlark.AsFloat(element.value)
		switch {
		case !ok:
			c.fault(element.at, "%s holds %s, want numbers", name, describeType(element.value))
		case !(n > 0 && n <= float64(high)):
			c.fault(element.at, "%s holds %s, want more than 0 and at most %d", name, element.value, high)
		case slices.Contains(all, n):
			c.fault(element.at, "%s holds %s twice", name, element.value)
		}
		all = append(all, n)
	}
	return all
}

func (c *call) boundedList(name, content string) []argument {
	all := c.list(name, content)
	if len(all) > maxRungs {
		c.fault(c.args[name].at, "%s has %d elements, at most %d are allowed; each is measured on its own",
			name, len(all), maxRungs)
		return nil
	}
	return all
}

// stringDict reads an argument that is a dict from strings to strings, and
// returns nil if it is missing or invalid.
func (c *call) stringDict(name string) map[string]string {
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
			if _, invalid := item[1].(invalidValue); !invalid {
				c.fault(arg.at, "%s has %s: %s, want strings", name, item[0], item[1])
			}
			continue
		}
		all[string(key)] = string(value)
	}
	return all
}
