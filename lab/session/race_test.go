//go:build race

package session

// underRaceDetector says that tests take about seven times as long.
const underRaceDetector = true
