// Package verdict owns what a run's rows say of its plan's hypotheses, of the
// claims that these serve, and of the controls that say whether to believe any
// of it. It is pure: the same plan and rows give the same verdicts, in whatever
// order the rows come.
//
// The unit of analysis is the trial. Of each block a hypothesis has one value,
// the log of the ratio of its arms, which takes out what slows a whole block.
// Their mean is held against the margin by paired t-tests; which regions of the
// ratio support a hypothesis and which refute it says the table in region.go.
// Since the true ratio lies in one region only, tests of regions that do not
// overlap need no adjustment among themselves: the partitioning principle
// (Finner and Strassburger, "The partitioning principle: a powerful tool in
// multiple decision theory", Annals of Statistics 30(4), 2002).
//
// Over the hypotheses of a run Holm's procedure orders by the smallest p that
// could decide each, and the interval of each is at the level that Holm tests it
// at, so that interval and test agree: "Holm on the range" (Serlin, "Confidence
// intervals and the scientific method: a case for Holm on the range", Journal of
// Experimental Education 61(4), 1993). What is found must also be found by
// permuting signs, which assumes no distribution but a symmetric one.
package verdict
