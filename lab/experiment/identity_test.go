package experiment

import (
	"context"
	"strings"
	"testing"

	"runtimelab/lab"
)

// It must refuse a variant for everything that would fail each of its trials.
func TestTheContractCheckIncludesTheIdentity(t *testing.T) {
	const wrong = "it says keep_alive_s 5, the lab requires at least 75"
	for name, spoil := range map[string]func(*world){
		"everywhere":          func(w *world) { w.identity = []string{wrong} },
		"on the trial's CPUs": func(w *world) { w.identityOnTrials = []string{wrong} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			spoil(w)
			e := newExperiment(w, "a")
			e.Plan = lab.Plan{Layout: e.Plan.Layout} // as in lab contract
			refused, err := e.CheckContract(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if name == "on the trial's CPUs" && len(refused) > 0 {
				t.Errorf("refused on all CPUs: %q", refused)
			}
			if refused, err = e.CheckIdentities(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := refused["rt/a"], "contract: identity: "+wrong; got != want {
				t.Errorf("refused for %q, want %q", got, want)
			}
			if got := strings.Join(w.refused["rt/a"], "|"); got != "identity: "+wrong {
				t.Errorf("the observer got %q", got)
			}
			w.checkNothingOpen(t)
		})
	}
}

func TestTheContractCheckAcceptsAGoodVariant(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b")
	for _, check := range []func(context.Context) (map[string]string, error){
		e.CheckContract,
		e.CheckIdentities,
	} {
		if refused, err := check(t.Context()); err != nil || len(refused) > 0 {
			t.Errorf("refused %q, error %v", refused, err)
		}
	}
	w.checkNothingOpen(t)
}

func TestARunRefusesAWrongIdentityBeforeItsTrials(t *testing.T) {
	w := newWorld()
	w.identity = []string{"it says backlog 511, the lab requires 4096"}
	if err := newExperiment(w, "a").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := w.recordedRefusals["rt/a"]; !strings.HasSuffix(why,
		"identity: it says backlog 511, the lab requires 4096") {
		t.Errorf("the recorded refusal is %q", why)
	}
	if opened := w.openedCells.Load(); opened != 1 {
		t.Errorf("%d cells were opened, want only that of the contract check", opened)
	}
}

func TestCheckUnchangedListsTheFieldsThatDiffer(t *testing.T) {
	on, off := true, false
	before := lab.Identity{Runtime: "python", GIL: &off, Workers: 1, Build: map[string]string{"a": "1"}}
	underLoad := before
	underLoad.Build = map[string]string{"a": "1"}
	if err := checkUnchanged(before, underLoad); err != nil {
		t.Errorf("equal identities: %v", err)
	}
	underLoad.GIL, underLoad.Workers = &on, 2
	const want = "identity: it changed under load: workers was 1, is 2; gil was false, is true"
	if err := checkUnchanged(before, underLoad); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
