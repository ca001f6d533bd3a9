package cli

import (
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// parseGenerator returns the generator that a flag names, or the default one if name is empty. An
// unknown name is a usage error.
func parseGenerator(name string) (lab.Generator, error) {
	if name == "" {
		return lab.DefaultGenerator, nil
	}
	var valid []string
	for _, g := range lab.Generators() {
		if string(g) == name {
			return g, nil
		}
		valid = append(valid, string(g))
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("--generator %q: unknown; %s", name, message.Suggest(name, valid)),
		Hint: "valid: " + strings.Join(valid, ", "),
	}
}

// checkGeneratorOf returns a usage error if a flag names another generator than that of the plan which
// the run repeats or continues: its rows would not compare with those of the earlier run.
func checkGeneratorOf(p lab.Plan, name string) error {
	asked, err := parseGenerator(name)
	if err != nil || name == "" || asked == p.Generator {
		return err
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err: fmt.Errorf("--generator %s: the plan of the earlier run has the generator %s, and keeps it",
			asked, p.Generator),
		Hint: "remove --generator and LAB_GENERATOR, or start a new run without --like and --resume",
	}
}
