// Package verdict turns a run's rows into verdicts on the hypotheses of its plan, on the claims
// that these belong to, and on the controls that check the instrument. It is pure: the same plan
// and rows give the same verdicts, in whatever order the rows come.
//
// The unit of analysis is the trial. A hypothesis has one value per block, the log of the ratio of
// its arms; the ratio cancels what slows a whole block. Paired t-tests compare the mean of these
// values with the margin. The table in region.go defines which regions of the ratio support a
// hypothesis and which refute it. The true ratio lies in one region only, so tests of regions that
// do not overlap need no adjustment among themselves: the partitioning principle (Finner and
// Strassburger, "The partitioning principle: a powerful tool in multiple decision theory", Annals
// of Statistics 30(4), 2002).
//
// Over the hypotheses of a run, Holm's procedure orders by the smallest p that could decide each.
// The interval of each hypothesis is at the level at which Holm tests it, so that interval and test
// agree: "Holm on the range" (Serlin, "Confidence intervals and the scientific method: a case for
// Holm on the range", Journal of Experimental Education 61(4), 1993). A sign-flip permutation test
// must confirm each finding; it assumes only a symmetric distribution.
package verdict
