package cli

import (
	"fmt"

	"runtimelab/lab/shipped"
)

type initCommand struct {
	Folder string `arg:"" name:"dir" type:"path" help:"A new or an empty folder."`
}

// Run writes the runtimes and scenarios that lab contains into a folder, in which lab then serves
// without a checkout.
func (c *initCommand) Run(a *app) error {
	archive, err := shipped.Archive()
	if err != nil {
		return err
	}
	if err := shipped.Unpack(archive, c.Folder); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, c.Folder)
	a.messagef("it has runtimes/ and scenarios/; in this folder, run: lab plan, or lab run json --profile smoke")
	return nil
}
