package serve

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Each fault of a list shows at its subscriber, and no other does: what is delivered follows from the
// list.
func TestFanoutMakesTheFaultsOfItsList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := FanoutFaults{
			Seed:        rapid.Uint64().Draw(t, "seed"),
			Subscribers: rapid.IntRange(1, 5).Draw(t, "subscribers"),
			Messages:    int64(rapid.IntRange(2, 60).Draw(t, "messages")),
			Lost:        rapid.IntRange(0, 6).Draw(t, "lost"),
			Doubled:     rapid.IntRange(0, 6).Draw(t, "doubled"),
			Swapped:     rapid.IntRange(0, 6).Draw(t, "swapped"),
			Crossed:     rapid.IntRange(0, 6).Draw(t, "crossed"),
		}
		f := newFanout(FanoutOptions{Faults: rule})
		var seen []FanoutFault
		for index := range rule.Subscribers {
			s := &fanoutSubscriber{server: f, index: index}
			times := make(map[int64]int)
			highest := int64(0)
			for number := int64(1); number <= rule.Messages; number++ {
				for _, d := range s.deliveries(fanoutMessage{number: number, text: textOf(number)}) {
					times[d.number]++
					switch {
					case d.text == textOf(d.number-1):
						seen = append(seen, FanoutFault{index, d.number, FanoutCrossed})
					case times[d.number] == 2:
						seen = append(seen, FanoutFault{index, d.number, FanoutDoubled})
					case d.number < highest:
						seen = append(seen, FanoutFault{index, d.number + 1, FanoutSwapped})
					}
					highest = max(highest, d.number)
				}
			}
			for number := int64(1); number <= rule.Messages; number++ {
				if times[number] == 0 {
					seen = append(seen, FanoutFault{index, number, FanoutLost})
				}
			}
		}
		slices.SortFunc(seen, compareFaults)
		made := slices.Clone(f.made)
		slices.SortFunc(made, compareFaults)
		if want := rule.List(); !slices.Equal(seen, want) || !slices.Equal(made, want) {
			t.Errorf("seen %v, reported %v, want %v", seen, made, want)
		}
	})
}

func textOf(number int64) string { return string(rune('a' + number)) }

// The list has the first delivery, the last one, and a message with two faults.
func TestFaultsAreAtBothEndsAndTwoAtOneMessage(t *testing.T) {
	rule := FanoutFaults{Seed: 3, Subscribers: 10, Messages: 1000, Lost: 5, Doubled: 5, Swapped: 5}
	list := rule.List()
	if len(list) != 15 || !slices.Equal(list, rule.List()) {
		t.Fatalf("%v", list)
	}
	for _, want := range []FanoutFault{
		{0, 2, FanoutSwapped}, {0, 2, FanoutDoubled}, {9, 1000, FanoutSwapped}, {9, 1000, FanoutDoubled},
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%v is missing in %v", want, list)
		}
	}
	rule.Swapped, rule.Doubled = 0, 0
	for _, want := range []FanoutFault{{0, 1, FanoutLost}, {9, 1000, FanoutLost}} {
		if list := rule.List(); !slices.Contains(list, want) {
			t.Errorf("%v is missing in %v", want, list)
		}
	}
	rule.Seed++
	if slices.Equal(list, rule.List()) {
		t.Error("another seed gives the same list")
	}
}
