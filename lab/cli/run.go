package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/experiment"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/serve"
)

// randomInputs is how many seeded inputs every variant answers beside the
// contract's vectors: half of them orders, most others queries.
const randomInputs = 400

type runCommand struct {
	planFlags
	Resume string `help:"Finish an earlier run that was interrupted, killed or failed: same plan, seed and images." placeholder:"RUN"`
	Raw    bool   `help:"Also keep every hit of every attack in raw/, for vegeta report and vegeta plot: a gigabyte or more for every five minutes."`
	Bases  string `help:"What images are built on: official images, stand-ins from Debian packages, or auto." default:"auto" env:"LAB_BASES"`
}

// Run measures.
func (c *runCommand) Run(a *app) error {
	bases, err := image.ParseBaseMode(c.Bases)
	if err != nil {
		return err
	}
	chosen, err := c.chosen(a)
	if err != nil {
		return err
	}
	if chosen.resumedRun != nil && bases == image.Auto {
		bases = baseModeOf(chosen.resumedRun.Info)
	}
	// Said now, and not once images are built and an hour is measured.
	if err := record.CheckDiskSpace(chosen.resultsDir(), minDiskSpace); err != nil {
		return err
	}
	if chosen.resumedRun != nil {
		if err := record.CheckUnlocked(chosen.resumedRun.Dir); err != nil {
			return err
		}
	}
	rules, err := contract.Load(filepath.Join(chosen.checkout, "runtimes", "contract.json"))
	if err != nil {
		return err
	}
	m := &measurement{app: a, runSetup: chosen, bases: bases, raw: c.Raw, rules: rules}
	return m.run(a.ctx)
}

// minDiskSpace is more than a run of all that ships writes, without its hits.
const minDiskSpace = 64 << 20

// What hits take where they are kept: each is some 110 bytes in Vegeta's encoding.
// The fastest servers answer 80 000 a second on a core, but not in warm-ups, of
// which no hit is kept, and which take almost half of a trial.
const (
	bytesPerHit   = 128
	hitsPerSecond = 40_000
)

// hitsDiskSpace is what the attacks of the trials that are left may write.
func hitsDiskSpace(p lab.Plan, ended map[lab.TrialID]bool) uint64 {
	p.Trials = slices.DeleteFunc(slices.Clone(p.Trials), func(t lab.Trial) bool { return ended[t.ID()] })
	attacks := plan.ExpectedDuration(p) - time.Duration(len(p.Trials))*plan.TrialOverhead
	return uint64(attacks.Seconds() * hitsPerSecond * bytesPerHit)
}

// chosen is what the run does: what the user chose, or what an earlier run left.
func (c *runCommand) chosen(a *app) (*runSetup, error) {
	if c.Resume == "" {
		return c.resolve(a.ctx, a)
	}
	if !c.isEmpty() || c.Raw {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: errors.New("--resume finishes a run as it was begun, and takes no scenarios " +
				"and no other choice beside it"),
			Hint: "Leave them out, or leave out --resume.",
		}
	}
	return c.resume(a, c.Resume)
}

// measurement is one lab run on its way.
type measurement struct {
	*app
	*runSetup
	bases image.BaseMode
	raw   bool // keep every hit
	rules *contract.Contract

	*session
}

func (m *measurement) run(ctx context.Context) error {
	return m.inSession(ctx, m.bases, func(s *session) error {
		m.session = s
		p, left, err := m.fittingPlan()
		if err != nil {
			return err
		}
		if err := m.checkDiskSpace(p); err != nil {
			return err
		}
		return m.experiment(ctx, p, left)
	})
}

// checkDiskSpace makes sure that there is room for the hits, where they are kept.
func (m *measurement) checkDiskSpace(p lab.Plan) error {
	switch {
	case m.resumedRun != nil && m.resumedRun.Info.RawHits:
		return record.CheckDiskSpace(filepath.Dir(m.resumedRun.Dir),
			minDiskSpace+hitsDiskSpace(p, m.resumedRun.EndedTrials()))
	case m.raw:
		return record.CheckDiskSpace(m.resultsDir(), minDiskSpace+hitsDiskSpace(p, nil))
	}
	return nil
}

// fittingPlan is the plan without what this machine cannot do, and what that is.
func (m *measurement) fittingPlan() (p lab.Plan, left []string, err error) {
	scenarios := m.scenarios
	if m.earlierPlan == nil {
		scenarios, left = plan.FitToMachine(m.scenarios, len(m.topology.CPUs), m.nofile)
	}
	for _, words := range left {
		m.messagef("%s", words)
	}
	if len(scenarios) == 0 {
		return p, left, &lab.Fault{
			Code: lab.ExitFailed, Err: errors.New("nothing that was chosen can run here"),
			Hint: "lab list shows what else there is",
		}
	}
	wider, err := plan.WiderLayouts(m.topology, m.layout, scenarios)
	if err != nil {
		return p, left, err
	}
	p, err = m.plan(scenarios, m.layout, wider...)
	return p, left, err
}

func (m *measurement) experiment(ctx context.Context, p lab.Plan, left []string) error {
	cast, err := m.buildImages(ctx, p)
	if err != nil {
		return err
	}
	info, err := m.newInfo(p, cast, left)
	if err != nil {
		return err
	}
	e := &experiment.Experiment{
		HostID:          info.Host.ID,
		Plan:            p,
		Variants:        cast.variants,
		Images:          cast.images,
		ImageErrors:     cast.imageErrors,
		Cells:           m.cells(),
		Checker:         contract.NewSuite(m.rules, m.seed, randomInputs, m.expected()),
		RecheckDelay:    betweenAskings,
		ResponderTarget: serve.Target(),
		KeepHits:        info.RawHits,
	}
	// A mistake of the script's is told before minutes of calibration, and begins no run.
	refused, err := m.examined(ctx, e)
	if err != nil {
		return err
	}
	if m.resumedRun == nil {
		if info.Calibration, err = m.calibration(ctx, m.profile.Name == briefProfile); err != nil {
			return err
		}
	}
	run, ended, err := m.open(info)
	if err != nil {
		return err
	}
	m.pointLatest(run)
	m.announce(p, run)
	for _, words := range refused {
		m.note(run, words)
	}
	watched := newProgress(m.Err, p, ended, func(words string) { m.note(run, words) })
	if m.resumedRun != nil {
		m.messagef("resumed: %s measured already, about %s left", plural(len(ended), "trial is", "trials are"),
			watched.remaining())
	}
	e.RunID, e.EndedTrials, e.Calibration = run.ID(), ended, info.Calibration
	e.Recorder, e.Observer = runRecorder{run}, watched
	err = e.Run(ctx)
	watched.Close()
	return errors.Join(err, m.finish(run, info.Host, err))
}

// newInfo is what the rows of the run have in common: as it was, where it is resumed.
func (m *measurement) newInfo(p lab.Plan, cast runImages, left []string) (record.Info, error) {
	info := m.info(p, cast)
	info.Notes = left
	if m.resumedRun == nil {
		return info, nil
	}
	was := m.resumedRun.Info
	err := checkConditions(was, info)
	// The host's id may be an older lab's.
	info.Calibration, info.RawHits, info.Host = was.Calibration, was.RawHits, was.Host
	return info, err
}

// open is the run's folder, and the trials that have ended there.
func (m *measurement) open(info record.Info) (*record.Run, map[lab.TrialID]bool, error) {
	if m.resumedRun == nil {
		run, err := record.Create(m.resultsDir(), m.id, info)
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

// pointLatest is no reason to end a run: it is as good without the link, which some
// file systems cannot have.
func (m *measurement) pointLatest(run *record.Run) {
	if err := run.UpdateLatestLink(m.resultsDir()); err != nil {
		m.messagef("note: %v", err)
		m.note(run, err.Error())
	}
}

// note keeps words with the run.
func (m *measurement) note(run *record.Run, words string) {
	if err := run.AddNote(words); err != nil {
		m.messagef("%v", err)
	}
}

// runImages is who takes part in a plan's trials, by variant id.
type runImages struct {
	variants    map[string]lab.Variant
	images      map[string]lab.Image
	imageErrors map[string]string // why a variant has no image
}

// buildImages builds the images that a plan's trials need. A twin runs from its
// original's, and the lab's own responders from the agent's.
func (m *measurement) buildImages(ctx context.Context, p lab.Plan) (all runImages, err error) {
	takesPart := map[string]bool{}
	for _, t := range p.Trials {
		takesPart[t.Variant], takesPart[lab.OriginalOf(t.Variant)] = true, true
	}
	all.variants = make(map[string]lab.Variant)
	runtimes := m.library.RuntimesOf(func(v lab.Variant) bool { return takesPart[v.ID()] })
	if all.images, all.imageErrors, err = m.images(ctx, runtimes); err != nil {
		return all, err
	}
	for _, r := range runtimes {
		for _, v := range r.Variants {
			if !takesPart[v.ID()] {
				continue
			}
			twin := v.Twin()
			all.variants[v.ID()], all.variants[twin.ID()] = v, twin
			if built, ok := all.images[v.ID()]; ok {
				all.images[twin.ID()] = built
			}
		}
	}
	for _, v := range append(serve.References(), serve.Burn()) {
		all.variants[v.ID()], all.images[v.ID()] = v, m.agent
	}
	return all, nil
}

func (m *measurement) info(p lab.Plan, all runImages) record.Info {
	return record.Info{
		StartedAt:        time.Now().UTC(),
		Plan:             p,
		RawHits:          m.raw,
		MeasuredVariants: all.measuredVariants(p),
		Host:             record.HostOf(m.topology),
		Engine: map[string]string{
			"kind": m.facts.Kind, "version": m.facts.Version, "api_version": m.facts.API, "cgroup_version": m.facts.CgroupVersion,
			"os": m.facts.OS, "kernel": m.facts.Kernel, "arch": m.facts.Arch, "storage": m.facts.Storage,
		},
		Versions: versions(),
	}
}

// measuredVariants are those of the cast that a plan's trials are of.
func (c runImages) measuredVariants(p lab.Plan) map[string]record.MeasuredVariant {
	all := make(map[string]record.MeasuredVariant)
	for _, t := range p.Trials {
		all[t.Variant] = record.MeasuredVariant{Variant: c.variants[t.Variant], Image: c.images[t.Variant]}
	}
	return all
}

// announce says beforehand what the run will do and how long it takes.
func (m *measurement) announce(p lab.Plan, run *record.Run) {
	m.messagef("run %s: profile %s, %d trials in %d blocks, seed %d, about %s and at most %s",
		run.ID(), p.Profile.Name, len(p.Trials), p.Profile.Blocks, p.Seed, plan.ExpectedDuration(p).Round(time.Second), plan.WorstDuration(p).Round(time.Second))
	m.messagef("CPUs: generator and lab on %s, server on %s, of %d (%s)",
		lab.CPUList(p.Layout.Generator), lab.CPUList(p.Layout.Server), len(m.topology.CPUs), m.topology.CPUModel)
	for _, l := range p.WiderLayouts {
		m.messagef("CPUs where a server is given %d: generator and lab on %s, server on %s", len(l.Server),
			lab.CPUList(l.Generator), lab.CPUList(l.Server))
	}
	for _, doubt := range layoutDoubts(p) {
		m.messagef("doubt: %s", doubt)
	}
	m.printPhases(p)
	m.messagef("results: %s", run.Dir())
}

// layoutDoubts are those of all layouts, each once.
func layoutDoubts(p lab.Plan) (all []string) {
	for _, l := range append([]lab.Layout{p.Layout}, p.WiderLayouts...) {
		for _, d := range l.Doubts {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// printPhases logs how scenarios were expanded into phases.
func (m *measurement) printPhases(p lab.Plan) {
	for _, s := range p.Scenarios {
		m.messagef("%s on %s: %s", s.Name, strings.Join(s.Variants, ", "), loadText(s))
	}
	if n := plan.PendingPilots(p); n > 0 {
		m.messagef("%s first, for rates that are shares of a peak", plural(n, "pilot", "pilots"))
	}
}

// finish marks the run with how it ended and prints the table of what was
// measured, which an interruption does not lose.
func (m *measurement) finish(run *record.Run, host record.Host, cause error) error {
	state, reason := record.Done, ""
	switch {
	case errors.Is(cause, ErrInterrupted):
		state, reason = record.Interrupted, "interrupted by the user"
	case cause != nil:
		state, reason = record.Failed, cause.Error()
	}
	between := betweenRuns(context.WithoutCancel(m.ctx), m.resultsDir(), host)
	err := run.Update(func(i *record.Info) { i.BetweenRuns = between })
	recorded, unread := record.Read(run.Dir())
	if unread != nil {
		return errors.Join(err, unread, run.End(state, reason, time.Now()))
	}
	for _, doubt := range recorded.Doubts {
		m.messagef("doubt: %s", doubt)
	}
	r := report.New(recorded.Info.Plan, recorded.Rows, recorded.MeasuredTrials())
	err = errors.Join(err, run.WriteVerdicts(r.Verdicts.Claims), run.End(state, reason, time.Now()))
	if cause != nil {
		m.messagef("%s: %d rows are kept in %s; lab run --resume %s goes on where it ended", state,
			len(recorded.Rows), run.Dir(), run.ID())
	}
	fmt.Fprint(m.Out, r.Text())
	return err
}

// runRecorder writes each sample into the run's folder.
type runRecorder struct{ run *record.Run }

func (r runRecorder) RecordSamples(samples ...lab.Sample) error { return r.run.AddTrial(samples...) }

func (r runRecorder) RecordRefusals(why map[string]string) error {
	return r.run.Update(func(i *record.Info) {
		refused := maps.Clone(why)
		maps.Copy(refused, i.Refused)
		i.Refused = refused
	})
}

func (r runRecorder) RecordPlan(p lab.Plan) error {
	return r.run.Update(func(i *record.Info) { i.Plan = p })
}

func (r runRecorder) RecordHits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.run.AddHits(s, read)
	return err
}
