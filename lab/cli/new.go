package cli

import (
	"fmt"
	"strings"

	"runtimelab/lab/script"
)

type newCommands struct {
	Runtime  newRuntimeCommand  `cmd:"" help:"Write the folder of a runtime, with comments, for you to fill in."`
	Scenario newScenarioCommand `cmd:"" help:"Write a scenario that works, with comments, for you to change."`
}

type newRuntimeCommand struct {
	Name  string `arg:"" help:"${new_runtime_name_help}"`
	Like  string `help:"${new_runtime_like_help}" placeholder:"RUNTIME" xor:"from"`
	Image string `help:"${new_runtime_image_help}" placeholder:"REF" xor:"from"`
}

// Run writes the folder of a runtime. It is an error if the folder exists.
func (c *newRuntimeCommand) Run(a *app) error {
	_, library, err := a.loadScripts()
	if err != nil {
		return err
	}
	made, err := library.NewRuntime(script.NewRuntime{Place: c.Name, Like: c.Like, Image: c.Image})
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, made.Folder)
	if c.Like == "" {
		a.messagef("fill in %s; then run:\n  bin/lab check %s\n  bin/lab new scenario NAME --for %s/server",
			strings.Join(made.Files, " and "), made.Folder, made.Name)
		return nil
	}
	for _, file := range made.Renamed {
		a.messagef("%s reports the runtime %q at /identity", file, made.Name)
	}
	if made.Unnamed {
		a.messagef("its application must report the runtime %q at /identity", made.Name)
	}
	a.messagef("change what you like; then run:\n  bin/lab check %s\n  bin/lab contract %s/VARIANT",
		made.Folder, made.Name)
	return nil
}

type newScenarioCommand struct {
	Name string   `arg:"" help:"${new_scenario_name_help}"`
	For  []string `help:"${new_scenario_for_help}" placeholder:"VARIANT"`
}

// Run writes the script of a scenario. It is an error if the file exists.
func (c *newScenarioCommand) Run(a *app) error {
	root, library, err := a.loadScripts()
	if err != nil {
		return err
	}
	file, err := library.NewScenario(c.Name, c.For)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, file)
	scenario := file // outside of scenarios/ a scenario goes by its path
	if !script.IsPath(c.Name) {
		scenario = c.Name
	}
	flags := ""
	for _, folder := range a.runtimes {
		flags += " --runtimes " + script.DisplayName(root, folder)
	}
	a.messagef("to check it, run: bin/lab check %s%s; to measure it, run: bin/lab run %s%s",
		file, flags, scenario, flags)
	return nil
}
