package experiment

import (
	"context"
	"strings"
	"testing"

	"runtimelab/lab"
)

// An examination refuses a variant for what would fail each of its trials.
func TestAnExaminationChecksTheIdentity(t *testing.T) {
	const wrong = "it says keep_alive_s 5, the lab requires at least 75"
	for name, spoil := range map[string]func(*world){
		"everywhere":          func(w *world) { w.identity = []string{wrong} },
		"on the trial's CPUs": func(w *world) { w.onTrials = []string{wrong} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			spoil(w)
			e := experimentOn(w, "a")
			e.Plan = lab.Plan{Layout: e.Plan.Layout} // as lab contract has it
			refused, err := e.CheckContract(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if name == "on the trial's CPUs" && len(refused) > 0 {
				t.Errorf("refused on all CPUs: %q", refused)
			}
			if refused, err = e.ExamineIdentities(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := refused["rt/a"], "contract: identity: "+wrong; got != want {
				t.Errorf("refused for %q, want %q", got, want)
			}
			if got := strings.Join(w.refused["rt/a"], "|"); got != "identity: "+wrong {
				t.Errorf("the observer is told %q", got)
			}
			w.checkNothingOpen(t)
		})
	}
}

func TestAnExaminationOfAGoodVariantRefusesNothing(t *testing.T) {
	w := newWorld()
	e := experimentOn(w, "a", "b")
	for _, examine := range []func(context.Context) (map[string]string, error){
		e.CheckContract,
		e.ExamineIdentities,
	} {
		if refused, err := examine(t.Context()); err != nil || len(refused) > 0 {
			t.Errorf("refused %q, error %v", refused, err)
		}
	}
	w.checkNothingOpen(t)
}

// A run refuses it too, before a trial is lost to it.
func TestARunRefusesAWrongIdentityBeforeItsTrials(t *testing.T) {
	w := newWorld()
	w.identity = []string{"it says backlog 511, the lab requires 4096"}
	if err := experimentOn(w, "a").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := w.unmeasured["rt/a"]; !strings.HasSuffix(why,
		"identity: it says backlog 511, the lab requires 4096") {
		t.Errorf("it is not measured because of %q", why)
	}
	if opened := w.asked.Load(); opened != 1 {
		t.Errorf("%d cells were opened, want the examination's", opened)
	}
}

func TestUnchanged(t *testing.T) {
	on, off := true, false
	before := lab.Identity{Runtime: "python", GIL: &off, Workers: 1, Build: map[string]string{"a": "1"}}
	under := before
	under.Build = map[string]string{"a": "1"}
	if err := unchanged(before, under); err != nil {
		t.Errorf("the same: %v", err)
	}
	under.GIL, under.Workers = &on, 2
	const want = "identity: under load it says workers 2, and before 1; gil true, and before false"
	if err := unchanged(before, under); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
