package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// USL holds the coefficients of the Universal Scalability Law, which describes how throughput
// grows with n workers, such as CPUs: Gunther, "Guerrilla Capacity Planning" (2007), chapter 4,
// in the form of three coefficients.
type USL struct {
	Lambda float64 // throughput of one worker
	Sigma  float64 // contention: the share of work that only one worker can do at a time
	Kappa  float64 // coherency: the cost of each pair of workers
}

// Point is a measured throughput X with N workers.
type Point struct{ N, X float64 }

// At returns the throughput with n workers.
func (u USL) At(n float64) float64 {
	return u.Lambda * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Peak returns the n of the highest throughput: +Inf if throughput never falls, 1 if it never
// rises.
func (u USL) Peak() float64 {
	if u.Sigma >= 1 {
		return 1
	}
	return max(1, math.Sqrt((1-u.Sigma)/u.Kappa))
}

// MinUSLPoints is the number of distinct N that a fit needs: one more than coefficients, so
// that the fit can fail.
const MinUSLPoints = 4

// FitUSL fits the law to points by nonlinear least squares with lambda > 0 and sigma, kappa
// >= 0. It minimises relative errors, because noise is proportional to throughput: with
// absolute errors, points of many CPUs would outweigh those of few.
func FitUSL(points []Point) (USL, error) { return fitUSL(points, relativeError) }

// fitUSL fits the law with sigma and kappa free, and with one or both fixed at zero, and
// returns the best feasible fit. With two constraints that tries all active sets.
func fitUSL(points []Point, model errorModel) (USL, error) {
	if err := checkUSLPoints(points); err != nil {
		return USL{}, err
	}
	var best USL
	least := math.Inf(1)
	for _, free := range [][]int{{0, 1, 2}, {0, 1}, {0, 2}, {0}} {
		h, loss := fitCoefficients(points, free, model)
		if h[0] > 0 && h[1] >= 0 && h[2] >= 0 && loss < least {
			best, least = USL{Lambda: 1 / h[0], Sigma: h[1] / h[0], Kappa: h[2] / h[0]}, loss
		}
	}
	return best, nil // the fit with one free coefficient is always feasible
}

func checkUSLPoints(points []Point) error {
	var distinct []float64
	for _, p := range points {
		if !(p.N >= 1) || !(p.X > 0) || math.IsInf(p.N+p.X, 1) {
			return fmt.Errorf("fitting the Universal Scalability Law: a throughput of %v at N = %v; "+
				"N must be 1 or more, and the throughput above 0", p.X, p.N)
		}
		if !slices.Contains(distinct, p.N) {
			distinct = append(distinct, p.N)
		}
	}
	if len(distinct) < MinUSLPoints {
		return fmt.Errorf("fitting the Universal Scalability Law: %d distinct N; %d are needed",
			len(distinct), MinUSLPoints)
	}
	return nil
}

// unitTimes gives N/X by the law, the time that one of N workers takes for a unit of work. It
// is linear in its coefficients 1/lambda, sigma/lambda and kappa/lambda.
type unitTimes [3]float64

func (h unitTimes) at(n float64) float64 {
	return h[0]*basisTerm(0, n) + h[1]*basisTerm(1, n) + h[2]*basisTerm(2, n)
}

func basisTerm(i int, n float64) float64 { return [...]float64{1, n - 1, n * (n - 1)}[i] }

// errorModel returns the residual of a point for a law with unit time h at its N, and the
// derivative of the residual by h.
type errorModel func(p Point, h float64) (residual, slope float64)

// relativeError is the model in which a residual is the log of measured to predicted
// throughput.
func relativeError(p Point, h float64) (residual, slope float64) {
	return math.Log(p.X * h / p.N), 1 / h
}

// fitCoefficients minimises the sum of squares over the free coefficients by Gauss-Newton,
// halving each step until it reduces the sum. It returns the sum, too.
func fitCoefficients(points []Point, free []int, model errorModel) (unitTimes, float64) {
	h := initialGuess(points, free)
	loss := sumOfSquares(points, h, model)
	for range 200 {
		step := gaussNewtonStep(points, free, h, model)
		next, nextLoss := h, loss
		for size := 1.0; size > 1e-12; size /= 2 {
			for i, k := range free {
				next[k] = h[k] - size*step[i]
			}
			if nextLoss = sumOfSquares(points, next, model); nextLoss < loss {
				break
			}
		}
		gained := loss - nextLoss
		if !(gained > 0) {
			break
		}
		h, loss = next, nextLoss
		if gained < 1e-15*loss {
			break
		}
	}
	return h, loss
}

// sumOfSquares returns the sum of squared residuals. It is infinite if the law gives a point
// no positive unit time.
func sumOfSquares(points []Point, h unitTimes, model errorModel) float64 {
	sum := 0.0
	for _, p := range points {
		unitTime := h.at(p.N)
		if !(unitTime > 0) {
			return math.Inf(1)
		}
		residual, _ := model(p, unitTime)
		sum += residual * residual
	}
	return sum
}

// initialGuess returns the linear least-squares fit of relative errors of N/X, or, if that is
// not feasible, the constant unit time at the smallest N, which always is.
func initialGuess(points []Point, free []int) unitTimes {
	first := points[0]
	for _, p := range points {
		if p.N < first.N {
			first = p
		}
	}
	h := unitTimes{first.N / first.X}
	jacobian := mat.NewDense(len(points), len(free), nil)
	ones := mat.NewVecDense(len(points), nil)
	for i, p := range points {
		for j, k := range free {
			jacobian.Set(i, j, basisTerm(k, p.N)*p.X/p.N)
		}
		ones.SetVec(i, 1)
	}
	var solved mat.VecDense
	if solved.SolveVec(jacobian, ones) != nil {
		return h
	}
	linear := unitTimes{}
	for j, k := range free {
		linear[k] = solved.AtVec(j)
	}
	if math.IsInf(sumOfSquares(points, linear, relativeError), 1) {
		return h
	}
	return linear
}

// gaussNewtonStep returns the step to subtract from the free coefficients. It is zero if the
// equations have no unique solution.
func gaussNewtonStep(points []Point, free []int, h unitTimes, model errorModel) []float64 {
	jacobian := mat.NewDense(len(points), len(free), nil)
	residuals := mat.NewVecDense(len(points), nil)
	for i, p := range points {
		residual, slope := model(p, h.at(p.N))
		residuals.SetVec(i, residual)
		for j, k := range free {
			jacobian.Set(i, j, slope*basisTerm(k, p.N))
		}
	}
	var step mat.VecDense
	if err := step.SolveVec(jacobian, residuals); err != nil {
		return make([]float64, len(free))
	}
	return step.RawVector().Data
}

// BootstrapUSL returns the 95 % interval of each coefficient: it fits the law to resamples of
// blocks, each with the points of one block. Plain percentiles would be too narrow for few
// blocks, so they are widened as Student's t widens the normal distribution: Hesterberg, "What
// Teachers Should Know About the Bootstrap" (The American Statistician 69(4), 2015), section
// 3.3. For six blocks they lie 0.24 % from either end, so use thousands of resamples.
func BootstrapUSL(blocks [][]Point, resamples int, seed uint64) (low, high USL, err error) {
	if len(blocks) < 2 {
		return low, high, fmt.Errorf("resampling the Universal Scalability Law needs at least 2 blocks, not %d",
			len(blocks))
	}
	if resamples < 1 {
		return low, high, fmt.Errorf("resampling the Universal Scalability Law needs at least 1 resample, not %d",
			resamples)
	}
	draws := rand.New(rand.NewPCG(seed, 0))
	var lambda, sigma, kappa []float64
	for tries := 0; len(lambda) < resamples; tries++ {
		u, err := FitUSL(resampleBlocks(blocks, draws))
		switch {
		case err == nil:
			lambda, sigma, kappa = append(lambda, u.Lambda), append(sigma, u.Sigma), append(kappa, u.Kappa)
		case tries > 10*resamples: // blocks lack so many N that few resamples can be fitted
			return low, high, fmt.Errorf("resampling the Universal Scalability Law: %w", err)
		}
	}
	n := float64(len(blocks))
	tail := distuv.UnitNormal.Survival(tQuantile(0.975, n-1) * math.Sqrt(n/(n-1)))
	low = USL{Quantile(lambda, tail), Quantile(sigma, tail), Quantile(kappa, tail)}
	high = USL{Quantile(lambda, 1-tail), Quantile(sigma, 1-tail), Quantile(kappa, 1-tail)}
	return low, high, nil
}

func resampleBlocks(blocks [][]Point, draws *rand.Rand) (points []Point) {
	for range blocks {
		points = append(points, blocks[draws.IntN(len(blocks))]...)
	}
	return points
}
