package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// falseAnswerModule is a Node module that changes what the application answers to a path. The
// replacement must have the same length.
const falseAnswerModule = `
import http from 'node:http';
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  const [request, response] = args;
  if (event === 'request' && request.url === '%s') {
    const end = response.end;
    response.end = (body, ...more) => end.call(response, String(body).replace(%s), ...more);
  }
  return emit.call(this, event, ...args);
};
`

// The number of CPUs is checked on the CPUs of a trial, the rest on all CPUs.
func TestIntegrationTheContractChecksTheIdentity(t *testing.T) {
	needEngine(t)
	root := helloCheckout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"), func(s string) string {
		return s +
			variantWithModule("short", fmt.Sprintf(falseAnswerModule, "/identity",
				`'"keep_alive_s":75', '"keep_alive_s":5 '`)) +
			variantWithModule("cpus", fmt.Sprintf(falseAnswerModule, "/identity",
				`/"cpus_allowed":"\d"/, '"cpus_allowed":"x"'`))
	})
	code, stdout, stderr := labRun(t.Context(), "contract", "--root", root, "node/single", "node/short",
		"node/cpus")
	if code != fault.ExitFailed || !strings.Contains(stderr, "2 variants fail the contract") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	for variant, result := range map[string]string{
		"node/single": "passed\n",
		"node/short":  "FAILED: contract: identity: it says keep_alive_s 5, the lab requires at least 75\n",
		"node/cpus":   `FAILED: contract: identity: it says process.cpus_allowed "x", the lab gave it "`,
	} {
		if want := fmt.Sprintf("%-24s %s", variant, result); !strings.Contains(stdout, want) {
			t.Errorf("want %q in\n%s", want, stdout)
		}
	}
}

// A call of the script may make thousands of requests: it has one line.
func TestExpectationsOfAScenarioAreListed(t *testing.T) {
	expecting := func(path string, line, status int, want *lab.Expectation) lab.Request {
		return lab.Request{
			Method: "GET", Path: path, Expect: status, Answer: want, At: lab.Place{Line: line, Column: 9},
		}
	}
	byMembers := &lab.Expectation{JSON: []byte(`{"id":7}`)}
	var out strings.Builder
	printExpectations(&out, lab.Scenario{
		Name: "orders", File: "scenarios/orders.star",
		Requests: []lab.Request{
			expecting("/orders/7", 4, 200, byMembers), expecting("/jsn?page=1", 5, 404, nil),
			expecting("/jsn?page=2", 5, 404, nil),
		},
		Phases: []lab.Phase{{Requests: []lab.Request{expecting("/json", 9, 0, nil)}}},
	})
	const want = `orders expects
  scenarios/orders.star:4:9: GET /orders/7: status 200, JSON with {"id":7}
  scenarios/orders.star:5:9: GET /jsn?page=1 (the first of 2 requests): status 404 and the same body each ` +
		`time, alike by all variants
  scenarios/orders.star:9:9: GET /json: a status of 2xx and the same body each time, alike by all variants
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
