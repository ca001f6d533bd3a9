package contract

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab"
)

// reference returns the answer that the contract's text requires for an endpoint
// with parameters or an upload. It has only the headers that a vector names.
func reference(r lab.Request) lab.Answer {
	path, query, _ := strings.Cut(r.Path, "?")
	e := endpoints[path]
	switch {
	case path == "/stream" && r.Method == "POST":
		if len(r.Body) > 16<<20 {
			return jsonAnswer(413, `{"error":"body exceeds 16777216 bytes"}`)
		}
		return jsonAnswer(200, fmt.Sprintf(`{"bytes":%d}`, len(r.Body)))
	case r.Method != "GET" && r.Method != "HEAD":
		a := jsonAnswer(405, `{"error":"method not allowed"}`)
		a.Header["allow"] = "GET, HEAD"
		if path == "/stream" {
			a.Header["allow"] += ", POST"
		}
		return a
	}
	a := e.answer(parseQuery(query))
	if r.Method == "HEAD" {
		a.Body = nil
	}
	return a
}

// parameter is a whole number from Low to High.
type parameter struct {
	Name      string
	Low, High int64
}

type referenceEndpoint struct {
	parameters []parameter
	reply      func(values []int) string
}

func (e referenceEndpoint) answer(given map[string]string) lab.Answer {
	var values []int
	for _, p := range e.parameters {
		n, err := strconv.ParseInt(given[p.Name], 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != given[p.Name] || n < p.Low || n > p.High {
			return jsonAnswer(400,
				fmt.Sprintf(`{"error":"%s must be a whole number from %d to %d"}`, p.Name, p.Low, p.High))
		}
		values = append(values, int(n))
	}
	if e.reply == nil { // GET /stream
		a := jsonAnswer(200, "")
		delete(a.Header, "content-length")
		a.Header["content-type"] = "application/octet-stream"
		var chunk []byte
		for i := range 65536 {
			chunk = append(chunk, byte(i%251))
		}
		a.Body = bytes.Repeat(chunk, 16*values[0])
		return a
	}
	return jsonAnswer(200, e.reply(values))
}

func jsonAnswer(status int, body string) lab.Answer {
	return lab.Answer{
		Status: status, Body: []byte(body),
		Header: map[string]string{"content-type": "application/json", "content-length": strconv.Itoa(len(body))},
	}
}

// parseQuery returns the parameters of a query. Go's own parser refuses malformed
// escapes, which the contract takes literally.
func parseQuery(query string) map[string]string {
	decode := func(text string) string {
		if plain, err := url.QueryUnescape(text); err == nil {
			return plain
		}
		return text
	}
	parameters := map[string]string{}
	for member := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(member, "=")
		parameters[decode(name)] = decode(value)
	}
	return parameters
}

func oneParameter(name string, low, high int64, reply string, result func(n int) any) referenceEndpoint {
	return referenceEndpoint{
		[]parameter{{Name: name, Low: low, High: high}},
		func(v []int) string { return fmt.Sprintf(reply, v[0], result(v[0])) },
	}
}

func twoParameters(high int64, reply string, result func(workers, n int) any) referenceEndpoint {
	return referenceEndpoint{
		[]parameter{{Name: "workers", Low: 1, High: 64}, {Name: "n", Low: 1, High: high}},
		func(v []int) string { return fmt.Sprintf(reply, v[0], v[1], result(v[0], v[1])) },
	}
}

func sumBelow(n int) any { return n * (n - 1) / 2 }

var endpoints = map[string]referenceEndpoint{
	"/compute/integers": oneParameter("n", 1, 1000000, `{"kernel":"integers","n":%d,"result":%d}`,
		func(n int) any { return countPrimes(2, n) }),
	"/compute/text": oneParameter("n", 1, 1000000, `{"kernel":"text","n":%d,"result":%d}`,
		func(n int) any { return textKernel(n) }),
	"/compute/objects": oneParameter("n", 1, 1000000, `{"kernel":"objects","n":%d,"result":%d}`,
		func(n int) any { return objectsKernel(n) }),
	"/compute/native": oneParameter("n", 1, 10000, `{"kernel":"native","n":%d,"result":%q}`,
		func(n int) any { return nativeKernel(n) }),
	"/parallel/integers": twoParameters(1000000, `{"kernel":"integers","workers":%d,"n":%d,"result":%d}`,
		func(workers, n int) any { return parallelIntegers(workers, n) }),
	"/parallel/native": twoParameters(10000, `{"kernel":"native","workers":%d,"n":%d,"result":%q}`,
		func(workers, n int) any { return parallelNative(workers, n) }),
	"/callbacks/chained":  oneParameter("n", 1, 100000, `{"mode":"chained","n":%d,"result":%d}`, sumBelow),
	"/callbacks/parallel": oneParameter("n", 1, 100000, `{"mode":"parallel","n":%d,"result":%d}`, sumBelow),
	"/wait": oneParameter("ms", 0, 60000, `{"ms":%d,"upstream":%q}`,
		func(int) any { return "done" }),
	"/stream": {parameters: []parameter{{Name: "mib", Low: 1, High: 64}}},
}

func TestVectorsAgreeWithTheReference(t *testing.T) {
	checked := map[string]int{}
	for _, v := range allVectors(t) {
		path, _, _ := strings.Cut(v.Request.Path, "?")
		if _, known := endpoints[path]; !known {
			continue
		}
		checked[path]++
		answer := reference(v.Request)
		for _, name := range v.RequiredHeaders {
			answer.Header[name] = "whatever"
		}
		if found := CheckAnswer(v, answer); len(found) > 0 {
			t.Errorf("%v", found)
		}
	}
	for path := range endpoints {
		if checked[path] == 0 {
			t.Errorf("no vector of %s", path)
		}
	}
}

// The contract must define the answer to every random query; otherwise two correct
// variants could disagree.
func TestRandomQueriesStayWithinTheContract(t *testing.T) {
	statuses := map[string][]int{}
	for _, w := range load(t).All() {
		for seed := range uint64(8) {
			for _, r := range w.RandomRequests(seed) {
				path := r.PathOnly()
				if path == "/echo" || path == "/rooms/inputs/messages" || strings.HasPrefix(path, "/shop/") {
					continue // judged by comparison only
				}
				if _, known := endpoints[path]; !known {
					t.Fatalf("unexpected path %s", r.Path)
				}
				if path == "/stream" && r.Method == "HEAD" {
					t.Fatal("HEAD /stream, whose answer is not defined")
				}
				statuses[path] = append(statuses[path], reference(r).Status)
			}
		}
	}
	if len(statuses) != len(endpoints) {
		t.Errorf("inputs of %d paths, want %d", len(statuses), len(endpoints))
	}
	for path, got := range statuses {
		for _, status := range []int{200, 400, 405} {
			if !slices.Contains(got, status) {
				t.Errorf("no request to %s is answered %d", path, status)
			}
		}
	}
}
