package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/compare"
	"runtimelab/lab/contract"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
	"runtimelab/lab/stat"
)

// briefProfile is the profile for which a brief calibration is enough.
const briefProfile = "smoke"

type runCommand struct {
	planFlags
	Resume string `help:"${resume_help}" placeholder:"RUN"`
	Raw    bool   `help:"${raw_help}"`
	Bases  string `help:"${bases_help}" default:"auto" env:"LAB_BASES"`
}

// Run measures, and prints the tables of what it measured.
func (c *runCommand) Run(a *app) error {
	bases, err := image.ParseBaseMode(c.Bases)
	if err != nil {
		return err
	}
	setup, err := c.setup(a)
	if err != nil {
		return err
	}
	if setup.resumedRun != nil && bases == image.Auto {
		bases = baseModeOf(setup.resumedRun.Info)
	}
	// A problem with the results folder is reported before images are built.
	if err := record.CheckDiskSpace(setup.resultsDir(), record.MinDiskSpace); err != nil {
		return err
	}
	if setup.resumedRun != nil {
		if err := record.CheckUnlocked(setup.resumedRun.Dir); err != nil {
			return err
		}
	}
	if err := requireWorkloads(setup.library.Workloads); err != nil {
		return err
	}
	m := &measurement{app: a, runSetup: setup, bases: bases, raw: c.Raw}
	return m.run(a.ctx)
}

// setup returns what the flags select, or what continues the run that --resume names.
func (c *runCommand) setup(a *app) (*runSetup, error) {
	if c.Resume == "" {
		return c.resolve(a.ctx, a)
	}
	if !c.isEmpty() || c.Raw {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err: errors.New("--resume continues a run with its own plan: it cannot be combined with scenarios, " +
				"--raw or the flags of a plan"),
			Hint: "remove these, or --resume",
		}
	}
	setup, err := resumeSetup(a, c.Resume)
	if err != nil {
		return nil, err
	}
	return setup, checkGeneratorOf(*setup.earlierPlan, c.Generator)
}

// baseModeOf returns the base mode that a run began with. Auto could choose other images
// now, if the registry has become reachable or unreachable since.
func baseModeOf(i record.Info) image.BaseMode {
	for _, v := range i.MeasuredVariants {
		if v.Variant.Own != nil {
			continue // its base is the user's choice
		}
		// The origin of the lab's responders does not tell a mode.
		if mode := image.BaseModeOf(v.Image.BaseOrigin); mode != image.Auto {
			return mode
		}
	}
	return image.Auto
}

// measurement is one execution of lab run.
type measurement struct {
	*app
	*runSetup
	bases image.BaseMode
	raw   bool // keep every hit

	*session.Session
}

// run measures in a session of its own.
func (m *measurement) run(ctx context.Context) error {
	return session.Run(ctx, m.sessionOptions(m.bases), func(s *session.Session) error {
		m.Session = s
		p, omitted, err := m.fittingPlan()
		if err != nil {
			return err
		}
		if err := m.checkDiskSpace(p); err != nil {
			return err
		}
		return m.runExperiment(ctx, p, omitted)
	})
}

// checkDiskSpace returns an error if the disk has no room for the raw hits of a plan. It
// returns nil if the run keeps none.
func (m *measurement) checkDiskSpace(p lab.Plan) error {
	dir, ended := m.resultsDir(), map[lab.TrialID]bool(nil)
	switch {
	case m.resumedRun != nil && m.resumedRun.Info.RawHits:
		dir, ended = filepath.Dir(m.resumedRun.Dir), m.resumedRun.EndedTrials()
	case !m.raw:
		return nil
	}
	attacks := plan.ExpectedAttackDuration(p, ended)
	return record.CheckDiskSpace(dir, record.MinDiskSpace+record.HitsDiskSpace(attacks))
}

// fittingPlan returns the plan of what this machine can run, and messages about what it
// omits. It prints the messages too. The plan of an earlier run is not changed.
func (m *measurement) fittingPlan() (p lab.Plan, omitted []string, err error) {
	scenarios := m.scenarios
	if m.earlierPlan == nil {
		scenarios, omitted = plan.FitToMachine(m.scenarios, len(m.Topology.CPUs), m.Nofile)
		for _, s := range scenarios {
			for _, v := range s.LeftOut {
				omitted = append(omitted,
					fmt.Sprintf("%s on %s is left out: it does not offer %s", s.Name, v.Variant, v.Workload))
			}
		}
	}
	for _, message := range omitted {
		m.messagef("%s", message)
	}
	if len(scenarios) == 0 {
		return p, omitted, &fault.Error{
			Code: fault.ExitFailed, Err: errors.New("none of the selected scenarios can run on this machine"),
			Hint: "lab list shows all scenarios",
		}
	}
	wider, err := plan.WiderLayouts(m.Topology, m.Layout, scenarios)
	if err != nil {
		return p, omitted, err
	}
	p, err = m.newPlan(scenarios, m.Layout, wider...)
	return p, omitted, err
}

// runExperiment checks the variants, calibrates if necessary, measures the plan, and
// prints the results. omitted are notes for the run.
func (m *measurement) runExperiment(ctx context.Context, p lab.Plan, omitted []string) error {
	services, err := m.library.ServicesOf(m.measuredVariants(p), p.Scenarios)
	if err != nil {
		return err
	}
	images, err := m.BuildImages(ctx, p, m.library.Runtimes, services)
	if err != nil {
		return err
	}
	layouts, err := plan.Layouts(p, images.Services)
	if err != nil {
		return err
	}
	info, err := m.newInfo(p, images, omitted)
	if err != nil {
		return err
	}
	e := &experiment.Experiment{
		HostID:          info.Host.ID,
		Plan:            p,
		Variants:        images.Variants,
		Images:          images.Images,
		ImageErrors:     images.Errors,
		Services:        images.Services,
		Cells:           m.Cells(),
		Checker:         contract.NewSuite(m.library.Workloads, m.seed, m.ExpectedIdentity()),
		RecheckDelay:    recheckDelay,
		ResponderTarget: serve.Target(),
		KeepHits:        info.RawHits,
	}
	// The check comes before the calibration, which takes minutes, and before the run has a folder.
	notes, err := m.checkVariants(ctx, e)
	if err != nil {
		return err
	}
	if m.resumedRun == nil {
		if info.Calibration, err = m.Calibration(ctx, p.Generator, m.profile.Name == briefProfile); err != nil {
			return err
		}
	}
	run, ended, err := m.openRun(info)
	if err != nil {
		return err
	}
	m.updateLatest(run)
	m.printSummary(p, layouts, run)
	for _, note := range notes {
		m.addNote(run, note)
	}
	observer := newProgress(m.Err, p, ended, func(note string) { m.addNote(run, note) })
	if m.resumedRun != nil {
		m.messagef("resumed: %s measured already, about %s left",
			message.Count(len(ended), "trial is", "trials are"), observer.remaining())
	}
	e.RunID, e.EndedTrials, e.Calibration = run.ID(), ended, info.Calibration
	e.Recorder, e.Observer = record.Recorder{Run: run}, observer
	err = e.Run(ctx)
	observer.Close()
	return errors.Join(err, m.finish(run, info.Host, err))
}

// measuredVariants returns the variants of a plan's trials, without twins and the lab's responders.
func (m *measurement) measuredVariants(p lab.Plan) []lab.Variant {
	return slices.DeleteFunc(m.library.Variants(), func(v lab.Variant) bool {
		return !slices.ContainsFunc(p.Trials, func(t lab.Trial) bool { return lab.OriginalOf(t.Variant) == v.ID() })
	})
}

// checkVariants checks the variants of an experiment before it measures. It returns a
// note for the run on each variant that will not be measured.
func (m *measurement) checkVariants(
	ctx context.Context, e *experiment.Experiment,
) (notes []string, err error) {
	observer := newProgress(m.Err, lab.Plan{}, nil, func(note string) { notes = append(notes, note) })
	defer observer.Close()
	e.Observer = observer
	_, err = e.CheckContract(ctx)
	return notes, err
}

// currentInfo returns the content of run.json for a run that starts now: the plan, and the
// conditions on this machine.
func (m *measurement) currentInfo(p lab.Plan, images session.TrialImages) record.Info {
	return record.Info{
		StartedAt:        time.Now().UTC(),
		Plan:             p,
		RawHits:          m.raw,
		MeasuredVariants: images.MeasuredVariants(p),
		Services:         images.ServicesOfFolders(),
		Host:             record.HostOf(m.Topology),
		Engine: map[string]string{
			"kind":           m.Facts.Kind,
			"version":        m.Facts.Version,
			"api_version":    m.Facts.API,
			"cgroup_version": m.Facts.CgroupVersion,
			"os":             m.Facts.OS,
			"kernel":         m.Facts.Kernel,
			"arch":           m.Facts.Arch,
			"storage":        m.Facts.Storage,
		},
		Versions: versions(),
	}
}

// newInfo returns the content of run.json. A resumed run keeps its calibration, its host
// id (which an older lab may have made) and whether it keeps hits; it is an error if its
// conditions have changed.
func (m *measurement) newInfo(p lab.Plan, images session.TrialImages, notes []string) (record.Info, error) {
	info := m.currentInfo(p, images)
	info.Notes, info.RuntimeFolders = notes, m.recordedRuntimeFolders()
	if m.resumedRun == nil {
		return info, nil
	}
	was := m.resumedRun.Info
	err := record.CheckConditions(was, info)
	info.Calibration, info.RawHits, info.Host = was.Calibration, was.RawHits, was.Host
	return info, err
}

// openRun creates the folder of the run, or opens that of the resumed run. It returns the
// trials that have ended.
func (m *measurement) openRun(info record.Info) (*record.Run, map[lab.TrialID]bool, error) {
	if m.resumedRun == nil {
		run, err := record.Create(m.resultsDir(), m.ID, info)
		return run, nil, err
	}
	run, earlier, err := record.Resume(m.resumedRun.Dir, m.resumedRun.Info.Plan, time.Now())
	if err != nil {
		return nil, nil, err
	}
	for _, doubt := range earlier.Doubts {
		m.messagef("%s", doubt)
	}
	return run, earlier.EndedTrials(), nil
}

// updateLatest points results/latest to the run. A failure becomes a note, because some
// file systems have no links.
func (m *measurement) updateLatest(run *record.Run) {
	if err := archive.UpdateLatest(m.resultsDir(), run); err != nil {
		m.messagef("note: %v", err)
		m.addNote(run, err.Error())
	}
}

// addNote records a note in run.json.
func (m *measurement) addNote(run *record.Run, note string) {
	if err := run.AddNote(note); err != nil {
		m.messagef("%v", err)
	}
}

// endState returns how a run ended that cause has ended, and why.
func endState(cause error) (state record.State, reason string) {
	switch {
	case cause == nil:
		return record.Done, ""
	case fault.PartyOf(cause) == fault.User:
		return record.Interrupted, "interrupted by the user"
	}
	return record.Failed, cause.Error()
}

// finish records how the run ended, and prints the tables of what was measured and writes their page,
// also after an interruption. cause is the error that ended the run, if any.
func (m *measurement) finish(run *record.Run, host record.Host, cause error) error {
	state, reason := endState(cause)
	variance := runVariance(context.WithoutCancel(m.ctx), m.resultsDir(), host, m.generator)
	err := run.Update(func(i *record.Info) { i.BetweenRuns = variance })
	recorded, readErr := record.Read(run.Dir())
	if readErr != nil {
		return errors.Join(err, readErr, run.End(state, reason, time.Now()))
	}
	for _, doubt := range recorded.Doubts {
		m.messagef("doubt: %s", doubt)
	}
	p := withClaims(recorded.Info.Plan, m.library)
	r := report.New(p, recorded.Rows, recorded.MeasuredTrials(), recorded.Info.Calibration.CrossChecks...)
	err = errors.Join(err, run.WriteVerdicts(r.Claims, r.Topics),
		run.End(state, reason, time.Now()))
	if cause != nil {
		m.messagef("%s: %s in %s; to continue, run: lab run --resume %s",
			state, message.Count(len(recorded.Rows), "row is", "rows are"), run.Dir(), run.ID())
	}
	fmt.Fprint(m.Out, r.Text())
	return errors.Join(err, m.writePage(run.Dir(), p))
}

// runVariance estimates how much runs of this host by one generator differ, from the reference
// servers of the runs in a results folder. It returns nil if there are too few, or one cannot be
// read.
func runVariance(
	ctx context.Context, results string, host record.Host, generator lab.Generator,
) *record.RunVariance {
	var sources []compare.Source
	for _, run := range archive.RunsOfHost(results, host) {
		if run.Info.Plan.Generator != generator {
			continue
		}
		sources = append(sources, compare.FolderSource(run.Info.RunID, run.Dir, &run.Info))
	}
	runs, err := compare.Read(ctx, sources, compare.DefaultMetrics())
	if err != nil {
		return nil // lab compare reports what is wrong with it
	}
	var means []stat.Moments
	for _, run := range runs {
		means = append(means, run.ReferenceThroughput())
	}
	return compare.EstimateRunVariance(means)
}
