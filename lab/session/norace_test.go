//go:build !race

package session

const underRaceDetector = false
