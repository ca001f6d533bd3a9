package stat_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

func points(ns, xs []float64) (ps []stat.Point) {
	for i := range ns {
		ps = append(ps, stat.Point{N: ns[i], X: xs[i]})
	}
	return ps
}

// Published data, with published coefficients and standard errors from the R package usl
// (Moeding, version 3.0): the SPEC SDM91 results of a SPARCcenter 2000, and the ray tracer of
// Gunther, "Guerrilla Capacity Planning" (2007), chapter 5. They were fitted by absolute errors.
var (
	sdm91 = points(
		[]float64{1, 18, 36, 72, 108, 144, 216},
		[]float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2})
	rayTracer = points(
		[]float64{1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64},
		[]float64{20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310})
)

func TestFitUSLMatchesPublishedCoefficients(t *testing.T) {
	for _, tt := range []struct {
		name      string
		points    []stat.Point
		published stat.USL
		se        stat.USL // published, or half the 95 % interval over the quantile of Student's t
	}{
		{
			"SDM91", sdm91,
			stat.USL{Lambda: 89.9952330, Sigma: 0.0277285, Kappa: 0.0001044},
			stat.USL{Lambda: 14.2134894, Sigma: 0.0091217, Kappa: 0.0000199},
		},
		// Without the constraint kappa would be below zero.
		{
			"ray tracer", rayTracer,
			stat.USL{Lambda: 21.8488, Sigma: 0.0578, Kappa: 0},
			stat.USL{Lambda: 3.980 / 2.306, Sigma: 0.0241 / 2.306, Kappa: 0.000214 / 2.306},
		},
	} {
		got, err := stat.FitUSLAbsolute(tt.points)
		if err != nil {
			t.Fatal(err)
		}
		near(t, tt.name+": lambda", got.Lambda, tt.published.Lambda, 1e-4)
		near(t, tt.name+": sigma", got.Sigma, tt.published.Sigma, 5e-5)
		near(t, tt.name+": kappa", got.Kappa, tt.published.Kappa, 5e-8)

		// FitUSL minimises relative errors, so it is compared within two standard errors.
		if got, err = stat.FitUSL(tt.points); err != nil {
			t.Fatal(err)
		}
		near(t, tt.name+", relative: lambda", got.Lambda, tt.published.Lambda, 2*tt.se.Lambda)
		near(t, tt.name+", relative: sigma", got.Sigma, tt.published.Sigma, 2*tt.se.Sigma)
		near(t, tt.name+", relative: kappa", got.Kappa, tt.published.Kappa, 2*tt.se.Kappa)
	}
}

func TestPeakHasTheHighestThroughput(t *testing.T) {
	u := stat.USL{Lambda: 100, Sigma: 0.02, Kappa: 0.02}
	near(t, "throughput of one worker", u.At(1), 100, 0)
	near(t, "peak", u.Peak(), 7, 1e-12)
	if u.At(7) < u.At(6) || u.At(7) < u.At(8) {
		t.Errorf("%v at 6, %v at 7, %v at 8", u.At(6), u.At(7), u.At(8))
	}
	if p := (stat.USL{Lambda: 1, Sigma: 0.1}).Peak(); !math.IsInf(p, 1) {
		t.Errorf("without coherency the peak is at %v", p)
	}
	for _, u := range []stat.USL{
		{Lambda: 1, Sigma: 1},
		{Lambda: 1, Sigma: 1.1, Kappa: 0.01},
		{Lambda: 1, Sigma: 0.5, Kappa: 2},
	} {
		if p := u.Peak(); p != 1 || u.At(2) > u.At(1) {
			t.Errorf("throughput of %+v never rises, but its peak is at %v", u, p)
		}
	}
}

// Points have no noise. Other units scale lambda only, and the order of points changes nothing.
func TestFitUSLRecoversTheCoefficients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(1e-4, 0.5))
		u := stat.USL{
			Lambda: rapid.Float64Range(0.1, 1e5).Draw(t, "lambda"), Sigma: share.Draw(t, "sigma"),
			Kappa: share.Draw(t, "kappa") / 10,
		}
		var ps, scaled []stat.Point
		for _, n := range []float64{16, 1, 4, 2, 8, 1} {
			ps = append(ps, stat.Point{N: n, X: u.At(n)})
			scaled = append([]stat.Point{{N: n, X: 60 * u.At(n)}}, scaled...)
		}
		got, err := stat.FitUSL(ps)
		if err != nil {
			t.Fatal(err)
		}
		same := func(a, b stat.USL) bool {
			return math.Abs(a.Lambda/b.Lambda-1) < 1e-6 && math.Abs(a.Sigma-b.Sigma) < 1e-6 &&
				math.Abs(a.Kappa-b.Kappa) < 1e-6
		}
		if !same(got, u) {
			t.Errorf("%+v is fitted as %+v", u, got)
		}
		minutes, err := stat.FitUSL(scaled)
		if minutes.Lambda /= 60; err != nil || !same(minutes, u) {
			t.Errorf("%+v in other units and order is fitted as %+v (%v)", u, minutes, err)
		}
	})
}

// For any points, no coefficient is below zero, and the fit is at least as good as the linear
// law, which is on both constraints.
func TestFitUSLIsFeasible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(1, 100), 5, 5).Draw(t, "throughputs")
		ps := points([]float64{1, 2, 4, 8, 16}, xs)
		u, err := stat.FitUSL(ps)
		if err != nil {
			t.Fatal(err)
		}
		if !(u.Lambda > 0) || u.Sigma < 0 || u.Kappa < 0 {
			t.Fatalf("%+v", u)
		}
		loss := relativeLoss(ps, u)
		linear := stat.USL{Lambda: 1}
		logs := 0.0
		for _, p := range ps {
			logs += math.Log(p.X / p.N)
		}
		linear.Lambda = math.Exp(logs / float64(len(ps))) // the best linear fit
		if best := relativeLoss(ps, linear); loss > best*(1+1e-9) {
			t.Errorf("the loss of %+v is %v, that of %+v only %v", u, loss, linear, best)
		}
	})
}

func relativeLoss(ps []stat.Point, u stat.USL) (sum float64) {
	for _, p := range ps {
		sum += math.Pow(math.Log(p.X/u.At(p.N)), 2)
	}
	return sum
}

func TestFitUSLRefusesUnusablePoints(t *testing.T) {
	for _, tt := range []struct {
		points []stat.Point
		want   string
	}{
		{nil, "0 distinct N; 4 are needed"},
		{points([]float64{1, 2, 4, 4, 2}, []float64{1, 2, 3, 3, 2}), "3 distinct N; 4 are needed"},
		{points([]float64{1, 2, 4, 8}, []float64{1, 2, 0, 3}), "a throughput of 0 at N = 4"},
		{points([]float64{0, 2, 4, 8}, []float64{1, 2, 3, 3}), "at N = 0"},
		{points([]float64{1, 2, 4, 8}, []float64{1, 2, math.Inf(1), 3}), "a throughput of +Inf"},
	} {
		if _, err := stat.FitUSL(tt.points); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.points, err, tt.want)
		}
	}
}

// Six blocks have noise. Plain percentiles would cover the truth 87 % of the time.
func TestBootstrapUSLCoversTheTruth(t *testing.T) {
	u := stat.USL{Lambda: 1000, Sigma: 0.05, Kappa: 0.002}
	noise := rand.New(rand.NewPCG(5, 1))
	const runs, fewest = 120, 110
	var lambda, sigma, kappa int
	for range runs {
		low, high, err := stat.BootstrapUSL(noisy(u, 6, noise), 300, 1)
		if err != nil {
			t.Fatal(err)
		}
		if low.Lambda <= u.Lambda && u.Lambda <= high.Lambda {
			lambda++
		}
		if low.Sigma <= u.Sigma && u.Sigma <= high.Sigma {
			sigma++
		}
		if low.Kappa <= u.Kappa && u.Kappa <= high.Kappa {
			kappa++
		}
	}
	if lambda < fewest || sigma < fewest || kappa < fewest {
		t.Errorf("of %d intervals %d cover lambda, %d sigma, %d kappa", runs, lambda, sigma, kappa)
	}
}

// noisy returns blocks of trials by the law, with noise of 2 % for each trial and 1 % for each
// block.
func noisy(u stat.USL, blocks int, noise *rand.Rand) (bs [][]stat.Point) {
	for range blocks {
		block := 0.01 * noise.NormFloat64()
		var b []stat.Point
		for _, n := range []float64{1, 2, 4, 8, 16} {
			b = append(b, stat.Point{N: n, X: u.At(n) * math.Exp(block+0.02*noise.NormFloat64())})
		}
		bs = append(bs, b)
	}
	return bs
}

func TestBootstrapUSLRepeatsWithItsSeed(t *testing.T) {
	blocks := noisy(stat.USL{Lambda: 1000, Sigma: 0.05, Kappa: 0.002}, 6, rand.New(rand.NewPCG(1, 1)))
	low, high, err := stat.BootstrapUSL(blocks, 200, 7)
	if err != nil {
		t.Fatal(err)
	}
	if low2, high2, _ := stat.BootstrapUSL(blocks, 200, 7); low2 != low || high2 != high {
		t.Errorf("%v to %v, and %v to %v when repeated", low, high, low2, high2)
	}
	if !(low.Sigma < high.Sigma) || !(low.Kappa < high.Kappa) || !(low.Lambda < high.Lambda) {
		t.Errorf("%v to %v", low, high)
	}
}

func TestBootstrapUSLRefusesUnusableBlocks(t *testing.T) {
	whole := points([]float64{1, 2, 4, 8}, []float64{1, 1.9, 3.5, 6})
	for _, tt := range []struct {
		blocks    [][]stat.Point
		resamples int
		want      string
	}{
		{[][]stat.Point{whole}, 100, "at least 2 blocks, not 1"},
		{[][]stat.Point{whole, whole}, 0, "at least 1 resample, not 0"},
		{[][]stat.Point{whole[:3], whole[:3]}, 100, "3 distinct N"}, // in every resample
	} {
		_, _, err := stat.BootstrapUSL(tt.blocks, tt.resamples, 1)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.blocks, err, tt.want)
		}
	}
}
