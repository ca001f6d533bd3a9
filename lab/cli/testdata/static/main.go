//go:build linux

// Command static is a tiny server that passes for a runtime: it answers the
// contract's vectors out of the contract itself, and of itself what the kernel
// says. The test of a third runtime makes an image of it.
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
	"runtimelab/lab/contract"
)

func main() {
	rules, err := contract.Load("/contract.json")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{
		Addr:        net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")),
		IdleTimeout: 75 * time.Second,
		Handler:     answering(rules),
	}
	log.Fatal(server.ListenAndServe())
}

func answering(rules *contract.Contract) http.HandlerFunc {
	answers := map[string]lab.Answer{}
	for _, v := range rules.Vectors() {
		header := http.Header{}
		for name, value := range v.Request.Header {
			header.Set(name, value)
		}
		answers[question(v.Request.Method, v.Request.Path, header, v.Request.Body)] = v.Want
	}
	identity := rules.IdentityRequest()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		answer, known := answers[question(r.Method, r.RequestURI, r.Header, body)]
		switch {
		case r.Method == identity.Method && r.URL.Path == identity.Path:
			answer = lab.Answer{Status: http.StatusOK, Header: map[string]string{"content-type": "application/json"}}
			if answer.Body, err = json.Marshal(itself()); err != nil {
				log.Fatal(err)
			}
		case !known:
			answer = lab.Answer{Status: http.StatusNotFound,
				Header: map[string]string{"content-type": "application/json"}}
		}
		for name, value := range answer.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body) // a client that has gone is its own affair
	}
}

func question(method, uri string, header http.Header, body []byte) string {
	return strings.Join([]string{method, uri, header.Get("Content-Type"), string(body)}, "\n")
}

// itself is what the kernel grants this process.
func itself() lab.Identity {
	status := map[string]string{}
	for line := range strings.Lines(text("/proc/self/status")) {
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
	somaxconn := number("/proc/sys/net/core/somaxconn")
	return lab.Identity{
		Runtime: "tiny", RuntimeVersion: runtime.Version(), Build: map[string]string{"compiler": runtime.Compiler},
		Model: "single", Workers: 1, Parallelism: 1, Backlog: somaxconn, KeepAliveS: 75,
		Process: lab.ProcessLimits{
			UID: os.Getuid(), NofileSoft: int(files.Cur), NofileHard: int(files.Max),
			CapEff: status["CapEff"], NoNewPrivs: status["NoNewPrivs"] == "1", RootReadOnly: root.Flags&unix.ST_RDONLY != 0,
			CPUsAllowed:      status["Cpus_allowed_list"],
			MemoryLimitBytes: int64(number("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")),
			Somaxconn:        somaxconn,
			PortRange:        strings.Join(strings.Fields(text("/proc/sys/net/ipv4/ip_local_port_range")), " "),
			Interfaces:       interfaces(),
		},
	}
}

func interfaces() (names []string) {
	all, err := net.Interfaces()
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

func text(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "" // another version of cgroups
	}
	return string(content)
}

// number is what the first of the files that is there says.
func number(paths ...string) int {
	for _, path := range paths {
		if n, err := strconv.Atoi(strings.TrimSpace(text(path))); err == nil {
			return n
		}
	}
	return 0
}
