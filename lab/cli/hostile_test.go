package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// hostileText would begin a line of its own, control a terminal, add markup and notify people.
const hostileText = "x\nFORGED <script>alert(1)</script></details> ![i](//evil/i.png) [l](//evil) `c` | " +
	"@team " +
	"\x1b[2J\u202e ~~gone~~ **bold** &lt;"

// hostileRun writes a folder of a run in which every text is hostile, and returns its path.
func hostileRun(t *testing.T) string {
	t.Helper()
	const h = hostileText
	phase := lab.Phase{Name: h, Kind: lab.Peak, Connections: 8}
	variant := func(name string) lab.Variant { return lab.Variant{Runtime: h, Name: name + h} }
	arm := func(name string) lab.Arm {
		return lab.Arm{Variant: flattened(variant(name).ID()), Phase: flattened(h), Cores: 1}
	}
	hypothesis := lab.Hypothesis{
		Scenario: flattened(h), Profile: "quick", Claim: h, Metric: "throughput_rps", Direction: lab.Higher,
		Margin: 0.05, Numerator: arm("a"), Denominator: arm("b"),
	}
	p := lab.Plan{
		Profile:    lab.Profile{Name: h, Blocks: 6},
		Hypotheses: []lab.Hypothesis{hypothesis},
		Controls:   []lab.Control{{Name: h, Hypothesis: hypothesis, ExpectedRatio: 1}},
		PlannedClaims: lab.PlannedClaims{
			Claims: []lab.Claim{
				{ID: h, Statement: h, Collection: h},
				{ID: "2" + h, Lacks: h, Collection: "2" + h},
			},
			UntestableTopics: []lab.UntestableTopic{{Topic: h, Reason: h, Collection: h}},
		},
		Pilots: []lab.Pilot{{Scenario: h, Variant: h, Doubt: h}},
		Layout: lab.Layout{Server: []int{1}, Doubts: []string{h}},
	}
	info := record.Info{
		StartedAt: time.Unix(1, 0), Plan: p, Notes: []string{h}, Refused: map[string]string{h: h},
		Engine: map[string]string{h: h}, Versions: map[string]string{h: h}, Host: record.Host{ID: h},
		MeasuredVariants: map[string]record.MeasuredVariant{h: {Image: lab.Image{
			ID: h, BaseOrigin: h,
			ContentSHA256: h,
		}}},
	}
	run, err := record.Create(t.TempDir(), "20261130T000000Z-0000", info)
	if err != nil {
		t.Fatal(err)
	}
	for block := 1; block <= 6; block++ {
		for i, name := range []string{"a", "b"} {
			s := validPeak()[0]
			s.RunID, s.HostID, s.StartedAt, s.Phase = h, h, time.Unix(int64(10*block+i), 0), phase
			s.Measured.Attack.Sent += int64(100*i + block)
			s.Measured.Attack.Succeeded = s.Measured.Attack.Sent
			s.Subject = lab.Subject{
				Trial:    lab.Trial{Scenario: h, Variant: variant(name).ID(), Cores: 1, Block: block, Attempt: 1},
				Scenario: lab.Scenario{Name: h}, Variant: variant(name), Layout: p.Layout,
			}
			if block == 6 {
				s.Gate = lab.GateResult{Validity: lab.Censored, Reason: h}
			}
			if err := run.AddTrial(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := run.End(record.Interrupted, h, time.Unix(99, 0)); err != nil {
		t.Fatal(err)
	}
	return run.Dir()
}

// flattened returns a text as trials.csv holds it.
func flattened(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " | "), "\x1b", " ")
}

func TestTextOfAHostileRunStaysText(t *testing.T) {
	dir := hostileRun(t)
	for _, form := range []string{"", "--full", "--markdown"} {
		args := []string{"report", dir}
		if form != "" {
			args = append(args, form)
		}
		code, text, stderr := labRun(t.Context(), args...)
		if code != fault.ExitOK || strings.Count(text, "FORGED") < 5 {
			t.Fatalf("%s: exit code %d, %s\n%s", form, code, stderr, text)
		}
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%s: %q is in the text", form, r)
			}
		}
		for line := range strings.Lines(text + stderr) {
			if strings.HasPrefix(strings.TrimLeft(line, " -*>#|"), "FORGED") {
				t.Errorf("%s: a line begins with a stranger's text: %q", form, line)
			}
		}
	}
	_, markdown, _ := labRun(t.Context(), "report", "--markdown", dir)
	for _, markup := range []string{"<script", "![i]", " [l]", "@team", "**bold", "~~gone", " `c`", "&lt; "} {
		if strings.Contains(markdown, markup) {
			t.Errorf("the Markdown has the markup %q of a stranger:\n%s", markup, markdown)
		}
	}
	if strings.Count(markdown, "<details>") != strings.Count(markdown, "</details>") {
		t.Errorf("a stranger ends a fold:\n%s", markdown)
	}
	_, text, _ := labRun(t.Context(), "report", "--json", dir)
	var r report.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Claims[0].Statement != hostileText {
		t.Errorf("%v: the JSON has %+v", err, r.Claims)
	}
}
