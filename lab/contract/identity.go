package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"runtimelab/lab"
)

// Expected is what one server must say of itself besides what the contract
// asks of all. Zero values are not looked at.
type Expected struct {
	Runtime     string
	Model       string
	GIL         *bool
	CPUs        []int
	MemoryLimit int64 // bytes
	Nofile      int   // open files, soft and hard limit alike
}

type identityRule struct {
	Path   string  `json:"path"`
	About  string  `json:"about"`
	Fields []field `json:"fields"`
}

// field is one field of the identity and the rule that it must obey.
type field struct {
	Field   string   `json:"field"` // "process.uid" is uid in the object process
	Type    string   `json:"type"`  // one of types
	About   string   `json:"about"`
	Equals  any      `json:"equals,omitempty"`
	Not     any      `json:"not,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
}

// types are the kinds of value that a field may have, by their names.
var types = map[string]func(any) bool{
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

func (r identityRule) check() error {
	seen := map[string]bool{}
	for _, f := range r.Fields {
		is, known := types[f.Type]
		switch {
		case f.Field == "" || seen[f.Field]:
			return fmt.Errorf("identity: field %q is there twice or has no name", f.Field)
		case !known:
			return fmt.Errorf("identity: field %s has the unknown type %q", f.Field, f.Type)
		case f.Equals != nil && !is(f.Equals), f.Not != nil && !is(f.Not):
			return fmt.Errorf("identity: the rule of field %s compares with what is no %s", f.Field, f.Type)
		case f.AtLeast != nil && f.Type != "integer" && f.Type != "number":
			return fmt.Errorf("identity: at_least is for numbers, and field %s is none", f.Field)
		}
		seen[f.Field] = true
	}
	return nil
}

// IdentityRequest is what to ask a server for its identity.
func (c *Contract) IdentityRequest() lab.Request {
	return lab.Request{Method: http.MethodGet, Path: c.file.Identity.Path}
}

// Identity reads the answer to IdentityRequest and checks it: exactly the
// contract's fields, of the right types, with values that obey the contract's
// rules and are those expected.
func (c *Contract) Identity(got lab.Answer, want Expected) (lab.Identity, []Difference) {
	var id lab.Identity
	switch {
	case got.Error != "":
		return id, []Difference{{Vector: "identity", What: "no answer: " + got.Error}}
	case got.Status != http.StatusOK:
		return id, []Difference{unequal("status", http.StatusOK, got.Status)}
	}
	var said map[string]any
	if err := json.Unmarshal(got.Body, &said); err != nil {
		return id, []Difference{{Vector: "identity", What: "the answer is no JSON object: " + err.Error()}}
	}
	values := flatten("", said)
	found := c.file.Identity.judge(values)
	if err := json.Unmarshal(got.Body, &id); err != nil {
		return id, append(found, Difference{Vector: "identity", What: "reading the answer: " + err.Error()})
	}
	return id, append(found, want.judge(id)...)
}

// flatten lists the fields of an object by their paths. The object under
// build is a value, not structure: its names are the runtime's to choose.
func flatten(prefix string, object map[string]any) map[string]any {
	values := map[string]any{}
	for name, value := range object {
		values[prefix+name] = value
		if inner, is := value.(map[string]any); is && prefix+name == "process" {
			maps.Copy(values, flatten(prefix+name+".", inner))
		}
	}
	return values
}

func (r identityRule) judge(values map[string]any) []Difference {
	var found []Difference
	for _, f := range r.Fields {
		value, given := values[f.Field]
		delete(values, f.Field)
		if !given {
			found = append(found, Difference{Vector: "identity", What: f.Field + " is missing"})
			continue
		}
		if d, differs := f.judge(value); differs {
			found = append(found, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		found = append(found, Difference{Vector: "identity", What: name + " is not a field of the contract"})
	}
	return found
}

func (f field) judge(value any) (Difference, bool) {
	number, _ := value.(float64)
	switch {
	case !types[f.Type](value):
		return unequal(f.Field, "("+f.Type+")", value), true
	case f.Equals != nil && !reflect.DeepEqual(value, f.Equals):
		return unequal(f.Field, f.Equals, value), true
	case f.Not != nil && reflect.DeepEqual(value, f.Not):
		return unequal(f.Field, "(anything else)", value), true
	case f.AtLeast != nil && number < *f.AtLeast:
		return unequal(f.Field, fmt.Sprintf("at least %v", *f.AtLeast), value), true
	}
	return Difference{}, false
}

func (want Expected) judge(id lab.Identity) []Difference {
	var found []Difference
	if want.Runtime != "" && id.Runtime != want.Runtime {
		found = append(found, unequal("runtime", want.Runtime, id.Runtime))
	}
	if want.Model != "" && id.Model != want.Model {
		found = append(found, unequal("model", want.Model, id.Model))
	}
	if want.GIL != nil && (id.GIL == nil || *id.GIL != *want.GIL) {
		found = append(found, unequal("gil", *want.GIL, id.GIL))
	}
	if want.MemoryLimit != 0 && id.Process.MemoryLimitByte != want.MemoryLimit {
		found = append(found, unequal("process.memory_limit", want.MemoryLimit, id.Process.MemoryLimitByte))
	}
	if want.Nofile != 0 && id.Process.NofileSoft != want.Nofile {
		found = append(found, unequal("process.nofile_soft", want.Nofile, id.Process.NofileSoft))
	}
	if want.Nofile != 0 && id.Process.NofileHard != want.Nofile {
		found = append(found, unequal("process.nofile_hard", want.Nofile, id.Process.NofileHard))
	}
	if len(want.CPUs) > 0 && id.Process.CPUsAllowed != lab.CPUList(want.CPUs) {
		found = append(found, unequal("process.cpus_allowed", lab.CPUList(want.CPUs), id.Process.CPUsAllowed))
	}
	return found
}

func unequal(name string, want, got any) Difference {
	return Difference{
		Vector: "identity", What: name + " differs",
		AName: "contract", BName: "answer",
		A: shown(want), B: shown(got),
	}
}

// shown writes text as it is and everything else as JSON.
func shown(value any) string {
	if text, is := value.(string); is {
		return lab.Escape([]byte(text))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
