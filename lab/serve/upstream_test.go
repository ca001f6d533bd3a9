package serve

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestUpstreamAnswersManyAtOnce(t *testing.T) {
	url := "http://" + startResponder(t, "upstream")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	const clients, rounds = 200, 3
	began := time.Now()
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			for range rounds {
				sent := time.Now()
				resp, err := client.Get(url + "/wait?ms=100")
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || string(body) != "done" ||
					resp.Header.Get("Content-Type") != "text/plain" {
					t.Errorf("answered %d %q, error %v", resp.StatusCode, body, err)
				}
				if took := time.Since(sent); took < 100*time.Millisecond {
					t.Errorf("answered after %v", took)
				}
			}
		})
	}
	asking.Wait()
	if took := time.Since(began); took > clients*rounds*100*time.Millisecond/10 {
		t.Errorf("%d waits of 100ms, %d at once, took %v", clients*rounds, clients, took)
	}
	for range 2 { // asking for the count is not counted
		if h := fetchJSON[lab.CallCount](t, "GET", url+CallsPath); h.Count != clients*rounds {
			t.Errorf("%d calls counted, want %d", h.Count, clients*rounds)
		}
	}
}

func TestUpstreamRefusesOtherRequests(t *testing.T) {
	url := "http://" + startResponder(t, "upstream")
	for _, path := range []string{
		"/wait", "/wait?ms=", "/wait?ms=x", "/wait?ms=-1", "/wait?ms=1.5",
		"/wait?ms=99999999999", "/wait?x=1", "/",
	} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("GET %s is answered %d", path, resp.StatusCode)
		}
	}
	if h := fetchJSON[lab.CallCount](t, "GET", url+CallsPath); h.Count != 0 {
		t.Errorf("%d calls counted, want 0: all were refused", h.Count)
	}
}

// The result does not depend on the pieces in which a head arrives.
func TestUpstreamReadsHeads(t *testing.T) {
	address := startResponder(t, "upstream")
	const wait = "GET /wait?ms=1 HTTP/1.1\r\nHost: x\r\n"
	cases := map[string]struct {
		sent     string
		statuses []int
	}{
		"several at once": {
			wait + "\r\n" + wait + "\r\n" + wait + "Connection: close\r\n\r\n",
			[]int{200, 200, 200},
		},
		"fields that change nothing": {
			wait + "Connection: keep-alive\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n" +
				wait + "connection:close\r\n\r\n",
			[]int{200, 200},
		},
		"HTTP/1.0": {"GET /wait?ms=0 HTTP/1.0\r\n\r\n", []int{400}},
		"a request after Connection: close": {
			wait + "Connection: Close\r\n\r\n" + wait + "\r\n",
			[]int{200},
		},
		"a body": {
			"GET /wait?ms=1 HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET /" + wait + "\r\n",
			[]int{400},
		},
		"a body of unknown size": {
			"GET /wait?ms=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			[]int{400},
		},
		"another method":        {"POST /wait?ms=1 HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n", []int{400}},
		"a line without an end": {"GET /wait?ms=" + strings.Repeat("1", 2*upstreamBuffer), nil},
		"a head without an end": {wait, nil},
		"a refused request, then a valid one": {
			"GET /wait HTTP/1.1\r\n\r\n" + wait + "Connection: close\r\n\r\n",
			[]int{400, 200},
		},
	}
	for name, c := range cases {
		for _, piece := range []int{1, 7, len(c.sent)} {
			t.Run(fmt.Sprintf("%s, %d", name, piece), func(t *testing.T) {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for rest := c.sent; rest != ""; {
					now := rest[:min(piece, len(rest))]
					if _, err := io.WriteString(conn, now); err != nil {
						break // the server may have closed the connection
					}
					rest = rest[len(now):]
				}
				_ = conn.(*net.TCPConn).CloseWrite() // it may be closed already
				answered, _ := io.ReadAll(conn)
				var statuses []int
				for _, answer := range strings.Split(string(answered), "HTTP/1.1 ")[1:] {
					status, err := strconv.Atoi(answer[:3])
					if err != nil {
						t.Fatal(err)
					}
					statuses = append(statuses, status)
				}
				if !slices.Equal(statuses, c.statuses) {
					t.Errorf("answered %q, want %v", answered, c.statuses)
				}
			})
		}
	}
}
