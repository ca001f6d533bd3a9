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
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// randomInputs is how many seeded inputs every variant answers beside the
// contract's vectors.
const randomInputs = 200

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
		images, missing, err := m.images(ctx, s.builder)
		if err != nil {
			return err
		}
		return m.experiment(ctx, images, missing)
	})
}

// images builds what the scenarios' variants need. missing says why a variant
// has no image; without any image there is nothing to measure.
func (m *measurement) images(ctx context.Context, builder *image.Builder) (images map[string]lab.Image, missing map[string]string, err error) {
	runtimes := m.runtimes()
	built := builder.Ensure(ctx, runtimes)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	images, missing = make(map[string]lab.Image), make(map[string]string)
	var failures []error
	for _, r := range runtimes {
		result := built[r.Name]
		if result.Err != nil {
			failures = append(failures, result.Err)
			m.say("%s is not measured: %v", r.Name, result.Err)
		}
		for _, v := range r.Variants {
			if result.Err != nil {
				cause, _, _ := strings.Cut(result.Err.Error(), "\n") // the rest was shown above
				missing[v.ID()] = "image: " + cause
			} else {
				images[v.ID()] = result.Image
			}
		}
	}
	if len(images) == 0 {
		return nil, nil, fmt.Errorf("no runtime's image could be built: %w", errors.Join(failures...))
	}
	return images, missing, nil
}

// runtimes is those that the scenarios' variants belong to.
func (m *measurement) runtimes() []lab.Runtime {
	var needed []lab.Runtime
	for _, r := range m.library.Runtimes {
		if slices.ContainsFunc(r.Variants, func(v lab.Variant) bool {
			return slices.ContainsFunc(m.scenarios, func(s lab.Scenario) bool { return slices.Contains(s.Variants, v.ID()) })
		}) {
			needed = append(needed, r)
		}
	}
	return needed
}

func (m *measurement) experiment(ctx context.Context, images map[string]lab.Image, missing map[string]string) error {
	calibration, err := m.calibration(ctx, m.profile.Name == briefProfile)
	if err != nil {
		return err
	}
	layout := m.layout
	p, err := plan.New(m.profile, m.scenarios, m.seed, layout)
	if err != nil {
		return err
	}
	info := m.info(p, calibration)
	run, err := record.Create(filepath.Join(m.checkout, "results"), m.id, info)
	if err != nil {
		return err
	}
	m.announce(p, run.Dir())
	e := &experiment.Experiment{
		RunID:    m.id,
		HostID:   info.Host.ID,
		Plan:     p,
		Variants: m.variants(),
		Images:   images,
		Missing:  missing,
		Cells:    m.cells(),
		Examiner: contract.NewExam(m.rules, m.seed, randomInputs, contract.Expected{MemoryLimit: engine.ServerMemory, Nofile: m.nofile}),
		Recorder: recorder{run},
		Observer: newProgress(m.Err, p, func(note string) {
			if err := run.Update(func(i *record.Info) { i.Notes = append(i.Notes, note) }); err != nil {
				m.say("%v", err)
			}
		}),
	}
	e.Calibration, e.KeepHits = calibration, m.raw
	err = e.Run(ctx)
	return errors.Join(err, m.finish(run, err))
}

func (m *measurement) variants() map[string]lab.Variant {
	byID := make(map[string]lab.Variant)
	for _, r := range m.library.Runtimes {
		for _, v := range r.Variants {
			byID[v.ID()] = v
		}
	}
	return byID
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
	m.say("run %s: profile %s, %d trials in %d blocks, seed %d, at most %s",
		m.id, p.Profile.Name, len(p.Trials), p.Profile.Blocks, p.Seed, plan.Duration(p).Round(time.Second))
	m.say("CPUs: generator and lab on %s, server on %s, of %d (%s)",
		lab.CPUList(p.Layout.Generator), lab.CPUList(p.Layout.Server), len(m.topology.CPUs), m.topology.Model)
	for _, doubt := range p.Layout.Doubts {
		m.say("doubt: %s", doubt)
	}
	m.say("results: %s", dir)
}

// finish marks the run with how it ended and prints the table of what was
// measured, which an interruption does not lose.
func (m *measurement) finish(run *record.Run, cause error) error {
	state, reason := record.Done, ""
	switch {
	case errors.Is(cause, ErrInterrupted):
		state, reason = record.Interrupted, "interrupted by the user"
	case cause != nil:
		state, reason = record.Failed, cause.Error()
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
	fmt.Fprint(m.Out, report.Summarise(recorded.Rows).Text())
	return nil
}

// recorder writes each sample into the run's folder.
type recorder struct{ run *record.Run }

func (r recorder) Record(s lab.Sample) error { return r.run.Add(s) }

func (r recorder) Hits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.run.AddHits(s, read)
	return err
}
