package stat

import (
	"math"
	"math/rand/v2"
)

const (
	// maxExactValues is up to how many values every choice of signs is counted.
	maxExactValues = 32
	// sampledChoices are drawn where there are more.
	sampledChoices = 100_000
)

// SignFlip is p of the one-sided permutation test that xs lie above the limit:
// the share of all choices of signs of their distances from it that sum to as
// much as was seen. It assumes that under the hypothesis each is as likely to lie
// so far above as below, and nothing of a distribution: Fisher, "The Design of
// Experiments" (1935), section 21. It is exact for as many as 32 values; of more
// it draws choices by a fixed seed and counts the one that was seen among them
// (Phipson and Smyth, "Permutation P-values Should Never Be Zero", Statistical
// Applications in Genetics and Molecular Biology 9(1), 2010). p of nothing is 1.
func SignFlip(xs []float64, limit float64) float64 {
	away := make([]float64, len(xs))
	sum, size, zeros := 0.0, 0.0, 0
	for i, x := range xs {
		away[i] = x - limit
		sum += away[i]
		size += math.Abs(away[i])
		if away[i] == 0 {
			zeros++
		}
	}
	if sum == size { // none lies below: no other choice reaches as far
		return math.Ldexp(1, zeros-len(xs))
	}
	enough := sum - 1e-12*size // sums that differ by rounding are equal
	if len(xs) > maxExactValues {
		return sampledShare(away, enough)
	}
	// Every choice is one of the first half of the values and one of the second:
	// 2^16 sums to sort where there are 2^32 choices (Horowitz and Sahni, "Computing
	// Partitions with Applications to the Knapsack Problem", J. ACM 21(2), 1974).
	half := len(away) / 2
	first, second := signedSums(away[:half]), signedSums(away[half:])
	count, j := 0, len(second)
	for _, a := range first {
		for j > 0 && a+second[j-1] >= enough {
			j--
		}
		count += len(second) - j
	}
	return float64(count) / float64(len(first)) / float64(len(second))
}

// signedSums are the sums of xs under every choice of their signs, ascending.
func signedSums(xs []float64) []float64 {
	sums := make([]float64, 1, 1<<len(xs))
	buffer := make([]float64, 0, 1<<len(xs))
	for _, x := range xs {
		x = math.Abs(x)
		buffer = buffer[:0]
		// Sums with x, and without: both are in order, and merged.
		with, without := 0, 0
		for with < len(sums) {
			if without < len(sums) && sums[without]-x <= sums[with]+x {
				buffer = append(buffer, sums[without]-x)
				without++
			} else {
				buffer = append(buffer, sums[with]+x)
				with++
			}
		}
		sums, buffer = buffer, sums
	}
	return sums
}

func sampledShare(away []float64, enough float64) float64 {
	signs := rand.New(rand.NewPCG(1935, 21))
	count := 1
	for range sampledChoices {
		sum, bits, left := 0.0, uint64(0), 0
		for _, x := range away {
			if left == 0 {
				bits, left = signs.Uint64(), 64
			}
			if bits&1 == 0 {
				x = -x
			}
			sum += x
			bits >>= 1
			left--
		}
		if sum >= enough {
			count++
		}
	}
	return float64(count) / (sampledChoices + 1)
}
