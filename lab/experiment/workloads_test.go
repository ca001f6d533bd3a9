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

// Where messages come to subscribers, they are checked by the workload's rule. A variant that delivers
// them wrongly is refused.
func TestVariantsThatDeliverMessagesWronglyAreRefused(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b", "c")
	for _, name := range []string{"a", "b"} {
		v := e.Variants["rt/"+name]
		v.Offers = []string{"rooms"}
		e.Variants["rt/"+name] = v
	}
	w.subscriptions = map[string]*lab.SubscriptionRule{"rooms": {Publish: "/rooms/{room}"}}
	w.delivered = func(variant string, rule lab.SubscriptionRule) []lab.DeliveryFault {
		if variant == "rt/a" || rule.Publish != "/rooms/{room}" {
			return []lab.DeliveryFault{{Kind: lab.DeliveryLost, Text: "message 7"}}
		}
		return nil
	}
	refused, err := e.CheckContract(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(refused)); fmt.Sprint(got) != "[rt/a]" ||
		refused["rt/a"] != "contract: rooms: lost: message 7" {
		t.Errorf("refused %v", refused)
	}
}
