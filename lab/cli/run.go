package cli

import (
	"context"
	"errors"
	"fmt"
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
	Raw   bool   `help:"Also keep every hit of every attack in raw/, for vegeta report and vegeta plot."`
	Bases string `help:"What images are built on: official images, stand-ins from Debian packages, or auto." default:"auto" env:"LAB_BASES"`
}

// Run measures.
func (c *runCommand) Run(a *app) error {
	bases, err := image.ParseMode(c.Bases)
	if err != nil {
		return err
	}
	chosen, err := c.resolve(a.ctx, a)
	if err != nil {
		return err
	}
	rules, err := contract.Load(filepath.Join(chosen.checkout, "runtimes", "contract.json"))
	if err != nil {
		return err
	}
	m := &measurement{app: a, chosen: chosen, bases: bases, raw: c.Raw, rules: rules}
	return m.run(a.ctx)
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
		return m.experiment(ctx, p, left)
	})
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
	calibration, err := m.calibration(ctx, m.profile.Name == briefProfile)
	if err != nil {
		return err
	}
	info := m.info(p, calibration)
	info.Notes = left
	run, err := record.Create(filepath.Join(m.checkout, "results"), m.id, info)
	if err != nil {
		return err
	}
	m.announce(p, run.Dir())
	e := &experiment.Experiment{
		RunID:    m.id,
		HostID:   info.Host.ID,
		Plan:     p,
		Variants: cast.variants,
		Images:   cast.images,
		Missing:  cast.missing,
		Cells:    m.cells(),
		Examiner: contract.NewExam(m.rules, m.seed, randomInputs, m.expected()),
		Recorder: recorder{run},
		Observer: newProgress(m.Err, p, func(note string) {
			if err := run.Update(func(i *record.Info) { i.Notes = append(i.Notes, note) }); err != nil {
				m.say("%v", err)
			}
		}),
	}
	e.Responder, e.Calibration, e.KeepHits = serve.Target(), calibration, m.raw
	err = e.Run(ctx)
	return errors.Join(err, m.finish(run, info.Host.ID, err))
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

func (m *measurement) info(p lab.Plan, c lab.Calibration) record.Info {
	t := m.topology
	return record.Info{
		StartedAt:   time.Now().UTC(),
		Plan:        p,
		Calibration: c,
		Host: record.Host{
			ID:       record.HostID(t.Model, t.Kernel, fmt.Sprint(len(t.CPUs)), fmt.Sprint(t.Memory)),
			Topology: t,
		},
		Engine: map[string]string{
			"version": m.facts.Version, "api_version": m.facts.API, "cgroup_version": m.facts.CgroupVersion,
			"os": m.facts.OS, "kernel": m.facts.Kernel, "arch": m.facts.Arch, "storage": m.facts.Storage,
		},
		Versions: versions(),
	}
}

// announce says beforehand what the run will do and how long it takes.
func (m *measurement) announce(p lab.Plan, dir string) {
	m.say("run %s: profile %s, %d trials in %d blocks, seed %d, about %s and at most %s",
		m.id, p.Profile.Name, len(p.Trials), p.Profile.Blocks, p.Seed, plan.Expected(p).Round(time.Second), plan.Duration(p).Round(time.Second))
	m.say("CPUs: generator and lab on %s, server on %s, of %d (%s)",
		lab.CPUList(p.Layout.Generator), lab.CPUList(p.Layout.Server), len(m.topology.CPUs), m.topology.Model)
	for _, l := range p.Wider {
		m.say("CPUs where a server is given %d: generator and lab on %s, server on %s", len(l.Server), lab.CPUList(l.Generator), lab.CPUList(l.Server))
	}
	for _, doubt := range doubts(p) {
		m.say("doubt: %s", doubt)
	}
	m.explain(p)
	m.say("results: %s", dir)
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
func (m *measurement) finish(run *record.Run, host string, cause error) error {
	state, reason := record.Done, ""
	switch {
	case errors.Is(cause, ErrInterrupted):
		state, reason = record.Interrupted, "interrupted by the user"
	case cause != nil:
		state, reason = record.Failed, cause.Error()
	}
	between := betweenRuns(context.WithoutCancel(m.ctx), filepath.Join(m.checkout, "results"), host)
	if err := run.Update(func(i *record.Info) { i.BetweenRuns = between }); err != nil {
		return err
	}
	if err := run.End(state, reason, time.Now()); err != nil {
		return err
	}
	recorded, err := record.Read(run.Dir())
	if err != nil {
		return err
	}
	for _, doubt := range recorded.Doubts {
		m.say("doubt: %s", doubt)
	}
	if cause != nil {
		m.say("%s: %d rows are kept in %s", state, len(recorded.Rows), run.Dir())
	}
	r := report.Of(recorded.Info.Plan, recorded.Rows)
	fmt.Fprint(m.Out, r.Text())
	return record.WriteVerdicts(run.Dir(), r.Judged.Claims)
}

// recorder writes each sample into the run's folder.
type recorder struct{ run *record.Run }

func (r recorder) Record(s lab.Sample) error { return r.run.Add(s) }

func (r recorder) Freeze(p lab.Plan) error {
	return r.run.Update(func(i *record.Info) { i.Plan = p })
}

func (r recorder) Hits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.run.AddHits(s, read)
	return err
}
