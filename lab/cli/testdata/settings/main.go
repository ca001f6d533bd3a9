// Command settings is the server of an image with many settings. It tries to write to each
// of its volumes, and counts its health checks.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
)

func main() {
	if len(os.Args) > 1 { // this process is the health check
		response, err := http.Get("http://127.0.0.1:8080/health")
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		return
	}
	var checks atomic.Int64
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) { checks.Add(1) })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		result := map[string]any{"health": checks.Load()}
		for _, volume := range []string{"/data", "/late", "/none"} {
			seed, err := os.ReadFile(filepath.Join(volume, "seed"))
			if err != nil {
				seed = []byte(err.Error())
			}
			write := "done"
			if err := os.WriteFile(filepath.Join(volume, "x"), make([]byte, 50<<20), 0o644); err != nil {
				write = err.Error()
			}
			result[volume] = []string{string(seed), write}
		}
		if err := json.NewEncoder(w).Encode(result); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), nil))
}
