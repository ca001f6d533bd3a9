package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// IdentityRule describes the fields of the answer to GET Path.
type IdentityRule struct {
	Path   string      `json:"path"`
	About  string      `json:"about"`
	Fields []FieldRule `json:"fields"`
}

// FieldRule is one field of the identity and its rule.
type FieldRule struct {
	Field   string   `json:"field"` // "process.uid" is uid in the object process
	Type    string   `json:"type"`  // a key of valueTypes
	About   string   `json:"about"`
	Equals  any      `json:"equals,omitempty"`
	Not     any      `json:"not,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
}

// valueTypes maps the name of each type to a test of a decoded JSON value.
var valueTypes = map[string]func(any) bool{
	"string":  func(v any) bool { _, is := v.(string); return is },
	"number":  func(v any) bool { _, is := v.(float64); return is },
	"integer": func(v any) bool { n, is := v.(float64); return is && n == float64(int64(n)) },
	"boolean": func(v any) bool { _, is := v.(bool); return is },
	"boolean or null": func(v any) bool {
		_, is := v.(bool)
		return is || v == nil
	},
	"object": func(v any) bool { _, is := v.(map[string]any); return is },
	"array":  func(v any) bool { _, is := v.([]any); return is },
	"strings": func(v any) bool {
		m, is := v.(map[string]any)
		for _, value := range m {
			if _, text := value.(string); !text {
				return false
			}
		}
		return is
	},
}

// check returns what is wrong with the rules. w is the workload that they are part of.
func (r IdentityRule) check(w *Workload) error {
	if !slices.ContainsFunc(w.doc.Endpoints, func(e endpoint) bool { return e.Path == r.Path }) {
		return fmt.Errorf("no endpoint %q", r.Path)
	}
	seen := map[string]bool{}
	for _, f := range r.Fields {
		is, known := valueTypes[f.Type]
		switch {
		case f.Field == "" || seen[f.Field]:
			return fmt.Errorf("field %q appears twice or has no name", f.Field)
		case !known:
			return fmt.Errorf("field %s has the unknown type %q", f.Field, f.Type)
		case f.Equals != nil && !is(f.Equals), f.Not != nil && !is(f.Not):
			return fmt.Errorf("the rule of field %s needs a value of type %s", f.Field, f.Type)
		case f.AtLeast != nil && f.Type != "integer" && f.Type != "number":
			return fmt.Errorf("field %s has at_least, but is not a number", f.Field)
		}
		seen[f.Field] = true
	}
	return nil
}

// Requirement returns what a value must be, or "" if the value follows the rule.
func (f FieldRule) Requirement(value any) string {
	number, _ := value.(float64)
	switch {
	case !valueTypes[f.Type](value) && f.Type == "strings":
		return "an object of strings"
	case !valueTypes[f.Type](value):
		return "a value of type " + f.Type
	case f.Equals != nil && !reflect.DeepEqual(value, f.Equals):
		return FormatValue(f.Equals)
	case f.Not != nil && reflect.DeepEqual(value, f.Not):
		return "another value"
	case f.AtLeast != nil && number < *f.AtLeast:
		return "at least " + FormatValue(*f.AtLeast)
	}
	return ""
}

// shownValue is the number of bytes of a value that messages show.
const shownValue = 100

// FormatValue returns a value as JSON in one line, shortened to about 100 bytes, for messages.
func FormatValue(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	text := strings.TrimSuffix(out.String(), "\n")
	if len(text) > shownValue {
		return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:shownValue], ""), len(text))
	}
	return text
}
