package cli

import (
	"fmt"

	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/record"
)

type verifyCommand struct {
	Name string `arg:"" optional:"" name:"run" help:"${run_help}"`
	JSON bool   `help:"Print JSON." name:"json"`
}

// Run checks that the folder of a run is unchanged and complete. The exit code is 1 if a
// file is wrong or missing; it is 0 if the run was interrupted and its files are right.
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
		return fmt.Errorf("writing the result: %w", err)
	}
	if !v.Consistent() {
		return &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("%s does not match what run %s wrote", dir, v.RunID),
			Hint: "do not rely on its figures; copy the folder again from where it was measured",
		}
	}
	return nil
}

// verificationText formats a verification for people.
func verificationText(v record.Verification) string {
	result := "complete and consistent"
	switch {
	case !v.Consistent():
		result = "DOES NOT MATCH what the run wrote"
	case !v.Complete():
		result = "consistent, not complete (" + string(v.State) + ")"
	}
	text := fmt.Sprintf("run %s: %s\n  %d of %s, %s, %s listed in run.json\n",
		v.RunID, result, v.Trials, message.Count(v.Planned, "trial", "trials"),
		message.Count(v.Rows, "row", "rows"), message.Count(v.Files, "file", "files"))
	for _, problem := range v.Problems {
		text += "  wrong: " + problem + "\n"
	}
	for _, missing := range v.Missing {
		text += "  missing: " + missing + "\n"
	}
	if v.Consistent() && !v.Complete() {
		text += "  to continue it, run: lab run --resume " + v.RunID + "\n"
	}
	return text
}
