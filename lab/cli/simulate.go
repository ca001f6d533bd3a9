package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/delimited"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/stat"
	"runtimelab/lab/table"
)

type simulateCommand struct {
	File string `arg:"" optional:"" help:"${simulate_file_help}" placeholder:"AA.csv"`

	Blocks []int   `help:"Numbers of blocks of the runs, instead of the profiles'." placeholder:"N,..."`
	Margin float64 `help:"Margin of equivalence: 0.05 for ratios from 0.95 to 1/0.95." default:"0.05"`
	Draws  int     `help:"Simulated runs for each row." default:"20000"`
	Seed   uint64  `help:"Seed of the simulation." default:"1"`
	JSON   bool    `help:"Print JSON." name:"json"`
}

// simulationOutput is the output of lab simulate --json.
type simulationOutput struct {
	Origin string         `json:"origin"` // from the comment of the recording
	Pairs  int            `json:"pairs"`
	Alpha  float64        `json:"alpha"` // error rate on one side
	Margin float64        `json:"margin"`
	Draws  int            `json:"draws"`
	Seed   uint64         `json:"seed"`
	Rows   []simulatedRow `json:"rows"`

	Promises []simulatedPromise `json:"promises"`
}

type simulatedRow struct {
	Profile string `json:"profile,omitempty"` // with this number of blocks; empty with --blocks
	stat.Outcome
	Limit  bool     `json:"limit,omitempty"` // the analysis need not hold for this noise model
	Faults []string `json:"faults,omitempty"`
}

// label names a row: "drift at 10 blocks (standard)".
func (r simulatedRow) label() string {
	text := fmt.Sprintf("%s at %d blocks", r.NoiseModel, r.Blocks)
	if r.Profile != "" {
		text += " (" + r.Profile + ")"
	}
	return text
}

// Run checks the paired analysis by simulation, with the numbers of blocks of the
// profiles or of --blocks. The exit code is 1 if error rates exceed the promised ones.
func (c *simulateCommand) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	recording, err := c.recording()
	if err != nil {
		return err
	}
	s := stat.Simulation{
		Recorded: recording.Pairs, Alpha: lab.Alpha, Margin: c.Margin, Draws: c.Draws, Seed: c.Seed,
	}
	rows, err := simulate(a, s, c.sizes())
	if err != nil {
		return err
	}
	promises := simulatePromises(s, c.sizes())
	if c.JSON {
		err = a.printJSON(simulationOutput{
			recording.Origin, len(recording.Pairs), s.Alpha, s.Margin, s.Draws, s.Seed, rows, promises,
		})
	} else {
		if err = printSimulation(a.Out, recording, s, rows); err == nil {
			err = printSimulatedPromises(a.Out, promises)
		}
	}
	if err != nil {
		return err
	}
	return checkErrorRates(rows, promises)
}

// check checks the flags.
func (c *simulateCommand) check() error {
	var errs []error
	if !(c.Margin > 0 && c.Margin < 1) {
		errs = append(errs, fmt.Errorf("--margin is %v, want more than 0 and less than 1", c.Margin))
	}
	if c.Draws < 100 {
		errs = append(errs, fmt.Errorf("--draws is %d, want at least 100", c.Draws))
	}
	for _, blocks := range c.Blocks {
		if blocks < lab.MinBlocks || blocks > maxSimulatedBlocks {
			errs = append(errs,
				fmt.Errorf("--blocks is %d, want %d to %d", blocks, lab.MinBlocks, maxSimulatedBlocks))
		}
	}
	if len(errs) > 0 {
		return &fault.Error{Code: fault.ExitUsage, Err: errors.Join(errs...)}
	}
	return nil
}

// maxSimulatedBlocks bounds the time of a simulation: with more blocks the permutation
// test is not exact, and draws random signs in each of millions of tests.
const maxSimulatedBlocks = 32

// sizes returns rows with only their profile and number of blocks.
func (c *simulateCommand) sizes() (sizes []simulatedRow) {
	for _, blocks := range c.Blocks {
		sizes = append(sizes, simulatedRow{Outcome: stat.Outcome{Blocks: blocks}})
	}
	if len(sizes) > 0 {
		return sizes
	}
	for _, profile := range plan.Profiles() {
		if profile.Blocks >= lab.MinBlocks {
			sizes = append(sizes, simulatedRow{Profile: profile.Name, Outcome: stat.Outcome{Blocks: profile.Blocks}})
		}
	}
	return sizes
}

// recording reads the recording that the user named, or the one that comes with the lab.
func (c *simulateCommand) recording() (stat.Recording, error) {
	if c.File == "" {
		recording, err := stat.ShippedRecording()
		if err != nil {
			return recording, fmt.Errorf("reading the recording of the lab: %w", err)
		}
		return recording, nil
	}
	file, err := os.Open(c.File)
	if err != nil {
		return stat.Recording{}, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("opening a recording: %w", err),
		}
	}
	defer file.Close()
	recording, err := stat.ReadRecording(file)
	if err != nil {
		hint := "write one row for each block of each pair: pair,block,a,b with the values of both arms"
		if refused := (*delimited.Refusal)(nil); errors.As(err, &refused) {
			hint = cmp.Or(refused.Hint, hint)
		}
		err = fmt.Errorf("reading the recording %s: %w", c.File, err)
		return recording, &fault.Error{Code: fault.ExitUsage, Err: err, Hint: hint}
	}
	return recording, nil
}

// simulate runs every noise model with every number of blocks, in parallel.
func simulate(a *app, s stat.Simulation, sizes []simulatedRow) ([]simulatedRow, error) {
	var rows []simulatedRow
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	models := map[string]stat.NoiseModel{}
	for _, size := range sizes {
		for _, model := range stat.NoiseModels() {
			models[model.Name] = model
			size.NoiseModel, size.Limit = model.Name, model.OutOfScope
			rows = append(rows, size)
		}
	}
	for i := range rows {
		row := &rows[i]
		group.Go(func() error {
			if a.ctx.Err() != nil {
				return ErrInterrupted
			}
			row.Outcome = s.Run(models[row.NoiseModel], row.Blocks)
			row.Faults = s.Violations(row.Outcome)
			return nil
		})
	}
	return rows, group.Wait()
}

// printSimulation prints the noise models, a table of error rates, and its legend.
func printSimulation(w io.Writer, recording stat.Recording, s stat.Simulation, rows []simulatedRow) error {
	fmt.Fprintf(w, "%d simulated runs for each row, with seed %d, from %s of arms that do not differ.\n",
		s.Draws, s.Seed, message.Count(len(recording.Pairs), "pair", "pairs"))
	if recording.Origin != "" {
		fmt.Fprintf(w, "%s\n", recording.Origin)
	}
	fmt.Fprintln(w)
	models := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: 11}}}
	for _, model := range stat.NoiseModels() {
		models.Row(model.Name, model.About)
	}
	fmt.Fprintln(w, models.String())
	var t table.Text
	t.Row("profile", "blocks", "noise model", "covers", "differ", "beyond", "within", "equal", "1.05", "1.10")
	for _, r := range rows {
		cells := []string{cmp.Or(r.Profile, "-"), strconv.Itoa(r.Blocks), r.NoiseModel}
		for _, share := range []float64{
			r.Coverage, r.FalsePositives, r.FalseBeyond, r.FalseEquivalence,
			r.Equivalence, r.Power5, r.Power10,
		} {
			cells = append(cells, fmt.Sprintf("%5.1f%%", 100*share))
		}
		t.Row(cells...)
	}
	if _, err := io.WriteString(w, t.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	fmt.Fprintf(w, `
  covers      the interval of %[1]v%% contained the true ratio; 93 to 97%% is right
  differ      equal arms were found to differ, in either direction: an error, at most %[2]v%%
  beyond      a ratio at the margin of %[3]v%% was found to lie beyond it: an error
  within      or within it: an error, at most %[2]v%% together
  equal       equal arms were found to differ by less than the margin
  1.05, 1.10  a ratio of that was found to lie above 1
With so many runs, %[2]v%% is estimated to within %.2[4]f%% (three standard errors); the limits allow it.
`, 100-200*s.Alpha, 200*s.Alpha, 100*s.Margin, 100*s.SamplingTolerance(2*s.Alpha))
	return nil
}

// checkErrorRates returns an error if simulated error rates exceed the promised ones.
func checkErrorRates(rows []simulatedRow, promises []simulatedPromise) error {
	var faults []string
	for _, r := range rows {
		if r.Limit {
			continue
		}
		for _, fault := range r.Faults {
			faults = append(faults, r.label()+": "+fault)
		}
	}
	for _, p := range promises {
		for _, fault := range p.Faults {
			faults = append(faults, fmt.Sprintf("%s promise of %d trials: %s", p.Model, p.Trials, fault))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err: fmt.Errorf("the simulated error rates exceed the promised ones:\n  %s",
			strings.Join(faults, "\n  ")),
		Hint: "the intervals are wrong for such data: fix the method, not the limit",
	}
}
