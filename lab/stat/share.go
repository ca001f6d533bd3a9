package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// ShareAtLeast returns the lower limit of the share of successes, of which k were seen in n
// independent trials, at the one-sided level 1 - alpha. It is exact: at that share, k or
// more successes have a probability of alpha (Clopper and Pearson, "The use of confidence
// or fiducial limits illustrated in the case of the binomial", Biometrika 26(4), 1934). If
// all trials succeed it is alpha^(1/n). It is 0 without a success.
func ShareAtLeast(k, n int, alpha float64) float64 {
	switch {
	case k <= 0 || n <= 0:
		return 0
	case k == n:
		return math.Pow(alpha, 1/float64(n))
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(alpha)
}

// NoneAtMost returns the upper limit, at the one-sided level 1 - alpha, of the share of
// something that was seen in none of n: 1 - alpha^(1/n). At 95 % it is about 3/n, the rule
// of three (Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?",
// JAMA 249(13), 1983). It is 1 if n is 0.
func NoneAtMost(n int64, alpha float64) float64 {
	if n <= 0 {
		return 1
	}
	return -math.Expm1(math.Log(alpha) / float64(n))
}
