package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
	"runtimelab/lab/host"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/session"
	"runtimelab/lab/table"
)

type doctorCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Run checks everything that a run depends on. The exit code is 1 if a check fails; a
// warning is not a failure.
func (c *doctorCommand) Run(a *app) error {
	root, err := a.rootDir()
	if err != nil {
		return err
	}
	facts, err := host.Inspect(a.ctx, root)
	if err != nil {
		return err
	}
	checks := append(facts.Checks(), engineChecks(a)...)
	if a.ctx.Err() != nil {
		return context.Cause(a.ctx) // otherwise the interrupted checks would count as failed
	}
	if c.JSON {
		if err := a.printJSON(map[string]any{"facts": facts, "checks": checks}); err != nil {
			return err
		}
	} else {
		t := table.Text{Columns: []table.Column{{MinWidth: 4}, {MinWidth: 10}}}
		for _, check := range checks {
			t.Row(string(check.Status), check.Name, check.Detail)
			if check.Fix != "" {
				t.Row("", "", "fix: "+check.Fix)
			}
		}
		fmt.Fprint(a.Out, t.String())
	}
	var failed []string
	for _, check := range checks {
		if check.Status == host.Fail {
			failed = append(failed, check.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("cannot measure here: %s", strings.Join(failed, ", "))
	}
	return nil
}

// engineChecks checks the engine, and removes the containers of dead runs from it.
func engineChecks(a *app) []host.Check {
	e, err := connect(a.ctx)
	if err != nil {
		return []host.Check{failedCheck("engine", err)}
	}
	defer func() { _ = e.Close() }() // an error here affects no check
	facts, err := e.Facts(a.ctx)
	if err != nil {
		return []host.Check{failedCheck("engine", err)}
	}
	checks := []host.Check{
		{Name: "engine", Status: host.OK, Detail: fmt.Sprintf("%s %s at %s, API %s, storage %s",
			facts.Kind, facts.Version, e.Location(), facts.API, facts.Storage)},
		cgroupCheck(facts, e.Local()),
	}
	if swept, err := e.Sweep(a.ctx); err != nil {
		checks = append(checks, failedCheck("left-overs", err))
	} else {
		checks = append(checks, host.Check{
			Name: "left-overs", Status: host.OK,
			Detail: message.Count(swept, "container", "containers") + " of dead runs removed",
		})
	}
	checks = append(checks, cellChecks(a, e, facts)...)
	return append(checks, registryCheck(a, e))
}

// cgroupCheck warns if the peak memory of servers cannot be read: with cgroup v2 the
// engine does not report it, and its file is on the engine's machine.
func cgroupCheck(f engine.Facts, local bool) host.Check {
	c := host.Check{Name: "cgroups", Status: host.OK, Detail: "version " + f.CgroupVersion}
	if f.CgroupVersion == "2" && !local {
		c.Status = host.Warn
		c.Detail += ", on another machine: the peak memory of servers cannot be read from here; " +
			"its column stays empty"
		c.Fix = "not needed unless you compare memory"
	}
	return c
}

// cellChecks opens a lease on the engine, and checks the machine as seen from inside it,
// which is how cells see it.
func cellChecks(a *app, e engine.Engine, facts engine.Facts) (checks []host.Check) {
	fail := func(err error) []host.Check { return append(checks, failedCheck("cell", err)) }
	lease, err := session.OpenLease(a.ctx, e, facts.Arch, version())
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := lease.End(a.ctx); err != nil {
			checks = append(checks, failedCheck("cell", err))
		}
	}()
	topology, err := lease.Probe(a.ctx)
	if err != nil {
		return fail(err)
	}
	checks = append(checks,
		host.Check{Name: "cell", Status: host.OK, Detail: fmt.Sprintf("interfaces %s; %s, kernel %s",
			strings.Join(topology.Interfaces, ", "), topology.CPUModel, topology.Kernel)})
	if topology.Nofile < engine.Nofile {
		checks = append(checks, host.Check{
			Name: "nofile", Status: host.Warn,
			Detail: fmt.Sprintf("containers may have only %d open files instead of %d",
				topology.Nofile, engine.Nofile),
			Fix: "raise the engine's hard limit (LimitNOFILE of its service, or ulimit -Hn where it is " +
				"started) and restart it",
		})
	}
	quota, err := checkQuotas(a.ctx, e, lease, topology.CPUs)
	if err != nil {
		return fail(err)
	}
	return append(checks, quota, conditionsCheck(topology.Conditions), layoutCheck(topology))
}

// checkQuotas looks for CPU quotas above the engine's containers. It runs no canaries
// while a run is measuring, because they would disturb it.
func checkQuotas(
	ctx context.Context, e engine.Engine, lease *session.Lease, cpus []lab.CPU,
) (c host.Check, err error) {
	quotas, err := lease.ReadQuotas(ctx, cpus)
	if err != nil {
		return c, err
	}
	measuring := e.MeasuringLockHolder(ctx)
	if measuring == "" {
		err = quotas.MeasureStops(ctx, lease)
	}
	return quotaCheck(quotas, measuring), err
}

// quotaCheck judges the quotas above the engine's containers. measuring describes a run
// that is measuring, during which no canaries run; it is empty if there is none.
func quotaCheck(quotas session.Quotas, measuring string) host.Check {
	c := host.Check{Name: "cpu quota", Status: host.OK}
	c.Detail = "none above the engine's containers that can be read from here"
	if !quotas.Known {
		c.Detail = "the cgroups above the engine's containers cannot be read from here"
	}
	if descriptions := quotas.DescribeLow(); len(descriptions) > 0 {
		c.Status, c.Detail = host.Warn, strings.Join(descriptions, "; ")
		for _, q := range quotas.Above {
			if q.Throttled > 0 {
				c.Detail += fmt.Sprintf("; %s was stopped in %s so far", q.Cgroup,
					message.Count(int(q.Throttled), "period", "periods"))
			}
		}
	}
	switch {
	case measuring != "":
		c.Detail += "; not tested by keeping all CPUs busy, because a run is measuring: " + measuring
	case quotas.StopContainers():
		c.Status = host.Warn
		c.Detail += fmt.Sprintf("; a container that keeps all CPUs busy was stopped for %d ms "+
			"while a CPU was idle", quotas.Stopped.Milliseconds())
	default:
		c.Detail += "; a container that keeps all CPUs busy was not stopped"
	}
	if c.Status == host.Warn {
		c.Fix = "lift the limit: CPUQuota= of the slice, --cpus of the container that the engine runs in, " +
			"or the CI runner's limit; trials that use it up are disturbed"
	}
	return c
}

// conditionsCheck reports what influences the speed of the engine's machine.
func conditionsCheck(c lab.Conditions) host.Check {
	describe := func(name, value string) string { return name + " " + cmp.Or(value, "unknown") }
	check := host.Check{Name: "conditions", Status: host.OK, Detail: strings.Join([]string{
		describe("governor", strings.Join(c.Governors, ", ")),
		describe("turbo", c.Turbo),
		describe("SMT", c.SMT),
		describe("power", c.Power),
		describe("virtualisation", c.Virtualisation),
		message.Count(len(c.Mitigations), "vulnerability", "vulnerabilities") + " mitigated or open",
	}, "; ")}
	if doubts := c.Doubts(); len(doubts) > 0 {
		check.Status = host.Warn
		check.Detail += ": " + strings.Join(doubts, "; ")
		check.Fix = "plug the machine in, and set its governor: cpupower frequency-set --governor performance"
	}
	return check
}

// layoutCheck reports which CPUs the generator and a server would get.
func layoutCheck(t lab.Topology) host.Check {
	layout, err := plan.NewLayout(t)
	if err != nil {
		return failedCheck("layout", err)
	}
	c := host.Check{
		Name: "layout", Status: host.OK,
		Detail: fmt.Sprintf("generator and lab on CPU %s, server on CPU %s",
			lab.CPUList(layout.Generator), lab.CPUList(layout.Server)),
	}
	if len(layout.Doubts) > 0 {
		c.Status = host.Warn
		c.Detail += "; " + strings.Join(layout.Doubts, "; ")
		c.Fix = "measure on a machine with more physical cores"
	}
	return c
}

// registryTimeout bounds the request to a registry.
const registryTimeout = 10 * time.Second

// registryCheck reports whether the engine can pull official base images.
func registryCheck(a *app, e engine.Engine) host.Check {
	_, library, err := a.loadScripts()
	if err != nil {
		return failedCheck("registry", err)
	}
	i := slices.IndexFunc(library.Runtimes, func(r lab.Runtime) bool { return !r.IsOwnImage() })
	if i < 0 {
		return failedCheck("registry", errors.New("no script of a runtime with a base can be read: see lab list"))
	}
	ctx, cancel := context.WithTimeout(a.ctx, registryTimeout)
	defer cancel()
	official := library.Runtimes[i].Base.Official
	if err := e.CheckInRegistry(ctx, official); err != nil {
		return host.Check{
			Name: "registry", Status: host.Warn,
			Detail: official + " cannot be pulled from here: stand-ins from Debian packages will replace " +
				"official images",
			Fix: "give the engine access to its registry (proxy, mirror), or load the official images into it",
		}
	}
	return host.Check{Name: "registry", Status: host.OK, Detail: "official images can be pulled"}
}

// failedCheck returns a check that failed with err, with the hint of err as its fix.
func failedCheck(name string, err error) host.Check {
	c := host.Check{Name: name, Status: host.Fail, Detail: err.Error()}
	var userErr *fault.Error
	if errors.As(err, &userErr) {
		c.Detail, c.Fix = userErr.Err.Error(), userErr.Hint
	}
	return c
}
