package experiment

import (
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/expect"
	"runtimelab/lab/message"
)

// checkExpectation returns how the answers to the i-th request differ from what the script
// expects, or "". kind is the part of text that requests with the same mistake share.
func checkExpectation(r lab.Request, i int, all []variantReplies) (kind, text string) {
	var names []string // of the variants with the first mismatch
	var found expect.Mismatch
	var got lab.Answer
	for _, v := range all {
		for _, answer := range []lab.Answer{v.first[i], v.second[i]} {
			m := expect.Check(r, answer)
			if m == (expect.Mismatch{}) {
				continue
			}
			if names == nil {
				found, got = m, answer
			}
			if m.Part == found.Part {
				names = append(names, v.variant)
			}
			break
		}
	}
	if names == nil {
		return "", ""
	}
	kind = fmt.Sprintf("is answered by %s with %s", strings.Join(names, ", "), found.Part)
	text = fmt.Sprintf("%s: %s, want %s", kind, found.Found, found.Want)
	if !strings.HasPrefix(found.Part, "the body from") {
		text += "; the body begins " + message.Excerpt(got.Body, 0)
	}
	return kind, text
}

// describeDisagreement says how the variants' answers to the i-th request differ, or returns
// "" if all are alike.
func describeDisagreement(i int, all []variantReplies) (kind, text string) {
	for _, v := range all[1:] {
		a, b := all[0].first[i], v.first[i]
		if !answersDiffer(a, b) {
			continue
		}
		kind = fmt.Sprintf("is answered differently by %s and %s", all[0].variant, v.variant)
		at := message.CommonPrefix(a.Body, b.Body)
		text = fmt.Sprintf("%s: from byte %d on the body is %s, and %s", kind, at, message.Excerpt(a.Body, at),
			message.Excerpt(b.Body, at))
		return kind, text + "; all variants must answer alike: name what they have in common with " +
			"expect = answer(json = {...}), or say answer(agree = False)"
	}
	return "", ""
}

// comparedAnswers returns the requests of a scenario whose answers the contract's checker
// compares, with those of two variants. What a script expects with answer(...) is checked
// already.
func comparedAnswers(s lab.Scenario, a, b []lab.Answer) (requests []lab.Request, ofA, ofB []lab.Answer) {
	for i, r := range s.AllRequests() {
		if r.Answer == nil {
			requests, ofA, ofB = append(requests, r), append(ofA, a[i]), append(ofB, b[i])
		}
	}
	return requests, ofA, ofB
}
