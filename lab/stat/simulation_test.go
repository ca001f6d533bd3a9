package stat_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/stat"
)

// Blocks are those of the profiles. lab simulate checks the same with more draws.
func TestTheAnalysisKeepsItsPromisesWithEveryNoiseModel(t *testing.T) {
	recording, err := stat.ShippedRecording()
	if err != nil {
		t.Fatal(err)
	}
	s := stat.Simulation{Recorded: recording.Pairs, Alpha: 0.025, Margin: 0.05, Draws: 3000, Seed: 1}
	for _, blocks := range []int{7, 10, 20} {
		for _, model := range stat.NoiseModels() {
			o := s.Run(model, blocks)
			violations := s.Violations(o)
			for _, violation := range violations {
				if !model.OutOfScope {
					t.Errorf("%s at %d blocks: %s", model.Name, blocks, violation)
				}
			}
			if model.OutOfScope && blocks == 7 && len(violations) == 0 {
				t.Errorf("%s at %d blocks breaks no promise: %+v", model.Name, blocks, o)
			}
			if o.NoiseModel != model.Name || o.Blocks != blocks {
				t.Errorf("the outcome of %s at %d blocks is labelled %s at %d",
					model.Name, blocks, o.NoiseModel, o.Blocks)
			}
			if !(o.Power10 > o.Power5) && o.Power10 < 0.99 || o.Power5 < o.FalsePositives {
				t.Errorf("%s at %d blocks: larger effects are found less often: %+v", model.Name, blocks, o)
			}
		}
	}
}

// For normal noise theory gives the coverage, one less both errors, and the power of a t-test.
func TestSimulationOfNormalNoiseMatchesTheory(t *testing.T) {
	recording, err := stat.ShippedRecording()
	if err != nil {
		t.Fatal(err)
	}
	s := stat.Simulation{Recorded: recording.Pairs, Alpha: 0.025, Margin: 0.05, Draws: 5000, Seed: 2}
	var ratios []float64
	for _, pair := range recording.Pairs {
		ratios = append(ratios, logRatios(pair.A, pair.B, 1)...)
	}
	sd := stat.MomentsOf(ratios...).SD()
	const blocks = 20 // with so many, the sign-flip test almost always agrees with the t-test
	o := s.Run(stat.NoiseModels()[0], blocks)
	near(t, "coverage", o.Coverage, 0.95, s.SamplingTolerance(0.95))
	effect := math.Log(1.05)
	power := stat.PairedPower(blocks, effect/sd*math.Sqrt(blocks), 0.025)
	near(t, "power", o.Power5, power, s.SamplingTolerance(power)+0.01)
	if again := s.Run(stat.NoiseModels()[0], blocks); again != o {
		t.Errorf("%+v, and %+v when repeated", o, again)
	}
}

// The first simulation has intervals of 80 % instead of 95 %.
func TestViolationsNameTheBrokenPromise(t *testing.T) {
	recording, err := stat.ShippedRecording()
	if err != nil {
		t.Fatal(err)
	}
	s := stat.Simulation{Recorded: recording.Pairs, Alpha: 0.1, Margin: 0.05, Draws: 2000, Seed: 1}
	violations := strings.Join(s.Violations(s.Run(stat.NoiseModels()[1], 10)), "; ")
	if !strings.Contains(violations, "of the time, not 93 to 97%") {
		t.Errorf("intervals of 80 %%: %q", violations)
	}
	s.Alpha = 0.025
	for _, tt := range []struct {
		o    stat.Outcome
		want string
	}{
		{stat.Outcome{Coverage: 0.95, FalsePositives: 0.05}, ""},
		{stat.Outcome{Coverage: 0.93, FalsePositives: 0.06}, ""}, // within the tolerance
		{stat.Outcome{Coverage: 0.90}, "90.0% of the time, not 93 to 97%"},
		{stat.Outcome{Coverage: 0.99}, "99.0% of the time, not 93 to 97%"},
		{stat.Outcome{Coverage: 0.95, FalsePositives: 0.08}, "found to differ 8.0% of the time, more than 5%"},
		{
			stat.Outcome{Coverage: 0.95, FalseBeyond: 0.04, FalseEquivalence: 0.04},
			"on a side of it 8.0% of the time, more than 5%",
		},
	} {
		got := strings.Join(s.Violations(tt.o), "; ")
		if got != tt.want && (tt.want == "" || !strings.Contains(got, tt.want)) {
			t.Errorf("%+v: %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestReadRecordingReadsWhatWriteWritesAndNamesMistakes(t *testing.T) {
	const twelve = "1,1,10,11\n1,2,10,11\n2,1,20,21\n1,3,10,11\n1,4,10,11\n1,5,10,11\n" +
		"1,6,12,13\n2,2,20,21\n2,3,20,21\n2,4,20,21\n2,5,20,21\n2,6,20,21\n"
	r, err := stat.ReadRecording(strings.NewReader("# measured\n#  at night\npair,block,a,b\n" + twelve))
	if err != nil {
		t.Fatal(err)
	}
	if r.Origin != "measured at night" || len(r.Pairs) != 2 || len(r.Pairs[1].A) != 6 ||
		!slices.Equal(r.Pairs[0].B, []float64{11, 11, 11, 11, 11, 13}) {
		t.Errorf("%+v", r)
	}
	var written strings.Builder
	if err := r.Write(&written); err != nil {
		t.Fatal(err)
	}
	again, err := stat.ReadRecording(strings.NewReader(written.String()))
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("written and read again: %+v (%v), want %+v", again, err, r)
	}
	for text, want := range map[string]string{
		"":                                "line 1: the header is not pair,block,a,b",
		"# only a comment":                "line 2: the header is not pair,block,a,b",
		"pair,block,x,y\n" + twelve:       "line 1: the header",
		"pair,block,a,b\n1,1,10,11\n":     "a recording needs at least 12 blocks of twins; this has 1",
		"#\npair,block,a,b\n1,1,ten,11\n": `line 3: "ten" is not a number above 0`,
		"pair,block,a,b\n1,1,10,-1\n":     `line 2: "-1" is not a number above 0`,
		"pair,block,a,b\n1,1,10\n":        "wrong number of fields",
	} {
		_, err := stat.ReadRecording(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
