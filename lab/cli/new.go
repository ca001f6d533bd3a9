package cli

import (
	"fmt"

	"runtimelab/lab/script"
)

type newCommands struct {
	Scenario newScenarioCommand `cmd:"" help:"Write a scenario that works, with comments, for you to change."`
}

type newScenarioCommand struct {
	Name string `arg:"" help:"Its name: lower-case letters, digits and -, beginning with a letter."`
}

// Run writes scenarios/NAME.star. It is an error if the file exists.
func (c *newScenarioCommand) Run(a *app) error {
	root, err := a.rootDir()
	if err != nil {
		return err
	}
	file, err := script.NewScenario(root, c.Name)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, file)
	a.messagef("to check it, run: lab check %s; to measure it, run: lab run %s", file, c.Name)
	return nil
}
