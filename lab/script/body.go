package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

const (
	maxBody     = 16 << 20 // bytes
	maxDepth    = 100      // of nested lists and dicts
	maxValues   = 200_000
	maxExactInt = 1<<53 - 1 // the largest whole number that every runtime holds exactly
)

// numbers are those that a JSON value may have.
type numbers int

const (
	wholeNumbers numbers = iota // of a body that is sent
	anyNumbers                  // of an expected answer: they are compared by value
)

// jsonBody writes a value as compact JSON. Keys keep the order of the script, so
// that the same script gives the same bytes. It accepts the values that every
// runtime reads and writes alike: strings, whole numbers up to maxExactInt,
// booleans, null, lists, and dicts with string keys.
type jsonBody struct {
	bytes.Buffer
	numbers numbers
	values  int
	path    []starlark.Value // keys and indices that lead to the current value, for messages
}

// readJSON reads the argument json as JSON.
func readJSON(c *call, allowed numbers) []byte {
	arg, ok := c.validArgument("json")
	if !ok {
		return nil
	}
	body, err := encodeJSON(arg.value, allowed)
	if err != nil {
		c.fault(arg.at, "%v", err)
	}
	return body
}

// encodeJSON returns v as JSON. The error says which value cannot be encoded.
func encodeJSON(v starlark.Value, allowed numbers) ([]byte, error) {
	b := jsonBody{numbers: allowed}
	if err := b.writeValue(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// location returns the place of the current value, for example json["items"][2].
func (b *jsonBody) location() string {
	var place strings.Builder
	place.WriteString("json")
	for _, step := range b.path {
		fmt.Fprintf(&place, "[%s]", step)
	}
	return place.String()
}

// writeElement writes the element of the current value at step, a key or an index.
func (b *jsonBody) writeElement(step, v starlark.Value) error {
	b.path = append(b.path, step)
	if err := b.writeValue(v); err != nil {
		return err
	}
	b.path = b.path[:len(b.path)-1]
	return nil
}

func (b *jsonBody) writeValue(v starlark.Value) error {
	if len(b.path) > maxDepth {
		return fmt.Errorf("json is nested deeper than %d", maxDepth)
	}
	b.values++
	if b.values > maxValues || b.Len() > maxBody {
		return fmt.Errorf("json is longer than %d MiB or has more than %d values", maxBody>>20, maxValues)
	}
	switch v := v.(type) {
	case starlark.NoneType, invalidValue: // a body with an invalid value is never sent
		b.WriteString("null")
	case starlark.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int:
		return b.writeInteger(v)
	case starlark.String:
		return b.writeString(string(v))
	case *starlark.Dict:
		return b.writeDict(v)
	case *starlark.List:
		return b.writeList(v)
	case starlark.Tuple:
		return b.writeList(v)
	case starlark.Float:
		if b.numbers == wholeNumbers {
			return b.wrongType(v)
		}
		return b.writeFloat(float64(v))
	default:
		return b.wrongType(v)
	}
	return nil
}

func (b *jsonBody) wrongType(v starlark.Value) error {
	if b.numbers == anyNumbers {
		return fmt.Errorf("%s is %s; answers have strings, numbers, True, False, None, lists and dicts",
			b.location(), describeType(v))
	}
	return fmt.Errorf("%s is %s; bodies have strings, whole numbers, True, False, None, lists and dicts",
		b.location(), describeType(v))
}

func (b *jsonBody) writeFloat(x float64) error {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Errorf("%s is %v, which JSON does not have", b.location(), x)
	}
	b.WriteString(strconv.FormatFloat(x, 'g', -1, 64))
	return nil
}

func (b *jsonBody) writeInteger(v starlark.Int) error {
	n, fits := v.Int64()
	if !fits || n > maxExactInt || n < -maxExactInt {
		return fmt.Errorf("%s is %s; whole numbers go to 2^53-1, which every runtime holds exactly",
			b.location(), v)
	}
	b.WriteString(strconv.FormatInt(n, 10))
	return nil
}

func (b *jsonBody) writeString(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", b.location())
	}
	encoder := json.NewEncoder(&b.Buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write %s: %w", b.location(), err)
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a line break
	return nil
}

func (b *jsonBody) writeDict(v *starlark.Dict) error {
	b.WriteByte('{')
	for i, item := range v.Items() {
		if i > 0 {
			b.WriteByte(',')
		}
		key, ok := item[0].(starlark.String)
		if !ok {
			return fmt.Errorf("%s has the key %s; keys are strings", b.location(), item[0])
		}
		if !utf8.ValidString(string(key)) {
			return fmt.Errorf("%s has the key %s, which is not valid UTF-8", b.location(), key)
		}
		if err := b.writeString(string(key)); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := b.writeElement(key, item[1]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func (b *jsonBody) writeList(v starlark.Indexable) error {
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := b.writeElement(starlark.MakeInt(i), v.Index(i)); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}
