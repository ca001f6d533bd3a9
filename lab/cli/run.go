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
	choice
	Resume string `help:"Finish an earlier run that was interrupted, killed or failed: same plan, seed and images." placeholder:"RUN"`
	Raw    bool   `help:"Also keep every hit of every attack in raw/, for vegeta report and vegeta plot: a gigabyte or more for every five minutes."`
	Bases  string `help:"What images are built on: official images, stand-ins from Debian packages, or auto." default:"auto" env:"LAB_BASES"`
}

// Run measures.
func (c *runCommand) Run(a *app) error {
	bases, err := image.ParseMode(c.Bases)
	if err != nil {
		return err
	}
	chosen, err := c.chosen(a)
	if err != nil {
		return err
	}
	if chosen.resumed != nil && bases == image.Auto {
		bases = basesOf(chosen.resumed.Info)
	}
	// Said now, and not once images are built and an hour is measured.
	if err := record.Room(chosen.resultsDir(), roomNeeded); err != nil {
		return err
	}
	if chosen.resumed != nil {
		if err := record.Free(chosen.resumed.Dir); err != nil {
			return err
		}
	}
	rules, err := contract.Load(filepath.Join(chosen.checkout, "runtimes", "contract.json"))
	if err != nil {
		return err
	}
	m := &measurement{app: a, chosen: chosen, bases: bases, raw: c.Raw, rules: rules}
	return m.run(a.ctx)
}

// roomNeeded is more than a run of all that ships writes, without its hits.
const roomNeeded = 64 << 20

// What hits take where they are kept: each is some 110 bytes in Vegeta's encoding.
// The fastest servers answer 80 000 a second on a core, but not in warm-ups, of
// which no hit is kept, and which take almost half of a trial.
const (
	bytesPerHit   = 128
	hitsPerSecond = 40_000
)

// roomForHits is what the attacks of the trials that are left may write.
func roomForHits(p lab.Plan, ended map[lab.TrialID]bool) uint64 {
	p.Trials = slices.DeleteFunc(slices.Clone(p.Trials), func(t lab.Trial) bool { return ended[t.ID()] })
	attacks := plan.Expected(p) - time.Duration(len(p.Trials))*plan.TrialOverhead
	return uint64(attacks.Seconds() * hitsPerSecond * bytesPerHit)
}

// chosen is what the run does: what the user chose, or what an earlier run left.
func (c *runCommand) chosen(a *app) (*chosen, error) {
	if c.Resume == "" {
		return c.resolve(a.ctx, a)
	}
	if !c.empty() || c.Raw {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: errors.New("--resume finishes a run as it was begun, and takes no scenarios and no other choice beside it"),
			Hint: "Leave them out, or leave out --resume.",
		}
	}
	return c.resume(a, c.Resume)
}

// measurement is one lab run on its way.
type measurement struct {
	*app
	*chosen
	bases image.Mode
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
		if err := m.roomForHits(p); err != nil {
			return err
		}
		return m.experiment(ctx, p, left)
	})
}

// roomForHits makes sure that there is room for the hits, where they are kept.
func (m *measurement) roomForHits(p lab.Plan) error {
	switch {
	case m.resumed != nil && m.resumed.Info.Raw:
		return record.Room(filepath.Dir(m.resumed.Dir), roomNeeded+roomForHits(p, m.resumed.Ended()))
	case m.raw:
		return record.Room(m.resultsDir(), roomNeeded+roomForHits(p, nil))
	}
	return nil
}

// fittingPlan is the plan without what this machine cannot do, and what that is.
func (m *measurement) fittingPlan() (p lab.Plan, left []string, err error) {
	scenarios := m.scenarios
	if m.earlier == nil {
		scenarios, left = plan.Fit(m.scenarios, len(m.topology.CPUs), m.nofile)
	}
	for _, words := range left {
		m.say("%s", words)
	}
	if len(scenarios) == 0 {
		return p, left, &lab.Fault{Code: lab.ExitFailed, Err: errors.New("nothing that was chosen can run here"), Hint: "lab list shows what else there is"}
	}
	wider, err := plan.Wider(m.topology, m.layout, scenarios)
	if err != nil {
		return p, left, err
	}
	p, err = m.plan(scenarios, m.layout, wider...)
	return p, left, err
}

func (m *measurement) experiment(ctx context.Context, p lab.Plan, left []string) error {
	cast, err := m.cast(ctx, p)
	if err != nil {
		return err
	}
	info, err := m.begun(p, cast, left)
	if err != nil {
		return err
	}
	e := &experiment.Experiment{
		HostID:    info.Host.ID,
		Plan:      p,
		Variants:  cast.variants,
		Images:    cast.images,
		Missing:   cast.missing,
		Cells:     m.cells(),
		Examiner:  contract.NewExam(m.rules, m.seed, randomInputs, m.expected()),
		Between:   betweenAskings,
		Responder: serve.Target(),
		KeepHits:  info.Raw,
	}
	// A mistake of the script's is told before minutes of calibration, and begins no run.
	refused, err := m.examined(ctx, e)
	if err != nil {
		return err
	}
	if m.resumed == nil {
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
	if m.resumed != nil {
		m.say("resumed: %s measured already, about %s left", plural(len(ended), "trial is", "trials are"), watched.remaining())
	}
	e.RunID, e.Ended, e.Calibration = run.ID(), ended, info.Calibration
	e.Recorder, e.Observer = recorder{run}, watched
	err = e.Run(ctx)
	watched.Close()
	return errors.Join(err, m.finish(run, info.Host, err))
}

// begun is what the rows of the run have in common: as it was, where it is resumed.
func (m *measurement) begun(p lab.Plan, cast cast, left []string) (record.Info, error) {
	info := m.info(p, cast)
	info.Notes = left
	if m.resumed == nil {
		return info, nil
	}
	was := m.resumed.Info
	err := unchangedSince(was, info)
	// The host's id may be an older lab's.
	info.Calibration, info.Raw, info.Host = was.Calibration, was.Raw, was.Host
	return info, err
}

// open is the run's folder, and the trials that have ended there.
func (m *measurement) open(info record.Info) (*record.Run, map[lab.TrialID]bool, error) {
	if m.resumed == nil {
		run, err := record.Create(m.resultsDir(), m.id, info)
		return run, nil, err
	}
	run, earlier, err := record.Resume(m.resumed.Dir, m.resumed.Info.Plan, time.Now())
	if err != nil {
		return nil, nil, err
	}
	for _, doubt := range earlier.Doubts {
		m.say("%s", doubt)
	}
	return run, earlier.Ended(), nil
}

// pointLatest is no reason to end a run: it is as good without the link, which some
// file systems cannot have.
func (m *measurement) pointLatest(run *record.Run) {
	if err := run.PointLatest(m.resultsDir()); err != nil {
		m.say("note: %v", err)
		m.note(run, err.Error())
	}
}

// note keeps words with the run.
func (m *measurement) note(run *record.Run, words string) {
	if err := run.Note(words); err != nil {
		m.say("%v", err)
	}
}

// cast is who takes part in a plan's trials, by variant id.
type cast struct {
	variants map[string]lab.Variant
	images   map[string]lab.Image
	missing  map[string]string // why a variant has no image
}

// cast builds the images that a plan's trials need. A twin runs from its
// original's, and the lab's own responders from the agent's.
func (m *measurement) cast(ctx context.Context, p lab.Plan) (all cast, err error) {
	takesPart := map[string]bool{}
	for _, t := range p.Trials {
		takesPart[t.Variant], takesPart[lab.OriginalOf(t.Variant)] = true, true
	}
	all.variants = make(map[string]lab.Variant)
	runtimes := m.library.RuntimesOf(func(v lab.Variant) bool { return takesPart[v.ID()] })
	if all.images, all.missing, err = m.images(ctx, runtimes); err != nil {
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

func (m *measurement) info(p lab.Plan, all cast) record.Info {
	return record.Info{
		StartedAt: time.Now().UTC(),
		Plan:      p,
		Raw:       m.raw,
		Entrants:  all.entrants(p),
		Host:      record.HostOf(m.topology),
		Engine: map[string]string{
			"kind": m.facts.Kind, "version": m.facts.Version, "api_version": m.facts.API, "cgroup_version": m.facts.CgroupVersion,
			"os": m.facts.OS, "kernel": m.facts.Kernel, "arch": m.facts.Arch, "storage": m.facts.Storage,
		},
		Versions: versions(),
	}
}

// entrants are those of the cast that a plan's trials are of.
func (c cast) entrants(p lab.Plan) map[string]record.Entrant {
	all := make(map[string]record.Entrant)
	for _, t := range p.Trials {
		all[t.Variant] = record.Entrant{Variant: c.variants[t.Variant], Image: c.images[t.Variant]}
	}
	return all
}

// announce says beforehand what the run will do and how long it takes.
func (m *measurement) announce(p lab.Plan, run *record.Run) {
	m.say("run %s: profile %s, %d trials in %d blocks, seed %d, about %s and at most %s",
		run.ID(), p.Profile.Name, len(p.Trials), p.Profile.Blocks, p.Seed, plan.Expected(p).Round(time.Second), plan.Duration(p).Round(time.Second))
	m.say("CPUs: generator and lab on %s, server on %s, of %d (%s)",
		lab.CPUList(p.Layout.Generator), lab.CPUList(p.Layout.Server), len(m.topology.CPUs), m.topology.Model)
	for _, l := range p.Wider {
		m.say("CPUs where a server is given %d: generator and lab on %s, server on %s", len(l.Server), lab.CPUList(l.Generator), lab.CPUList(l.Server))
	}
	for _, doubt := range doubts(p) {
		m.say("doubt: %s", doubt)
	}
	m.explain(p)
	m.say("results: %s", run.Dir())
}

// doubts are those of all layouts, each once.
func doubts(p lab.Plan) (all []string) {
	for _, l := range append([]lab.Layout{p.Layout}, p.Wider...) {
		for _, d := range l.Doubts {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// explain logs how scenarios were expanded into phases.
func (m *measurement) explain(p lab.Plan) {
	for _, s := range p.Scenarios {
		m.say("%s on %s: %s", s.Name, strings.Join(s.Variants, ", "), load(s))
	}
	if n := plan.PilotsToFind(p); n > 0 {
		m.say("%s first, for rates that are shares of a peak", plural(n, "pilot", "pilots"))
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
		m.say("doubt: %s", doubt)
	}
	r := report.Of(recorded.Info.Plan, recorded.Rows, recorded.Measured())
	err = errors.Join(err, run.Conclude(r.Judged.Claims), run.End(state, reason, time.Now()))
	if cause != nil {
		m.say("%s: %d rows are kept in %s; lab run --resume %s goes on where it ended", state, len(recorded.Rows), run.Dir(), run.ID())
	}
	fmt.Fprint(m.Out, r.Text())
	return err
}

// recorder writes each sample into the run's folder.
type recorder struct{ run *record.Run }

func (r recorder) Record(samples ...lab.Sample) error { return r.run.Add(samples...) }

func (r recorder) Refuse(why map[string]string) error {
	return r.run.Update(func(i *record.Info) {
		refused := maps.Clone(why)
		maps.Copy(refused, i.Refused)
		i.Refused = refused
	})
}

func (r recorder) Freeze(p lab.Plan) error {
	return r.run.Update(func(i *record.Info) { i.Plan = p })
}

func (r recorder) Hits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.run.AddHits(s, read)
	return err
}
