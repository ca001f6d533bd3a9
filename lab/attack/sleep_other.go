//go:build !linux

package attack

import "time"

// sleeper exists here so that the package compiles; attacks run in cells, and
// cells are Linux.
type sleeper struct{}

func (sleeper) prepare()              {}
func (sleeper) sleep(d time.Duration) { time.Sleep(d) }
