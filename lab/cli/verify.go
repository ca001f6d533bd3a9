package cli

import (
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

type verifyCommand struct {
	Name string `arg:"" optional:"" name:"run" help:"A run's id, or its folder. Default: the newest run."`
	JSON bool   `help:"Print JSON." name:"json"`
}

// Run proves that a run's folder holds what the run wrote, and all of it. The exit
// code is 1 where anything in it is wrong; a run that was interrupted is none the
// less right as far as it went.
func (c *verifyCommand) Run(a *app) error {
	dir, err := a.runDir(c.Name)
	if err != nil {
		return err
	}
	v, err := interruptible(a.ctx, func() (record.Verification, error) { return record.Verify(dir) })
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(struct {
			record.Verification
			Consistent bool `json:"consistent"`
			Complete   bool `json:"complete"`
		}{v, v.Consistent(), v.Complete()})
	} else {
		_, err = fmt.Fprint(a.Out, verificationText(v))
	}
	if err != nil {
		return fmt.Errorf("writing what was found: %w", err)
	}
	if !v.Consistent() {
		return &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("%s is not what run %s wrote", dir, v.RunID),
			Hint: "do not rely on its figures; a copy from where it was measured may be whole",
		}
	}
	return nil
}

// verificationText is a verification for people.
func verificationText(v record.Verification) string {
	word := "complete and consistent"
	switch {
	case !v.Consistent():
		word = "NOT what the run wrote"
	case !v.Complete():
		word = "consistent, not complete (" + string(v.State) + ")"
	}
	text := fmt.Sprintf("run %s: %s\n  %d of %d trials, %s, %s accounted for in run.json\n",
		v.RunID, word, v.Trials, v.Planned, plural(v.Rows, "row", "rows"), plural(v.Files, "file", "files"))
	for _, problem := range v.Problems {
		text += "  wrong: " + problem + "\n"
	}
	for _, missing := range v.Missing {
		text += "  missing: " + missing + "\n"
	}
	if v.Consistent() && !v.Complete() {
		text += "  lab run --resume " + v.RunID + " goes on where it ended\n"
	}
	return text
}
