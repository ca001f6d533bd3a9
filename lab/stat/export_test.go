package stat

// FitUSLAbsolute minimizes absolute errors, as published coefficients do.
func FitUSLAbsolute(points []Point) (USL, error) {
	return fitUSL(points, func(p Point, h float64) (miss, slope float64) { return p.X - p.N/h, p.N / h / h })
}

// PairedPower is that of a one-sided t-test.
var PairedPower = pairedPower
