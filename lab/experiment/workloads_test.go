package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

// A variant is compared with those that offer the same, and with no others: four that agree on
// another workload are no majority.
func TestVariantsAreComparedOnTheWorkloadsThatBothOffer(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b", "c", "d", "e", "f")
	offer := func(workloads string, variants ...string) {
		for _, name := range variants {
			v := e.Variants["rt/"+name]
			v.Offers = strings.Fields(workloads)
			e.Variants["rt/"+name] = v
		}
	}
	offer("hello", "a", "b", "c")
	offer("hello orders", "d")
	offer("orders", "e", "f")
	var asked []string
	w.reply = func(variant string, r lab.Request) *lab.Answer {
		w.mu.Lock()
		defer w.mu.Unlock()
		if question := variant + " " + r.Path; !slices.Contains(asked, question) {
			asked = append(asked, question)
		}
		if variant == "rt/f" && r.Path == "/orders" {
			return &lab.Answer{Status: 200, Body: []byte("wrong")}
		}
		return nil
	}
	refused, err := e.CheckContract(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		question string
		want     bool
	}{{"rt/a /hello", true}, {"rt/a /orders", false}, {"rt/d /hello", true}, {"rt/d /orders", true}} {
		if slices.Contains(asked, c.question) != c.want {
			t.Errorf("%s was asked: %v, want %v", c.question, !c.want, c.want)
		}
	}
	if got := slices.Sorted(maps.Keys(refused)); fmt.Sprint(got) != "[rt/f]" ||
		refused["rt/f"] != `contract: rt/f says "wrong", rt/d says "right"` {
		t.Errorf("refused %v", refused)
	}
	// Of two that disagree neither is right.
	offer("hello", "e")
	if refused, err = e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(refused)); fmt.Sprint(got) != "[rt/d rt/f]" {
		t.Errorf("refused %v, want both that offer orders", refused)
	}
}
