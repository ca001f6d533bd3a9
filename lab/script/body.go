package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

const (
	maxBody     = 16 << 20 // bytes
	maxDepth    = 100      // of lists and dicts in one another
	maxValues   = 200_000
	maxExactInt = 1<<53 - 1
)

// jsonBody writes a value as compact JSON, keys in the order of the script:
// the same script gives the same bytes. It takes what the contract has, which
// every runtime reads and writes alike: strings, whole numbers up to 2^53-1,
// booleans, null, lists, and dicts by strings.
type jsonBody struct {
	bytes.Buffer
	values int
	path   []starlark.Value // keys and indices from the argument to the value at hand, for messages
}

func encodeJSON(v starlark.Value) ([]byte, error) {
	var b jsonBody
	if err := b.value(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// where is the place of the value at hand: json["items"][2].
func (b *jsonBody) where() string {
	var place strings.Builder
	place.WriteString("json")
	for _, step := range b.path {
		fmt.Fprintf(&place, "[%s]", step)
	}
	return place.String()
}

// element writes an element, which step leads to.
func (b *jsonBody) element(step, v starlark.Value) error {
	b.path = append(b.path, step)
	if err := b.value(v); err != nil {
		return err
	}
	b.path = b.path[:len(b.path)-1]
	return nil
}

func (b *jsonBody) value(v starlark.Value) error {
	if len(b.path) > maxDepth {
		return fmt.Errorf("json is nested deeper than %d", maxDepth)
	}
	b.values++
	if b.values > maxValues || b.Len() > maxBody {
		return fmt.Errorf("json is longer than %d MiB or has more than %d values", maxBody>>20, maxValues)
	}
	switch v := v.(type) {
	case starlark.NoneType, invalidValue: // the body that an unusable value spoils is never sent
		b.WriteString("null")
	case starlark.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int:
		return b.whole(v)
	case starlark.String:
		return b.text(string(v))
	case *starlark.Dict:
		return b.dict(v)
	case *starlark.List:
		return b.list(v)
	case starlark.Tuple:
		return b.list(v)
	default:
		return fmt.Errorf("%s is %s; bodies have strings, whole numbers, True, False, None, lists and dicts",
			b.where(), describeType(v))
	}
	return nil
}

func (b *jsonBody) whole(v starlark.Int) error {
	n, fits := v.Int64()
	if !fits || n > maxExactInt || n < -maxExactInt {
		return fmt.Errorf("%s is %s; whole numbers go to 2^53-1, which every runtime holds exactly", b.where(), v)
	}
	b.WriteString(strconv.FormatInt(n, 10))
	return nil
}

func (b *jsonBody) text(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", b.where())
	}
	encoder := json.NewEncoder(&b.Buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write %s: %w", b.where(), err)
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a line break
	return nil
}

func (b *jsonBody) dict(v *starlark.Dict) error {
	b.WriteByte('{')
	for i, item := range v.Items() {
		if i > 0 {
			b.WriteByte(',')
		}
		key, ok := item[0].(starlark.String)
		if !ok {
			return fmt.Errorf("%s has the key %s; keys are strings", b.where(), item[0])
		}
		if !utf8.ValidString(string(key)) {
			return fmt.Errorf("%s has the key %s, which is not valid UTF-8", b.where(), key)
		}
		if err := b.text(string(key)); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := b.element(key, item[1]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func (b *jsonBody) list(v starlark.Indexable) error {
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := b.element(starlark.MakeInt(i), v.Index(i)); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}
