package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
)

// misreport makes Node's application say something else of itself, in as many
// bytes.
const misreport = `
import http from 'node:http';
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  const [request, response] = args;
  if (event === 'request' && request.url === '/identity') {
    const end = response.end;
    response.end = (body, ...more) => end.call(response, String(body).replace(%s), ...more);
  }
  return emit.call(this, event, ...args);
};
`

// What a variant says of itself fails its trials, so that it fails the contract,
// and the line says what differs. On the CPUs of a trial that may be another thing
// than on all.
func TestIntegrationTheContractChecksTheIdentity(t *testing.T) {
	needEngine(t)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"), func(s string) string {
		return s +
			variantOf("short", fmt.Sprintf(misreport, `'"keep_alive_s":75', '"keep_alive_s":5 '`)) +
			variantOf("cpus", fmt.Sprintf(misreport, `/"cpus_allowed":"\d"/, '"cpus_allowed":"x"'`))
	})
	code, stdout, stderr := labRun(t.Context(), "contract", "--root", root, "node/single", "node/short",
		"node/cpus")
	if code != lab.ExitFailed || !strings.Contains(stderr, "2 variants fail the contract") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	for variant, says := range map[string]string{
		"node/single": "passed\n",
		"node/short":  "FAILED: contract: identity: it says keep_alive_s 5, the lab requires at least 75\n",
		"node/cpus":   `FAILED: contract: identity: it says process.cpus_allowed "x", the lab gave it "`,
	} {
		if want := fmt.Sprintf("%-24s %s", variant, says); !strings.Contains(stdout, want) {
			t.Errorf("want %q in\n%s", want, stdout)
		}
	}
}
