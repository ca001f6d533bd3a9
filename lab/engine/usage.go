package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"runtimelab/lab"
)

// Usage is what the engine accounts to the server so far. Asked for at the
// edges of a phase only: a stream of these costs CPU.
func (s *Server) Usage(ctx context.Context) (lab.Usage, error) {
	u, err := s.usage(ctx)
	if err != nil {
		return u, fmt.Errorf("reading the usage of %s (container %.12s): %w", s.name, s.id, err)
	}
	return u, nil
}

func (s *Server) usage(ctx context.Context) (lab.Usage, error) {
	result, err := s.engine.client.ContainerStats(ctx, s.id, client.ContainerStatsOptions{})
	if err != nil {
		return lab.Usage{}, err
	}
	defer result.Body.Close()
	u, err := usage(result.Body)
	if err != nil {
		return u, err
	}
	if u.MemoryPeakBytes == nil && s.engine.Local() {
		u.MemoryPeakBytes = memoryPeak(os.DirFS("/"), s.pid)
	}
	u.OOMEvents, err = s.oomEvents(ctx, u.At)
	return u, err
}

// usage reads the engine's statistics, those of cgroup v1 and v2 alike.
func usage(from io.Reader) (lab.Usage, error) {
	var stats container.StatsResponse
	if err := json.NewDecoder(from).Decode(&stats); err != nil {
		return lab.Usage{}, err
	}
	u := lab.Usage{
		At:               stats.Read,
		CPU:              time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		ThrottledPeriods: int64(stats.CPUStats.ThrottlingData.ThrottledPeriods),
	}
	// Only cgroup v1 reports a maximum through the engine's API.
	if peak := int64(stats.MemoryStats.MaxUsage); peak > 0 {
		u.MemoryPeakBytes = &peak
	}
	return u, nil
}

// memoryPeak is the highest use of memory by the cgroup of a process, where
// cgroup v2 is mounted and counts it (memory.peak, since Linux 5.19); nil
// elsewhere. root is the file system of the engine's host.
func memoryPeak(root fs.FS, pid int) *int64 {
	membership, err := fs.ReadFile(root, fmt.Sprintf("proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(membership)) {
		group, unified := strings.CutPrefix(strings.TrimSpace(line), "0::") // cgroups(7)
		if !unified {
			continue
		}
		text, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", group, "memory.peak"))
		if err != nil {
			return nil
		}
		peak, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || peak <= 0 {
			return nil
		}
		return &peak
	}
	return nil
}

// oomEvents counts the server's processes that the kernel killed for memory
// until a moment. A worker that is killed need not end the server.
func (s *Server) oomEvents(ctx context.Context, until time.Time) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := s.engine.client.Events(ctx, client.EventsListOptions{
		Since:   moment(s.startedAt),
		Until:   moment(until),
		Filters: make(client.Filters).Add("container", s.id).Add("event", string(events.ActionOOM)),
	})
	for {
		select {
		case <-seen.Messages:
			n++
		case err := <-seen.Err:
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			return n, fmt.Errorf("asking for its out-of-memory events: %w", err)
		}
	}
}

// moment is a time as the engine's events take it: seconds and nanoseconds.
func moment(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
