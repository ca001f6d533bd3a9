package stat

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// USL is the Universal Scalability Law: what throughput becomes of n that share
// the work, such as cores. Gunther, "Guerrilla Capacity Planning" (2007),
// chapter 4, in its form of three coefficients.
type USL struct {
	Lambda float64 // throughput of one
	Sigma  float64 // contention: the share of work that only one can do at a time
	Kappa  float64 // coherency: what each costs each other one
}

// Point is the throughput X that N reached.
type Point struct{ N, X float64 }

// At is the throughput of n.
func (u USL) At(n float64) float64 {
	return u.Lambda * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Peak is the n of the highest throughput: infinite where more never cost, 1
// where more than one never gain.
func (u USL) Peak() float64 {
	if u.Sigma >= 1 {
		return 1
	}
	return max(1, math.Sqrt((1-u.Sigma)/u.Kappa))
}

// MinUSLPoints is the number of distinct N that a fit needs: one more than there are
// coefficients, or the fit could not be wrong.
const MinUSLPoints = 4

// FitUSL fits the law to points by nonlinear least squares, with lambda above and
// sigma and kappa not below zero. It is the relative errors that are made small:
// what disturbs throughput takes a share of it, so the points of many cores would
// drown those of few if errors were absolute.
func FitUSL(points []Point) (USL, error) { return fitUSL(points, relativeError) }

// fitUSL tries the law with both coefficients free and with one or both at zero,
// and takes the best that is feasible: with two constraints that is the whole
// active set method.
func fitUSL(points []Point, miss errorModel) (USL, error) {
	if err := checkUSLPoints(points); err != nil {
		return USL{}, err
	}
	var best USL
	least := math.Inf(1)
	for _, free := range [][]int{{0, 1, 2}, {0, 1}, {0, 2}, {0}} {
		h, loss := gaussNewtonFit(points, free, miss)
		if h[0] > 0 && h[1] >= 0 && h[2] >= 0 && loss < least {
			best, least = USL{Lambda: 1 / h[0], Sigma: h[1] / h[0], Kappa: h[2] / h[0]}, loss
		}
	}
	return best, nil // that of one free coefficient is always feasible
}

func checkUSLPoints(points []Point) error {
	var distinct []float64
	for _, p := range points {
		if !(p.N >= 1) || !(p.X > 0) || math.IsInf(p.N+p.X, 1) {
			return fmt.Errorf("fitting the Universal Scalability Law: a throughput of %v at N = %v is no point of it",
				p.X, p.N)
		}
		if !slices.Contains(distinct, p.N) {
			distinct = append(distinct, p.N)
		}
	}
	if len(distinct) < MinUSLPoints {
		return fmt.Errorf("fitting the Universal Scalability Law: %d distinct N; %d are needed", len(distinct),
			MinUSLPoints)
	}
	return nil
}

// unitTimes is N/X by the law: what one of N takes for one unit of work. It is linear
// in its coefficients 1/lambda, sigma/lambda and kappa/lambda.
type unitTimes [3]float64

func (h unitTimes) at(n float64) float64 {
	return h[0]*basisTerm(0, n) + h[1]*basisTerm(1, n) + h[2]*basisTerm(2, n)
}

func basisTerm(i int, n float64) float64 { return [...]float64{1, n - 1, n * (n - 1)}[i] }

// errorModel is by how much a point misses a law that gives h hours to its N, and
// the derivative of that in h.
type errorModel func(p Point, h float64) (miss, slope float64)

// relativeError is the log of what was seen to what the law says.
func relativeError(p Point, h float64) (miss, slope float64) {
	return math.Log(p.X * h / p.N), 1 / h
}

// gaussNewtonFit minimizes the sum of squares over the free coefficients by Gauss-Newton
// with steps that are halved until they gain.
func gaussNewtonFit(points []Point, free []int, miss errorModel) (unitTimes, float64) {
	h := initialGuess(points, free)
	loss := sumOfSquares(points, h, miss)
	for range 200 {
		step := gaussNewton(points, free, h, miss)
		next, nextLoss := h, loss
		for size := 1.0; size > 1e-12; size /= 2 {
			for i, k := range free {
				next[k] = h[k] - size*step[i]
			}
			if nextLoss = sumOfSquares(points, next, miss); nextLoss < loss {
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

// sumOfSquares is infinite for a law by which work takes no time.
func sumOfSquares(points []Point, h unitTimes, miss errorModel) float64 {
	sum := 0.0
	for _, p := range points {
		at := h.at(p.N)
		if !(at > 0) {
			return math.Inf(1)
		}
		m, _ := miss(p, at)
		sum += m * m
	}
	return sum
}

// initialGuess has work take the time that it took at the smallest N: it is
// feasible, whatever is free.
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
	for i, p := range points { // least squares of relative errors of N/X, which is linear
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

// gaussNewton is the step to subtract from the free coefficients, none where
// there is no single one.
func gaussNewton(points []Point, free []int, h unitTimes, miss errorModel) []float64 {
	jacobian := mat.NewDense(len(points), len(free), nil)
	misses := mat.NewVecDense(len(points), nil)
	for i, p := range points {
		m, slope := miss(p, h.at(p.N))
		misses.SetVec(i, m)
		for j, k := range free {
			jacobian.Set(i, j, slope*basisTerm(k, p.N))
		}
	}
	var step mat.VecDense
	if err := step.SolveVec(jacobian, misses); err != nil {
		return make([]float64, len(free))
	}
	return step.RawVector().Data
}

// BootstrapUSL is the interval of 95 % of each coefficient over blocks, each with
// the points of one: it fits the law to resamples of the blocks. Its percentiles
// lie further out the fewer blocks there are, as Student's t does beside the
// normal distribution, because percentiles as they are would be too narrow:
// Hesterberg, "What Teachers Should Know About the Bootstrap" (The American
// Statistician 69(4), 2015), section 3.3. Six blocks take theirs 0.24 % from
// either end, so resamples should be thousands.
func BootstrapUSL(blocks [][]Point, resamples int, seed uint64) (low, high USL, err error) {
	if len(blocks) < 2 {
		return low, high,
			fmt.Errorf("resampling the Universal Scalability Law: at least 2 blocks are needed, not %d", len(blocks))
	}
	if resamples < 1 {
		return low, high, errors.New("resampling the Universal Scalability Law: no resamples were asked for")
	}
	draws := rand.New(rand.NewPCG(seed, 0))
	var lambda, sigma, kappa []float64
	for tries := 0; len(lambda) < resamples; tries++ {
		u, err := FitUSL(resampleBlocks(blocks, draws))
		switch {
		case err == nil:
			lambda, sigma, kappa = append(lambda, u.Lambda), append(sigma, u.Sigma), append(kappa, u.Kappa)
		case tries > 10*resamples: // blocks that lack so many N that few resamples can be fitted
			return low, high, fmt.Errorf("resampling blocks: %w", err)
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
