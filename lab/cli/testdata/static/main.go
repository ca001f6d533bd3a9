//go:build linux

// Command static is a tiny server that acts as a runtime. It answers the vectors of the
// workloads from their files, and describes itself by what the kernel reports. The test of
// a third runtime builds an image of it.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/workload"
)

func main() {
	workloads, mistakes, err := workload.Load("/")
	if err != nil || len(mistakes) > 0 {
		log.Fatal(mistakes, err)
	}
	server := http.Server{
		Addr:        net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")),
		IdleTimeout: 75 * time.Second,
		Handler:     newHandler(workloads),
	}
	log.Fatal(server.ListenAndServe())
}

// newHandler returns a handler that answers the vectors of workloads and the identity request, and
// 404 to others.
func newHandler(workloads *workload.Set) http.HandlerFunc {
	answers := map[string]lab.Answer{}
	for _, w := range workloads.All() {
		for _, v := range w.Vectors() {
			header := http.Header{}
			for name, value := range v.Request.Header {
				header.Set(name, value)
			}
			answers[requestKey(v.Request.Method, v.Request.Path, header, v.Request.Body)] = v.Want
		}
	}
	identity := workloads.Identity()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has disconnected
		}
		answer, known := answers[requestKey(r.Method, r.RequestURI, r.Header, body)]
		switch {
		case r.Method == http.MethodGet && r.URL.Path == identity.Path:
			answer = lab.Answer{Status: http.StatusOK, Header: map[string]string{"content-type": "application/json"}}
			if answer.Body, err = json.Marshal(identityOfProcess()); err != nil {
				log.Fatal(err)
			}
		case !known:
			answer = lab.Answer{
				Status: http.StatusNotFound,
				Header: map[string]string{"content-type": "application/json"},
			}
		}
		for name, value := range answer.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body) // an error means that the client has disconnected
	}
}

// requestKey returns what distinguishes the requests of the contract.
func requestKey(method, uri string, header http.Header, body []byte) string {
	return strings.Join([]string{method, uri, header.Get("Content-Type"), string(body)}, "\n")
}

// identityOfProcess returns the identity of this process, with the limits that the kernel
// reports.
func identityOfProcess() lab.Identity {
	status := map[string]string{}
	for line := range strings.Lines(readText("/proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	var files unix.Rlimit
	var root unix.Statfs_t
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		log.Fatal(err)
	}
	if err := unix.Statfs("/", &root); err != nil {
		log.Fatal(err)
	}
	somaxconn := readNumber("/proc/sys/net/core/somaxconn")
	return lab.Identity{
		Runtime: "tiny", RuntimeVersion: runtime.Version(), Build: map[string]string{"compiler": runtime.Compiler},
		Model: "single", Workers: 1, Parallelism: 1, Backlog: somaxconn, KeepAliveS: 75,
		Process: lab.ProcessLimits{
			UID: os.Getuid(), NofileSoft: int(files.Cur), NofileHard: int(files.Max),
			CapEff: status["CapEff"], NoNewPrivs: status["NoNewPrivs"] == "1",
			RootReadOnly: root.Flags&unix.ST_RDONLY != 0,
			CPUsAllowed:  status["Cpus_allowed_list"],
			MemoryLimitBytes: int64(readNumber(
				"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")),
			Somaxconn:  somaxconn,
			PortRange:  strings.Join(strings.Fields(readText("/proc/sys/net/ipv4/ip_local_port_range")), " "),
			Interfaces: interfaceNames(),
		},
	}
}

func interfaceNames() (names []string) {
	all, err := net.Interfaces()
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

// readText returns the content of a file; empty if it cannot be read.
func readText(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "" // the file belongs to the other version of cgroups
	}
	return string(content)
}

// readNumber returns the number in the first file that has one, and 0 if none has.
func readNumber(paths ...string) int {
	for _, path := range paths {
		if n, err := strconv.Atoi(strings.TrimSpace(readText(path))); err == nil {
			return n
		}
	}
	return 0
}
