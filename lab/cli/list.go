package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/script"
	"runtimelab/lab/table"
)

type listCommand struct {
	Names []string `arg:"" optional:"" name:"scenarios" help:"${list_names_help}"`
	JSON  bool     `help:"Print JSON." name:"json"`
}

// listOutput is the output of lab list --json.
type listOutput struct {
	Claims    []lab.Claim      `json:"claims"` // in the order of reports
	Scenarios []listedScenario `json:"scenarios"`
	Workloads []listedWorkload `json:"workloads"`
	Services  []listedService  `json:"services"`
	Runtimes  []listedRuntime  `json:"runtimes"`
	Faults    []string         `json:"faults"` // mistakes in scripts: file:line:column and message
}

type listedScenario struct {
	Name     string   `json:"name"`
	About    string   `json:"about"`
	File     string   `json:"file"`
	Variants []string `json:"variants"`
	// LeftOut are the variants that do not offer what it asks, and that the script does not name.
	LeftOut  []lab.LeftOutVariant `json:"left_out,omitempty"`
	Phases   []lab.Phase          `json:"phases"`
	Cores    []int                `json:"cores"`
	Services []string             `json:"services"` // beside the server
	// The longest duration of one block of the scenario in the profile quick, in seconds:
	// one trial of each variant on each number of CPUs.
	BlockS float64 `json:"quick_block_s"`

	Hypotheses []lab.Hypothesis  `json:"hypotheses,omitempty"`
	Promises   []lab.Promise     `json:"promises,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"` // defaults by name
}

type listedWorkload struct {
	Name      string   `json:"name"`
	About     string   `json:"about"`
	May       []string `json:"may"`     // what an application is free to do
	MayNot    []string `json:"may_not"` // what would make it do other work
	Paths     []string `json:"paths"`
	Needs     []string `json:"needs,omitempty"` // services
	OfferedBy []string `json:"offered_by"`      // ids of variants
}

type listedService struct {
	Name  string   `json:"name"`
	About string   `json:"about"`
	Role  lab.Role `json:"role"`
	Base  string   `json:"base"`
	Port  int      `json:"port"`
}

type listedRuntime struct {
	Name     string          `json:"name"`
	About    string          `json:"about"`
	Base     string          `json:"base"`
	Variants []listedVariant `json:"variants"`
}

type listedVariant struct {
	ID    string `json:"id"`
	Model string `json:"model"`
	About string `json:"about"`
	// Offers are the workloads that it offers. None: it has an API of its own.
	Offers []string `json:"offers"`
}

// Run lists scenarios, variants, workloads and services. Scripts with mistakes do not hide the others: their
// mistakes are printed, and the exit code is 2.
func (c *listCommand) Run(a *app) error {
	_, library, err := a.loadScripts(scriptPaths(c.Names)...)
	if err != nil {
		return err
	}
	l := newListOutput(library)
	if len(c.Names) > 0 {
		scenarios, err := library.Select(c.Names...)
		if err != nil {
			return err
		}
		l.keep(scenarios)
	}
	if c.JSON {
		if err := a.printJSON(l); err != nil {
			return err
		}
	} else {
		l.print(a.Out)
	}
	return library.Err()
}

// newListOutput returns the content of a library. Its lists are never nil, so that they
// are [] in JSON.
func newListOutput(library *script.Library) listOutput {
	l := listOutput{
		Claims:    append([]lab.Claim{}, library.Claims...),
		Scenarios: []listedScenario{}, Workloads: []listedWorkload{}, Services: []listedService{},
		Runtimes: []listedRuntime{}, Faults: []string{},
	}
	for _, s := range library.Scenarios {
		l.Scenarios = append(l.Scenarios, listedScenario{
			Name: s.Name, About: s.About, File: s.File, Variants: s.Variants, LeftOut: s.LeftOut,
			Phases: s.Phases, Cores: s.Cores,
			Services: s.Services, BlockS: blockDuration(s).Seconds(),
			Hypotheses: s.Hypotheses, Promises: s.Promises, Parameters: s.Parameters,
		})
	}
	for _, w := range library.Workloads.All() {
		listed := listedWorkload{
			Name: w.Name, About: w.About(), May: w.May(), MayNot: w.MayNot(), Paths: w.Paths(),
			Needs: w.Needs(), OfferedBy: []string{},
		}
		for _, v := range library.Variants() {
			if slices.Contains(library.Workloads.OfferedBy(v), w) {
				listed.OfferedBy = append(listed.OfferedBy, v.ID())
			}
		}
		l.Workloads = append(l.Workloads, listed)
	}
	for _, s := range library.Services {
		l.Services = append(l.Services, listedService{
			Name: s.Service.Name, About: s.About, Role: s.Service.Role,
			Base: cmp.Or(s.Source.Base.Official, s.Source.Image), Port: s.Service.Port,
		})
	}
	for _, r := range library.Runtimes {
		listed := listedRuntime{Name: r.Name, About: r.About, Base: cmp.Or(r.Base.Official, r.Image)}
		for _, v := range r.Variants {
			listed.Variants = append(listed.Variants,
				listedVariant{v.ID(), v.Model, v.About, append([]string{}, v.Offers...)})
		}
		l.Runtimes = append(l.Runtimes, listed)
	}
	for _, f := range library.Faults {
		l.Faults = append(l.Faults, f.Error())
	}
	return l
}

// keep removes all scenarios but the given ones, and the variants that these do not run on.
func (l *listOutput) keep(scenarios []lab.Scenario) {
	used := map[string]bool{}
	for _, s := range scenarios {
		for _, id := range s.Variants {
			used[lab.OriginalOf(id)] = true
		}
	}
	l.Scenarios = slices.DeleteFunc(l.Scenarios, func(listed listedScenario) bool {
		return !slices.ContainsFunc(scenarios, func(s lab.Scenario) bool { return s.Name == listed.Name })
	})
	for i := range l.Runtimes {
		l.Runtimes[i].Variants = slices.DeleteFunc(l.Runtimes[i].Variants,
			func(v listedVariant) bool { return !used[v.ID] })
	}
	l.Runtimes = slices.DeleteFunc(l.Runtimes, func(r listedRuntime) bool { return len(r.Variants) == 0 })
}

// blockDuration returns the longest duration of one block of a scenario in the default
// profile: one trial of each variant on each number of CPUs.
func blockDuration(s lab.Scenario) time.Duration {
	profile, err := plan.ProfileByName(defaultProfile)
	if err != nil {
		panic(err) // the default profile is one of the profiles
	}
	return time.Duration(len(s.Variants)*len(s.Cores)) * plan.WorstScenarioDuration(profile, s)
}

// scenarioWidth and variantWidth are the widths of columns with the names of scenarios and variants,
// unless a name is longer.
const scenarioWidth, variantWidth = 17, 29

func (l listOutput) print(w io.Writer) {
	scenarios := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}}}
	for _, s := range l.Scenarios {
		scenarios.Row(s.Name, s.About)
		scenarios.Row("", "on "+strings.Join(s.Variants, ", "))
		for _, v := range s.LeftOut {
			scenarios.Row("", "left out: "+v.String())
		}
		scenarios.Row("", fmt.Sprintf("%s; at most %v a block of %s",
			loadText(lab.Scenario{Phases: s.Phases, Cores: s.Cores, Services: s.Services}),
			time.Duration(s.BlockS*float64(time.Second)).Round(time.Second), defaultProfile))
		if claims := claimsWithProfiles(lab.Tests(s.Hypotheses, s.Promises)); len(claims) > 0 {
			scenarios.Row("", "tests "+strings.Join(claims, ", "))
		}
		for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
			scenarios.Row("", fmt.Sprintf("-p %s=%s", name, s.Parameters[name]))
		}
	}
	var ids []string
	variants := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: variantWidth}}}
	for _, r := range l.Runtimes {
		for _, v := range r.Variants {
			variants.Row(v.ID, v.About)
			ids = append(ids, v.ID)
		}
	}
	workloads := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}}}
	for _, x := range l.Workloads {
		workloads.Row(x.Name, x.About)
		workloads.Row("", strings.Join(x.Paths, ", "))
		workloads.Row("", "offered by "+offererText(x.OfferedBy, ids))
	}
	fmt.Fprintf(w, "Scenarios\n%sVariants\n%s", scenarios.String(), variants.String())
	if len(l.Workloads) > 0 {
		fmt.Fprintf(w, "Workloads\n%s", workloads.String())
	}
	services := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}}}
	for _, s := range l.Services {
		services.Row(s.Name, s.About)
		services.Row("", fmt.Sprintf("%s on port %d", s.Role, s.Port))
	}
	if len(l.Services) > 0 {
		fmt.Fprintf(w, "Services\n%s", services.String())
	}
	for _, g := range lab.GroupClaims(l.Claims) {
		claims := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}}}
		for _, c := range g.Claims {
			claims.Row(c.ID, c.Statement)
		}
		fmt.Fprintf(w, "%s\n%s", g.Heading("Claims"), claims.String())
	}
}

// offererText names those of all variants that offer a workload: "bun/serve, node/*".
func offererText(ids, all []string) string {
	if len(ids) == 0 {
		return "no variant"
	}
	return strings.Join(script.ShortenVariants(ids, all), ", ")
}

// claimsWithProfiles returns the claims of tests, each once, with the shortest profile of
// each test: "speed-1 (quick, standard)".
func claimsWithProfiles(tests []lab.Test) (claims []string) {
	profiles := map[string][]string{}
	for _, t := range tests {
		profiles[t.Claim] = append(profiles[t.Claim], t.Profile)
	}
	for _, id := range lab.ClaimsOf(tests) {
		in := slices.DeleteFunc(lab.ProfileNames(),
			func(name string) bool { return !slices.Contains(profiles[id], name) })
		claims = append(claims, fmt.Sprintf("%s (%s)", id, strings.Join(in, ", ")))
	}
	return claims
}

// loadText describes the phases of a scenario, its CPUs and its services in one line.
func loadText(s lab.Scenario) string {
	var words []string
	for _, p := range s.Phases {
		words = append(words, phaseText(p))
	}
	if text := cpusText(s); text != "" {
		words = append(words, text)
	}
	if text := servicesText(s); text != "" {
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// servicesText names the services beside a scenario's server: "with upstream"; empty if there are none.
func servicesText(s lab.Scenario) string {
	if len(s.Services) == 0 {
		return ""
	}
	return "with " + strings.Join(s.Services, " and ")
}

// phaseText describes a phase: "steady at 100/s (poisson)".
func phaseText(p lab.Phase) string {
	text, traits := p.Name, p.Kind.Traits()
	switch {
	case p.PeakShare != nil && p.PeakShare.OfOwnPeak:
		text += fmt.Sprintf(" at %.4g%% of each variant's peak (%s)", 100*p.PeakShare.Fraction, p.Arrivals)
	case p.PeakShare != nil:
		text += fmt.Sprintf(" at %.4g%% of the slowest variant's peak (%s)", 100*p.PeakShare.Fraction, p.Arrivals)
	case traits.FindsCapacity():
		text += fmt.Sprintf(" that keeps %s, from %.7g/s on (%s)", sloText(p), p.RateRPS, p.Arrivals)
	case traits.Load == lab.LoadStartStop:
		text += fmt.Sprintf(" from %.4g to %.4g/s (%s)", p.RateRPS, p.ToRPS, p.Arrivals)
	case traits.Pacing == lab.OpenLoop:
		text += fmt.Sprintf(" at %.7g/s (%s)", p.RateRPS, p.Arrivals)
	default:
		text += " on " + message.Count(p.Connections, "connection", "connections")
	}
	if p.ConnectionPerRequest {
		text += ", one for each request"
	}
	return text
}

// sloText joins the objectives of a phase: "latency_p99_ms below 20 and ...".
func sloText(p lab.Phase) string {
	words := make([]string, len(p.Objectives))
	for i, o := range p.Objectives {
		words[i] = o.String()
	}
	return strings.Join(words, " and ")
}

// cpusText describes the numbers of CPUs of a scenario's servers; it is empty if they
// have one CPU.
func cpusText(s lab.Scenario) string {
	if len(s.Cores) == 0 || len(s.Cores) == 1 && s.Cores[0] == 1 {
		return ""
	}
	words := make([]string, len(s.Cores))
	for i, n := range s.Cores {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ") + " CPUs for the server"
}
