package docker

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

	"runtimelab/lab/account"
	"runtimelab/lab/fault"
)

// Usage returns the resources that the service's container has used so far. Call it only at the
// start and end of a phase: reading it costs CPU time.
func (s *Service) Usage(ctx context.Context) (account.Usage, error) {
	u, err := s.readUsage(ctx)
	if err != nil {
		err = fmt.Errorf("reading the usage of %s (container %.12s): %w", s.spec.Name, s.grant.ContainerID, err)
		return u, fault.During(ctx, fault.Engine, err)
	}
	return u, nil
}

func (s *Service) readUsage(ctx context.Context) (u account.Usage, err error) {
	known := false
	var above int64
	if s.engine.Local() {
		root := os.DirFS("/")
		u, known = usageFromCgroup(root, s.pid, s.grant.ContainerID)
		u.At = time.Now()
		above = throttledAbove(root, s.pid, s.grant.ContainerID)
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

// usageFromAPI reads the usage through the engine's API. It takes about a second, the interval of
// the engine's collector, unless nobody has asked recently.
func (s *Service) usageFromAPI(ctx context.Context) (account.Usage, error) {
	result, err := s.engine.client.ContainerStats(ctx, s.grant.ContainerID, client.ContainerStatsOptions{})
	if err != nil {
		return account.Usage{}, err
	}
	defer result.Body.Close()
	return parseStats(result.Body)
}

// parseStats parses the engine's statistics, of cgroup v1 and v2.
func parseStats(from io.Reader) (account.Usage, error) {
	var stats container.StatsResponse
	if err := json.NewDecoder(from).Decode(&stats); err != nil {
		return account.Usage{}, err
	}
	u := account.Usage{
		At:               stats.Read,
		CPU:              time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		ThrottledPeriods: int64(stats.CPUStats.ThrottlingData.ThrottledPeriods),
	}
	// The engine's API reports a maximum for cgroup v1 only.
	if peak := int64(stats.MemoryStats.MaxUsage); peak > 0 {
		u.MemoryPeakBytes = &peak
	}
	return u, nil
}

// usageFromCgroup reads the container's usage from the kernel's cgroup files. pid is the
// container's first process and root the file system of the engine's host. ok is false if the files
// are not on this machine, for example if the engine runs in a virtual machine.
func usageFromCgroup(root fs.FS, pid int, container string) (u account.Usage, ok bool) {
	groups := cgroupPaths(root, pid, container)
	readFile := func(controller, file string) string {
		group, known := groups[controller]
		if !known {
			return ""
		}
		return readCgroupFile(root, controller, group, file)
	}
	if _, v1 := groups["cpuacct"]; v1 {
		return usageFromCgroupV1(readFile)
	}
	return usageFromCgroupV2(readFile)
}

// cgroupRoot is the mount point of cgroups, relative to /.
const cgroupRoot = "sys/fs/cgroup"

// cgroupPaths returns a container's cgroups by controller, those of its first process; cgroup v2
// has the key "". It returns nil or an empty map if pid is not that container's.
func cgroupPaths(root fs.FS, pid int, container string) map[string]string {
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

func usageFromCgroupV1(read func(controller, file string) string) (u account.Usage, ok bool) {
	used, ok := parseCount(read("cpuacct", "cpuacct.usage"))
	throttled, known := parseCount(statField(read("cpu", "cpu.stat"), "nr_throttled"))
	peak, counted := parseCount(read("memory", "memory.max_usage_in_bytes"))
	u.CPU, u.ThrottledPeriods, u.MemoryPeakBytes = time.Duration(used), throttled, &peak
	return u, ok && known && counted
}

// usageFromCgroupV2 leaves the memory peak nil on kernels before Linux 5.19, which have no
// memory.peak.
func usageFromCgroupV2(read func(controller, file string) string) (u account.Usage, ok bool) {
	used, ok := parseCount(statField(read("", "cpu.stat"), "usage_usec"))
	throttled, known := parseCount(statField(read("", "cpu.stat"), "nr_throttled"))
	u.CPU, u.ThrottledPeriods = time.Duration(used)*time.Microsecond, throttled
	if peak, counted := parseCount(read("", "memory.peak")); counted {
		u.MemoryPeakBytes = &peak
	}
	return u, ok && known
}

// statField returns the value of name in a file of lines "name value", or "".
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

// oomEvents returns how many of the service's processes the kernel killed for lack of memory, up to
// a moment. The service may survive a killed worker.
func (s *Service) oomEvents(ctx context.Context, until time.Time) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := s.engine.client.Events(ctx, client.EventsListOptions{
		Since:   eventTime(s.startedAt),
		Until:   eventTime(until),
		Filters: make(client.Filters).Add("container", s.grant.ContainerID).Add("event", string(events.ActionOOM)),
	})
	for {
		select {
		case <-stream.Messages:
			n++
		case err := <-stream.Err:
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			return n, fmt.Errorf("reading out-of-memory events: %w", err)
		}
	}
}

// eventTime formats a time for the engine's events: seconds and nanoseconds.
func eventTime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
