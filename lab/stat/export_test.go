package stat

// FitUSLAbsolute minimises absolute errors, by which published coefficients are fitted.
func FitUSLAbsolute(points []Point) (USL, error) {
	return fitUSL(points, func(p Point, h float64) (residual, slope float64) { return p.X - p.N/h, p.N / h / h })
}

// PairedPower exports pairedPower to tests.
var PairedPower = pairedPower
