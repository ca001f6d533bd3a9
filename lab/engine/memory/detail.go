package memory

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
)

const (
	spread     = 0.5  // standard deviation of the logarithm of a latency
	pauses     = 0.01 // share of the hits that wait for a pause of the server
	pauseScale = 6    // how much longer these take
	wavering   = 0.02 // standard deviation of the answers of a second, as a share

	draws   = 2000 // different latencies in a histogram
	longest = time.Minute
	digits  = 3 // significant ones of a latency

	minBeyond = 10 // hits beyond a quantile that has a value
)

// addDetail spreads the latencies of an attack as those of real servers are, and adds their histograms
// and the attack's seconds. All of it follows from the attack's seed.
func addDetail(r *lab.AttackResult, a lab.Attack) error {
	random := rand.New(rand.NewPCG(a.Seed, 1+uint64(len(a.Kind))))
	for _, l := range []*lab.Latency{r.Raw, r.FirstByte, r.Corrected, r.SendLag} {
		if l == nil || l.Count == 0 {
			continue
		}
		h := drawLatencies(random, l.Count, l.MeanMS)
		encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return fmt.Errorf("encoding the latencies of %s: %w", a.Name, err)
		}
		*l = lab.Latency{
			Count: l.Count, MeanMS: h.Mean() / 1e6, MaxMS: float64(h.Max()) / 1e6, HDR: encoded,
			P50MS: quantile(h, 50), P90MS: quantile(h, 90), P99MS: quantile(h, 99), P999MS: quantile(h, 99.9),
		}
	}
	r.Buckets = drawSeconds(random, r)
	return nil
}

// drawLatencies returns n latencies: log-normal ones, some with a pause.
func drawLatencies(random *rand.Rand, n int64, medianMS float64) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, int64(longest), digits)
	for left := int64(draws); left > 0; left-- {
		ns := 1e6 * medianMS * math.Exp(spread*random.NormFloat64())
		if random.Float64() < pauses {
			ns *= pauseScale * random.Float64()
		}
		share := n / left
		// The error is that a value is out of range, which the bounds exclude.
		_ = h.RecordValues(min(max(int64(ns), 1), int64(longest)), share)
		n -= share
	}
	return h
}

// quantile returns a percentile in milliseconds, or nil with too few hits beyond it.
func quantile(h *hdrhistogram.Histogram, percentile float64) *float64 {
	if float64(h.TotalCount())*(100-percentile)/100 < minBeyond {
		return nil
	}
	ms := float64(h.ValueAtPercentile(percentile)) / 1e6
	return &ms
}

// drawSeconds returns the seconds of an attack, whose answers sum up to those of the attack.
func drawSeconds(random *rand.Rand, r *lab.AttackResult) (all []lab.Bucket) {
	latency := r.Raw
	if r.Corrected != nil {
		latency = r.Corrected
	}
	total := r.Elapsed.Seconds()
	counted := int64(0)
	for second := range int(math.Ceil(total)) {
		until := min(float64(second+1), total)
		share := until / total
		if until < total {
			share *= 1 + wavering*random.NormFloat64()/float64(second+1)
		}
		n := max(int64(share*float64(r.Sent))-counted, 0)
		b := lab.Bucket{Second: second, Sent: n, Succeeded: n}
		if latency != nil {
			b.P50MS = ofSecond(random, latency.P50MS, n, 2)
			b.P99MS = ofSecond(random, latency.P99MS, n, 100)
		}
		all, counted = append(all, b), counted+n
	}
	return all
}

// ofSecond returns a quantile in a second with n hits, one of oneIn of which lie beyond it.
func ofSecond(random *rand.Rand, ofAttack *float64, n, oneIn int64) *float64 {
	if ofAttack == nil || n < minBeyond*oneIn {
		return nil
	}
	ms := *ofAttack * math.Exp(2*wavering*random.NormFloat64())
	return &ms
}
