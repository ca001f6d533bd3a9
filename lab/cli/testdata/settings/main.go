// Command settings is a server in an image that sets all that an image can. It
// tries to write to each of its volumes, and counts how often its health is asked
// for.
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
	if len(os.Args) > 1 { // it is the health check
		response, err := http.Get("http://127.0.0.1:8080/health")
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		return
	}
	var asked atomic.Int64
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		told := map[string]any{"health": asked.Load()}
		for _, volume := range []string{"/data", "/late", "/none"} {
			seed, err := os.ReadFile(filepath.Join(volume, "seed"))
			if err != nil {
				seed = []byte(err.Error())
			}
			wrote := "done"
			if err := os.WriteFile(filepath.Join(volume, "x"), make([]byte, 50<<20), 0o644); err != nil {
				wrote = err.Error()
			}
			told[volume] = []string{string(seed), wrote}
		}
		if err := json.NewEncoder(w).Encode(told); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), nil))
}
