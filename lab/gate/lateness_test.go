package gate

import (
	"strings"
	"testing"

	"runtimelab/lab"
)

// lateCalibration has lags of a waiting generator that fall and then rise with the rate.
var lateCalibration = lab.Calibration{
	SendLags: []lab.SendLagBaseline{{RateRPS: 50, LagP99MS: 99}}, // of a generator that polls
	WaitingSendLags: []lab.SendLagBaseline{
		{RateRPS: 50, LagP99MS: 0.20}, {RateRPS: 500, LagP99MS: 0.10}, {RateRPS: 1000, LagP99MS: 0.30},
	},
}

// waitingSample returns a steady sample of a rate whose generator shares its CPU with an upstream, with
// a median time to the first byte.
func waitingSample(rate int64, firstByteMS float64) observed {
	s := quietSample()
	setCPU(&s, 100*ms, 300*ms)
	s.Phase = lab.Phase{Kind: lab.Steady, RateRPS: float64(rate)}
	s.Layout.Beside = []lab.ServiceCPUs{{Role: lab.RoleUpstream, Name: lab.UpstreamName, CPUs: []int{0}}}
	s.Attack.Intended, s.Attack.Sent, s.Attack.Succeeded = rate, rate, rate
	p99 := 4 * firstByteMS
	s.Attack.FirstByte = &lab.Latency{Count: rate, P50MS: &firstByteMS, MeanMS: firstByteMS}
	s.Attack.Corrected = &lab.Latency{Count: rate, P50MS: &firstByteMS, P99MS: &p99}
	return s
}

func TestALatencyCountsOnlyWhereAWaitingGeneratorIsPunctual(t *testing.T) {
	for _, c := range []struct {
		name   string
		sample observed
		change func(*observed)
		want   lab.Validity
		reason string
	}{
		{name: "20 times the lag and more", sample: waitingSample(50, 4.001), want: lab.Valid},
		{
			name: "20 times the lag", sample: waitingSample(50, 4), want: lab.Censored,
			reason: "generator: it waits in the kernel and sends up to 0.200 ms late, which is 5.0% of the median " +
				"time to the first byte of 4.000 ms (limit 5%)",
		},
		{name: "below the lowest rate, its lag", sample: waitingSample(10, 4.001), want: lab.Valid},
		{
			name: "between two rates, the larger lag", sample: waitingSample(200, 3.9), want: lab.Censored,
			reason: "0.200 ms",
		},
		{name: "between two others", sample: waitingSample(501, 5.9), want: lab.Censored, reason: "0.300 ms"},
		{name: "between two others, longer", sample: waitingSample(501, 6.1), want: lab.Valid},
		{
			name: "above the highest rate", sample: waitingSample(1001, 1000), want: lab.Censored,
			reason: "how late it then sends 1001 requests per second is not calibrated",
		},
		{name: "a generator that polls", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Layout.Beside[0].CPUs = []int{2}
		}, want: lab.Valid},
		{name: "no latency", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Attack.FirstByte = nil
		}, want: lab.Valid},
		{name: "too few for a median", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Attack.FirstByte.P50MS = nil
		}, want: lab.Censored, reason: "mean time to the first byte"},
		{name: "an overload, which has no latencies", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Phase.PeakShare = &lab.PeakShare{Fraction: 1, OfOwnPeak: true}
		}, want: lab.Valid},
		{name: "a saturated server in a closed loop", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Phase.Kind = lab.Peak
			setCPU(s, 100*ms, 970*ms)
		}, want: lab.Valid},
		{name: "a saturated server in an open loop", sample: waitingSample(50, 1), change: func(s *observed) {
			setCPU(s, 100*ms, 970*ms)
		}, want: lab.Censored, reason: "up to 0.200 ms late"},
		{name: "an unsaturated ladder", sample: waitingSample(50, 1), change: func(s *observed) {
			s.Phase.Kind = lab.Ladder
		}, want: lab.Censored, reason: "up to 0.200 ms late"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(&c.sample)
			}
			got := Judge(c.sample.sample(), lateCalibration)
			if got.Validity != c.want || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("judged %s because %q, want %s because %q", got.Validity, got.Reason, c.want, c.reason)
			}
			// Recorded runs have no lags of this mode.
			if got := Judge(c.sample.sample(), lab.Calibration{}); got.Validity != lab.Valid {
				t.Errorf("without a calibration of the mode: judged %s because %q", got.Validity, got.Reason)
			}
		})
	}
}

// A step of a search misses its objectives for the generator's lateness only if that shows in the tail.
func TestTheLatenessOfAGeneratorMayEndASearch(t *testing.T) {
	for p50, want := range map[float64]string{
		1.1: "", // and a tail of 4.4 ms
		0.9: "generator: it waits in the kernel and sends up to 0.200 ms late, which is 5.6% of the 99th",
	} {
		s := waitingSample(50, p50)
		if got := InstrumentLimit(*s.sample().Measured, lateCalibration); !strings.HasPrefix(got, want) ||
			want == "" && got != "" {
			t.Errorf("median of %v ms: limit %q, want %q", p50, got, want)
		}
	}
}
