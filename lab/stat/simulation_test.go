package stat_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/stat"
)

// At each profile's number of blocks the analysis keeps its promises in every
// world, drift and bimodal trials included. lab simulate prints the same of more
// draws.
func TestAnalysisKeepsItsPromises(t *testing.T) {
	recording, err := stat.ShippedRecording()
	if err != nil {
		t.Fatal(err)
	}
	s := stat.Simulation{Recorded: recording.Pairs, Alpha: 0.025, Margin: 0.05, Draws: 3000, Seed: 1}
	for _, blocks := range []int{7, 10, 20} {
		for _, w := range stat.NoiseModels() {
			o := s.Run(w, blocks)
			faults := s.Violations(o)
			for _, fault := range faults {
				if !w.OutOfScope {
					t.Errorf("%s at %d blocks: %s", w.Name, blocks, fault)
				}
			}
			if w.OutOfScope && blocks == 7 && len(faults) == 0 {
				t.Errorf("%s at %d blocks is no limit: %+v", w.Name, blocks, o)
			}
			if o.NoiseModel != w.Name || o.Blocks != blocks {
				t.Errorf("%s at %d blocks says that it is %s at %d", w.Name, blocks, o.NoiseModel, o.Blocks)
			}
			if !(o.Power10 > o.Power5) && o.Power10 < 0.99 || o.Power5 < o.FalsePositives {
				t.Errorf("%s at %d blocks: larger effects are found less often: %+v", w.Name, blocks, o)
			}
		}
	}
}

// Theory says of normal noise what a simulation must find: coverage of one less
// both errors, and the power of a t-test.
func TestSimulationFindsTheory(t *testing.T) {
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
	const blocks = 20 // where the permutation of signs agrees with t nearly always
	o := s.Run(stat.NoiseModels()[0], blocks)
	near(t, "coverage", o.Coverage, 0.95, s.SamplingTolerance(0.95))
	effect := math.Log(1.05)
	power := stat.PairedPower(blocks, effect/sd*math.Sqrt(blocks), 0.025)
	near(t, "power", o.Power5, power, s.SamplingTolerance(power)+0.01)
	if again := s.Run(stat.NoiseModels()[0], blocks); again != o {
		t.Errorf("%+v, and then %+v", o, again)
	}
}

// An analysis that errs is told so: here one that calls 95 % what covers 80 %.
func TestFaultsOfAnAnalysis(t *testing.T) {
	recording, err := stat.ShippedRecording()
	if err != nil {
		t.Fatal(err)
	}
	s := stat.Simulation{Recorded: recording.Pairs, Alpha: 0.1, Margin: 0.05, Draws: 2000, Seed: 1}
	faults := strings.Join(s.Violations(s.Run(stat.NoiseModels()[1], 10)), "; ")
	if !strings.Contains(faults, "of the time, not 93 to 97%") {
		t.Errorf("intervals of 80 %%: %q", faults)
	}
	s.Alpha = 0.025
	for _, tt := range []struct {
		o    stat.Outcome
		want string
	}{
		{stat.Outcome{Coverage: 0.95, FalsePositives: 0.05}, ""},
		{stat.Outcome{Coverage: 0.93, FalsePositives: 0.06}, ""}, // by chance
		{stat.Outcome{Coverage: 0.90}, "90.0% of the time, not 93 to 97%"},
		{stat.Outcome{Coverage: 0.99}, "99.0% of the time, not 93 to 97%"},
		{stat.Outcome{Coverage: 0.95, FalsePositives: 0.08}, "found to differ 8.0% of the time, more than 5%"},
		{
			stat.Outcome{Coverage: 0.95, FalseBeyond: 0.04, FalseEquivalence: 0.04},
			"on a side of it 8.0% of the time, more than 5%",
		},
	} {
		if got := strings.Join(s.Violations(tt.o), "; "); got != tt.want && (tt.want == "" ||
			!strings.Contains(got, tt.want)) {
			t.Errorf("%+v: %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestReadRecording(t *testing.T) {
	const twelve = "1,1,10,11\n1,2,10,11\n2,1,20,21\n1,3,10,11\n1,4,10,11\n1,5,10,11\n1,6,12,13\n2,2,20,21\n2,3,20,21\n2,4,20,21\n2,5,20,21\n2,6,20,21\n"
	r, err := stat.ReadRecording(strings.NewReader("# measured\n#  at night\npair,block,a,b\n" + twelve))
	if err != nil {
		t.Fatal(err)
	}
	if r.Origin != "measured at night" || len(r.Pairs) != 2 || !slices.Equal(r.Pairs[0].B,
		[]float64{11, 11, 11, 11, 11, 13}) || len(r.Pairs[1].A) != 6 {
		t.Errorf("%+v", r)
	}
	var written strings.Builder
	if err := r.Write(&written); err != nil {
		t.Fatal(err)
	}
	if again, err := stat.ReadRecording(strings.NewReader(written.String())); err != nil ||
		!reflect.DeepEqual(again, r) {
		t.Errorf("written and read again: %+v (%v), want %+v", again, err, r)
	}
	for text, want := range map[string]string{
		"":                                "line 1: the header is not pair,block,a,b",
		"# only a comment":                "line 2: the header is not pair,block,a,b",
		"pair,block,x,y\n" + twelve:       "line 1: the header",
		"pair,block,a,b\n1,1,10,11\n":     "at least 12 blocks of twins are needed to draw from, not 1",
		"#\npair,block,a,b\n1,1,ten,11\n": `line 3: "ten" is not a number above 0`,
		"pair,block,a,b\n1,1,10,-1\n":     `line 2: "-1" is not a number above 0`,
		"pair,block,a,b\n1,1,10\n":        "wrong number of fields",
	} {
		if _, err := stat.ReadRecording(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(),
			want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
