package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	reflected "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"runtimelab/lab"
	"runtimelab/lab/report"
)

// schema.json is made from the types of the model and their comments; go test -update rewrites it.
func TestSchemaIsThatOfTheModel(t *testing.T) {
	goldenFile, err := filepath.Abs("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join("..", ".."))
	reflector := &reflected.Reflector{}
	for _, folder := range []string{"lab", "lab/metric", "lab/scaling", "lab/report"} {
		if err := reflector.AddGoComments("runtimelab", "./"+folder); err != nil {
			t.Fatal(err)
		}
	}
	schema := reflector.Reflect(&report.Report{})
	schema.Title = "The report of a run, as lab report --json prints it"
	types := map[string]reflect.Type{}
	collectTypes(t, reflect.TypeFor[report.Report](), types)
	for name, definition := range schema.Definitions {
		allowNull(t, definition, types[name])
	}
	got, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	goldenAt(t, goldenFile, string(got)+"\n")
}

// collectTypes collects the structs that a type contains, by name. The schema has one definition for
// each name.
func collectTypes(t *testing.T, of reflect.Type, types map[string]reflect.Type) {
	t.Helper()
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collectTypes(t, of.Elem(), types)
	case reflect.Struct:
		if known := types[of.Name()]; known != nil && known != of {
			t.Fatalf("%v and %v have one name in the schema", known, of)
		} else if known == nil && of.NumField() > 0 && strings.HasPrefix(of.PkgPath(), "runtimelab/") {
			types[of.Name()] = of
			for _, field := range reflect.VisibleFields(of) {
				collectTypes(t, field.Type, types)
			}
		}
	}
}

// allowNull lets the properties of a definition be null that Go writes so: a pointer, and a map or a
// list of the vocabulary. The lists of package report are never nil.
func allowNull(t *testing.T, definition *reflected.Schema, of reflect.Type) {
	t.Helper()
	if of == nil {
		t.Fatalf("the schema has a definition without a type: %s", definition.Description)
	}
	for _, field := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, ok := definition.Properties.Get(name)
		if !ok || strings.Contains(options, "omit") {
			continue
		}
		kind := field.Type.Kind()
		foreign := of.PkgPath() != reflect.TypeFor[report.Report]().PkgPath()
		if kind == reflect.Pointer || kind == reflect.Map || kind == reflect.Slice && foreign {
			nullable := &reflected.Schema{Description: property.Description}
			property.Description = ""
			nullable.AnyOf = []*reflected.Schema{property, {Type: "null"}}
			definition.Properties.Set(name, nullable)
		}
	}
}

// validate checks the JSON of a report against schema.json.
func validate(t *testing.T, name string, r report.Report) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestReportsFollowTheSchema(t *testing.T) {
	plan, rows := fullRun()
	failedPlan, failedRows := failingRun()
	for name, r := range map[string]report.Report{
		"claims": reportOf(plan, rows), "failing": reportOf(failedPlan, failedRows),
		"smoke": reportOf(lab.Plan{}, smokeRun()), "blocks": reportOf(lab.Plan{}, repeatedTrialRun()),
		"crowded": reportOf(lab.Plan{}, manyLoadsRun()), "nothing": reportOf(lab.Plan{}, nil),
	} {
		validate(t, name, r)
	}
}

// goldenAt compares text with a file.
func goldenAt(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it): got\n%s", path, got)
	}
}
