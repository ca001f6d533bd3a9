package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/delimited"
	"runtimelab/lab/plan"
	"runtimelab/lab/stat"
)

type simulateCommand struct {
	File string `arg:"" optional:"" help:"CSV with the header pair,block,a,b: values of arms that do not differ. Default: the lab's own recording." placeholder:"AA.csv"`

	Blocks []int   `help:"Numbers of blocks to draw runs of, instead of the profiles'." placeholder:"N,..."`
	Margin float64 `help:"Ratios that make no difference: 0.05 for 0.95 to 1/0.95." default:"0.05"`
	Draws  int     `help:"Runs to draw for each row." default:"20000"`
	Seed   uint64  `help:"Of the draws." default:"1"`
	JSON   bool    `help:"Print JSON." name:"json"`
}

// simulated is what lab simulate --json prints.
type simulated struct {
	Origin string         `json:"origin"` // what the recording says of itself
	Pairs  int            `json:"pairs"`
	Alpha  float64        `json:"alpha"` // error of one side
	Margin float64        `json:"margin"`
	Draws  int            `json:"draws"`
	Seed   uint64         `json:"seed"`
	Rows   []simulatedRow `json:"rows"`
}

type simulatedRow struct {
	Profile string `json:"profile,omitempty"` // which has so many blocks; none of a number that was asked for
	stat.Outcome
	Limit  bool     `json:"limit,omitempty"` // promised nothing of
	Faults []string `json:"faults,omitempty"`
}

func (r simulatedRow) label() string {
	where := fmt.Sprintf("%s at %d blocks", r.NoiseModel, r.Blocks)
	if r.Profile != "" {
		where += " (" + r.Profile + ")"
	}
	return where
}

// Run checks the paired analysis by simulation at each profile's number of
// blocks, or those that were asked for. Where it does not keep its promises the
// exit code is 1.
func (c *simulateCommand) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	recording, err := c.recording()
	if err != nil {
		return err
	}
	s := stat.Simulation{
		Recorded: recording.Pairs, Alpha: lab.Alpha, Margin: c.Margin, Draws: c.Draws,
		Seed: c.Seed,
	}
	rows, err := simulate(a, s, c.sizes())
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(simulated{
			recording.Origin, len(recording.Pairs), s.Alpha, s.Margin, s.Draws, s.Seed,
			rows,
		})
	} else {
		err = printSimulation(a.Out, recording, s, rows)
	}
	if err != nil {
		return err
	}
	return brokenPromises(rows)
}

func (c *simulateCommand) check() error {
	var errs []error
	if !(c.Margin > 0 && c.Margin < 1) {
		errs = append(errs, fmt.Errorf("--margin is %v, not between 0 and 1", c.Margin))
	}
	if c.Draws < 100 {
		errs = append(errs, fmt.Errorf("--draws is %d; fewer than 100 tell nothing", c.Draws))
	}
	for _, blocks := range c.Blocks {
		if blocks < lab.MinBlocks || blocks > mostSimulatedBlocks {
			errs = append(errs,
				fmt.Errorf("--blocks is %d; a run is analysed from %d blocks on, and simulated up to %d", blocks,
					lab.MinBlocks, mostSimulatedBlocks))
		}
	}
	if len(errs) > 0 {
		return &lab.Fault{Code: lab.ExitUsage, Err: errors.Join(errs...)}
	}
	return nil
}

// mostSimulatedBlocks is where the permutation of signs is exact no more, and
// drawn anew for each of millions of tests.
const mostSimulatedBlocks = 32

// sizes are the rows' profiles and numbers of blocks.
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

func (c *simulateCommand) recording() (stat.Recording, error) {
	if c.File == "" {
		recording, err := stat.ShippedRecording()
		if err != nil {
			return recording, fmt.Errorf("reading the lab's own recording: %w", err)
		}
		return recording, nil
	}
	file, err := os.Open(c.File)
	if err != nil {
		return stat.Recording{}, &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("opening a recording: %w", err)}
	}
	defer file.Close()
	recording, err := stat.ReadRecording(file)
	if err != nil {
		hint := "One row for each block of each pair: pair,block,a,b with the values of both arms."
		if refused := (*delimited.Refusal)(nil); errors.As(err, &refused) {
			hint = cmp.Or(refused.Hint, hint)
		}
		err = fmt.Errorf("reading the recording %s: %w", c.File, err)
		return recording, &lab.Fault{Code: lab.ExitUsage, Err: err, Hint: hint}
	}
	return recording, nil
}

// simulate runs every world at every number of blocks, several at once.
func simulate(a *app, s stat.Simulation, sizes []simulatedRow) ([]simulatedRow, error) {
	var rows []simulatedRow
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	worlds := map[string]stat.NoiseModel{}
	for _, size := range sizes {
		for _, w := range stat.NoiseModels() {
			worlds[w.Name] = w
			size.NoiseModel, size.Limit = w.Name, w.OutOfScope
			rows = append(rows, size)
		}
	}
	for i := range rows {
		row := &rows[i]
		group.Go(func() error {
			if a.ctx.Err() != nil {
				return ErrInterrupted
			}
			row.Outcome = s.Run(worlds[row.NoiseModel], row.Blocks)
			row.Faults = s.Violations(row.Outcome)
			return nil
		})
	}
	return rows, group.Wait()
}

func printSimulation(w io.Writer, recording stat.Recording, s stat.Simulation, rows []simulatedRow) error {
	fmt.Fprintf(w, "%d runs for each row, drawn with seed %d from %s of arms that do not differ.\n",
		s.Draws, s.Seed, plural(len(recording.Pairs), "pair", "pairs"))
	if recording.Origin != "" {
		fmt.Fprintf(w, "%s\n", recording.Origin)
	}
	fmt.Fprintln(w)
	for _, world := range stat.NoiseModels() {
		fmt.Fprintf(w, "  %-12s %s\n", world.Name, world.About)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nprofile\tblocks\tworld\tcovers\tdiffer\tbeyond\twithin\tequal\t1.05\t1.10\n")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%d\t%s", cmp.Or(r.Profile, "-"), r.Blocks, r.NoiseModel)
		for _, share := range []float64{
			r.Coverage, r.FalsePositives, r.FalseBeyond, r.FalseEquivalence,
			r.Equivalence, r.Power5, r.Power10,
		} {
			fmt.Fprintf(t, "\t%5.1f%%", 100*share)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	fmt.Fprintf(w, `
  covers      the interval of %[1]v%% held the true ratio; 93 to 97%% is right
  differ      equal arms were found to differ, either way: an error, at most %[2]v%%
  beyond      a ratio at the margin of %[3]v%% was found to lie beyond it: an error
  within      or within it: an error, at most %[2]v%% together
  equal       equal arms were found to differ by less than the margin
  1.05, 1.10  a ratio of that was found to lie above 1
From so many runs %[2]v%% is told to within %.2[4]f%% (three standard errors), which is allowed for.
`, 100-200*s.Alpha, 200*s.Alpha, 100*s.Margin, 100*s.SamplingTolerance(2*s.Alpha))
	return nil
}

// brokenPromises is the error that a simulation ends with, nil where all is well.
func brokenPromises(rows []simulatedRow) error {
	var said []string
	for _, r := range rows {
		if r.Limit {
			continue
		}
		for _, fault := range r.Faults {
			said = append(said, r.label()+": "+fault)
		}
	}
	if len(said) == 0 {
		return nil
	}
	return &lab.Fault{
		Code: lab.ExitFailed,
		Err:  fmt.Errorf("the analysis does not keep its promises:\n  %s", strings.Join(said, "\n  ")),
		Hint: "How sure the lab says to be of such data is not how sure it is: mend the method, not the limit.",
	}
}
