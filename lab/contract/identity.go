package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/workload"
)

// ExpectedIdentity is what one server must report, besides the contract's rules for
// all servers. Zero values are not checked.
type ExpectedIdentity struct {
	Runtime     string
	Model       string
	Identity    map[string]any // lab.Variant.Identity
	CPUs        []int
	MemoryLimit int64 // bytes
	Nofile      int   // limit of open files, soft and hard
}

// CheckIdentity parses the answer to the request for a server's identity and checks it: it must have
// exactly the fields of the rule, with values that follow the rule and match want. It returns a line
// of text for each difference.
func CheckIdentity(
	rule workload.IdentityRule, got lab.Answer, want ExpectedIdentity,
) (lab.Identity, []string) {
	var id lab.Identity
	switch {
	case got.Error != "":
		return id, []string{"it gave no answer: " + got.Error}
	case got.Status != http.StatusOK:
		return id, []string{fmt.Sprintf("it answered with status %d, the lab requires 200", got.Status)}
	}
	var object map[string]any
	if err := json.Unmarshal(got.Body, &object); err != nil {
		return id, []string{"its answer is not a JSON object: " + err.Error()}
	}
	values := flatten("", object)
	found := checkFields(rule.Fields, values)
	if err := json.Unmarshal(got.Body, &id); err != nil {
		return id, append(found, "its answer cannot be read: "+err.Error())
	}
	return id, append(found, want.checkIdentity(id, object)...)
}

// flatten returns the fields of an object by their paths. Only process is
// flattened: in build, the runtime chooses the names.
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

func checkFields(fields []workload.FieldRule, values map[string]any) (found []string) {
	for _, f := range fields {
		value, given := values[f.Field]
		delete(values, f.Field)
		if !given {
			found = append(found, "it does not say "+f.Field)
			continue
		}
		if required := f.Requirement(value); required != "" {
			found = append(found, formatReported(f.Field, value)+", the lab requires "+required)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		found = append(found, formatReported(name, values[name])+", which is not a field of the contract")
	}
	return found
}

// checkIdentity returns how an identity differs from want. object is the same identity as decoded
// JSON.
func (want ExpectedIdentity) checkIdentity(id lab.Identity, object map[string]any) (found []string) {
	report := func(field string, got any, reason string, expected any) {
		found = append(found, formatReported(field, got)+", "+reason+" "+workload.FormatValue(expected))
	}
	if want.Runtime != "" && id.Runtime != want.Runtime {
		report("runtime", id.Runtime, "the variant runs the application of", want.Runtime)
	}
	if want.Model != "" && id.Model != want.Model {
		report("model", id.Model, "the variant's model is", want.Model)
	}
	for _, path := range slices.Sorted(maps.Keys(want.Identity)) {
		required := want.Identity[path]
		if got := valueAt(object, path); got != required {
			report(path, got, "the variant's "+path+" is", required)
		}
	}
	if want.MemoryLimit != 0 && id.Process.MemoryLimitBytes != want.MemoryLimit {
		report("process.memory_limit", id.Process.MemoryLimitBytes, "the lab gave it", want.MemoryLimit)
	}
	if want.Nofile != 0 && id.Process.NofileSoft != want.Nofile {
		report("process.nofile_soft", id.Process.NofileSoft, "the lab gave it", want.Nofile)
	}
	if want.Nofile != 0 && id.Process.NofileHard != want.Nofile {
		report("process.nofile_hard", id.Process.NofileHard, "the lab gave it", want.Nofile)
	}
	if cpus := lab.CPUList(want.CPUs); cpus != "" && id.Process.CPUsAllowed != cpus {
		report("process.cpus_allowed", id.Process.CPUsAllowed, "the lab gave it", cpus)
	}
	return found
}

// valueAt returns the value of a field by its path, or nil if the object does not have it. The path
// "build.a.b" is that of "a.b" in build.
func valueAt(object map[string]any, path string) any {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		return object[name]
	}
	inner, _ := object[name].(map[string]any)
	return inner[rest]
}

// formatReported returns the beginning of a message: what the server says.
func formatReported(field string, value any) string {
	return "it says " + field + " " + workload.FormatValue(value)
}
