package stat

import (
	"math"
	"math/rand/v2"
)

const (
	// maxExactValues is the largest number of values for which all choices of signs are counted.
	maxExactValues = 32
	// sampledChoices is the number of choices sampled for more values.
	sampledChoices = 100_000
)

// SignFlip returns p of the one-sided permutation test that the mean of xs is above limit: the
// share of all choices of signs for the distances from limit whose sum is at least the
// observed one. It assumes only that under the hypothesis the distances are distributed
// symmetrically around the limit: Fisher, "The Design of Experiments" (1935), section 21.
//
// It is exact for up to 32 values. For more it samples choices with a fixed seed and counts
// the observed one among them (Phipson and Smyth, "Permutation P-values Should Never Be
// Zero", Statistical Applications in Genetics and Molecular Biology 9(1), 2010). Without
// values p is 1.
func SignFlip(xs []float64, limit float64) float64 {
	distances := make([]float64, len(xs))
	sum, size, zeros := 0.0, 0.0, 0
	for i, x := range xs {
		distances[i] = x - limit
		sum += distances[i]
		size += math.Abs(distances[i])
		if distances[i] == 0 {
			zeros++
		}
	}
	if sum == size { // no value lies below: any other choice has a smaller sum, zeros aside
		return math.Ldexp(1, zeros-len(xs))
	}
	threshold := sum - 1e-12*size // sums that differ by rounding count as equal
	if len(xs) > maxExactValues {
		return sampledShare(distances, threshold)
	}
	// A choice combines one of the first half of the values with one of the second. So two
	// sorted lists of 2^16 sums replace 2^32 choices (Horowitz and Sahni, "Computing
	// Partitions with Applications to the Knapsack Problem", J. ACM 21(2), 1974).
	half := len(distances) / 2
	first, second := signedSums(distances[:half]), signedSums(distances[half:])
	count, j := 0, len(second)
	for _, a := range first {
		for j > 0 && a+second[j-1] >= threshold {
			j--
		}
		count += len(second) - j
	}
	return float64(count) / float64(len(first)) / float64(len(second))
}

// SignFlipBelow returns p of the same test that the mean of xs is below limit.
func SignFlipBelow(xs []float64, limit float64) float64 {
	mirrored := make([]float64, len(xs))
	for i, x := range xs {
		mirrored[i] = -x
	}
	return SignFlip(mirrored, -limit)
}

// signedSums returns the sums of xs for all choices of signs, ascending.
func signedSums(xs []float64) []float64 {
	sums := make([]float64, 1, 1<<len(xs))
	buffer := make([]float64, 0, 1<<len(xs))
	for _, x := range xs {
		x = math.Abs(x)
		buffer = buffer[:0]
		// Merge the sums plus x and the sums minus x, which are both sorted.
		plus, minus := 0, 0
		for plus < len(sums) {
			if minus < len(sums) && sums[minus]-x <= sums[plus]+x {
				buffer = append(buffer, sums[minus]-x)
				minus++
			} else {
				buffer = append(buffer, sums[plus]+x)
				plus++
			}
		}
		sums, buffer = buffer, sums
	}
	return sums
}

// sampledShare estimates the share of choices of signs whose sum is at least threshold.
func sampledShare(distances []float64, threshold float64) float64 {
	signs := rand.New(rand.NewPCG(1935, 21))
	count := 1 // the observed choice
	for range sampledChoices {
		sum, bits, left := 0.0, uint64(0), 0
		for _, x := range distances {
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
		if sum >= threshold {
			count++
		}
	}
	return float64(count) / (sampledChoices + 1)
}
