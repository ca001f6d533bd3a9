package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
	u, err := s.readUsage(ctx)
	if err != nil {
		return u, fmt.Errorf("reading the usage of %s (container %.12s): %w", s.name, s.id, err)
	}
	return u, nil
}

func (s *Server) readUsage(ctx context.Context) (u lab.Usage, err error) {
	known := false
	var above int64
	if s.engine.Local() {
		root := os.DirFS("/")
		u, known = usageFromCgroup(root, s.pid, s.id)
		u.At = time.Now()
		above = throttledAbove(root, s.pid, s.id)
	}
	if !known {
		if u, err = s.usageFromAPI(ctx); err != nil {
			return u, err
		}
	}
	u.ThrottledAbove = above
	u.OOMEvents, err = s.oomEvents(ctx, u.At)
	return u, err
}

// usageFromAPI is what the engine says over its API. That takes it a second, the interval
// of its own collector, unless nobody has asked for a while.
func (s *Server) usageFromAPI(ctx context.Context) (lab.Usage, error) {
	result, err := s.engine.client.ContainerStats(ctx, s.id, client.ContainerStatsOptions{})
	if err != nil {
		return lab.Usage{}, err
	}
	defer result.Body.Close()
	return parseStats(result.Body)
}

// parseStats reads the engine's statistics, those of cgroup v1 and v2 alike.
func parseStats(from io.Reader) (lab.Usage, error) {
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

// usageFromCgroup reads from the kernel's files what the engine would say, of the cgroup
// of a container by the process it began with. root is the file system of the
// engine's host. It is false where these files do not speak of that container,
// as where the engine runs in a virtual machine of its own.
func usageFromCgroup(root fs.FS, pid int, container string) (u lab.Usage, ok bool) {
	groups := groupsOf(root, pid, container)
	of := func(controller, file string) string {
		group, known := groups[controller]
		if !known {
			return ""
		}
		return read(root, controller, group, file)
	}
	if _, v1 := groups["cpuacct"]; v1 {
		return usageFromCgroupV1(of)
	}
	return usageFromCgroupV2(of)
}

// cgroups is where the kernel's files of cgroups are, from /.
const cgroups = "sys/fs/cgroup"

// groupsOf are the cgroups of a container by controller, by those of the process that it began
// with; "" is that of cgroup v2. There is none where the process is not that container's.
func groupsOf(root fs.FS, pid int, container string) map[string]string {
	membership, err := fs.ReadFile(root, fmt.Sprintf("proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	groups := map[string]string{}
	for line := range strings.Lines(string(membership)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7)
		if len(fields) != 3 || !strings.Contains(fields[2], container) {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			groups[controller] = fields[2]
		}
	}
	return groups
}

func usageFromCgroupV1(read func(controller, file string) string) (u lab.Usage, ok bool) {
	used, ok := parseCount(read("cpuacct", "cpuacct.usage"))
	throttled, known := parseCount(statField(read("cpu", "cpu.stat"), "nr_throttled"))
	peak, counted := parseCount(read("memory", "memory.max_usage_in_bytes"))
	u.CPU, u.ThrottledPeriods, u.MemoryPeakBytes = time.Duration(used), throttled, &peak
	return u, ok && known && counted
}

// usageFromCgroupV2 has no peak where the kernel does not count it (memory.peak, since
// Linux 5.19).
func usageFromCgroupV2(read func(controller, file string) string) (u lab.Usage, ok bool) {
	used, ok := parseCount(statField(read("", "cpu.stat"), "usage_usec"))
	throttled, known := parseCount(statField(read("", "cpu.stat"), "nr_throttled"))
	u.CPU, u.ThrottledPeriods = time.Duration(used)*time.Microsecond, throttled
	if peak, counted := parseCount(read("", "memory.peak")); counted {
		u.MemoryPeakBytes = &peak
	}
	return u, ok && known
}

// statField is the value of a name in a file of lines "name value".
func statField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return value
		}
	}
	return ""
}

func parseCount(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0
}

// oomEvents counts the server's processes that the kernel killed for memory
// until a moment. A worker that is killed need not end the server.
func (s *Server) oomEvents(ctx context.Context, until time.Time) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := s.engine.client.Events(ctx, client.EventsListOptions{
		Since:   eventTime(s.startedAt),
		Until:   eventTime(until),
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

// eventTime is a time as the engine's events take it: seconds and nanoseconds.
func eventTime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
