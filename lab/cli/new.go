package cli

import (
	"fmt"

	"runtimelab/lab/script"
)

type newCommands struct {
	Scenario newScenarioCommand `cmd:"" help:"Write a scenario that works, with comments, to be changed."`
}

type newScenarioCommand struct {
	Name string `arg:"" help:"Its name: lower-case letters, digits and -, a letter first."`
}

// Run writes scenarios/NAME.star, where there is none yet.
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
	a.messagef("lab check %s checks it, lab run %s measures it", file, c.Name)
	return nil
}
