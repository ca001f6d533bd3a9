package script

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"go.starlark.net/starlark"

	"runtimelab/lab"
	"runtimelab/lab/expect"
)

// expectation is the value of answer().
type expectation struct {
	opaqueValue
	status int
	answer lab.Expectation
}

// readExpect returns the status that counts as success, or 0 for any of 2xx, and what
// else the script says about the answer, or nil.
func readExpect(c *call) (status int, answer *lab.Expectation) {
	arg, ok := c.validArgument("expect")
	if !ok {
		return 0, nil
	}
	switch v := arg.value.(type) {
	case starlark.Int:
		return readStatus(c, "expect", 0), nil
	case *expectation:
		return v.status, &v.answer
	}
	c.wrongType(arg, "expect", "a status, 200 to 599, or answer(…)")
	return 0, nil
}

// readStatus reads an argument that is a final status, and returns fallback if it is
// missing or invalid.
func readStatus(c *call, name string, fallback int) int {
	arg, _ := c.validArgument(name)
	if number, ok := arg.value.(starlark.Int); ok {
		if n, fits := number.Int64(); fits && n >= 100 && n <= 199 {
			c.fault(arg.at, "%s is %d, and a status of 1xx is never final, want 200 to 599", name, n)
			return fallback
		}
	}
	return c.integer(name, fallback, 200, 599)
}

// makeAnswer returns what a script expects of an answer. Without json, all variants agree
// unless the script says that they do not: every answer can be compared with one body.
func makeAnswer(c *call) starlark.Value {
	made := &expectation{opaqueValue: "answer", status: readStatus(c, "status", 200)}
	made.answer.Agree = c.boolean("agree", !c.has("json"))
	made.answer.Header = readExpectedHeaders(c)
	var given []string
	for _, name := range []string{"body", "sha256", "json"} {
		if c.has(name) {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		c.fault(c.at, "%s are given, want one of them", strings.Join(given, " and "))
		return made
	}
	made.answer.Body = readRawBody(c)
	made.answer.SHA256 = readSum(c)
	made.answer.JSON = readExpectedJSON(c)
	if len(given) == 1 {
		checkBodyAllowed(c, made, given[0])
	}
	return made
}

// checkBodyAllowed reports what contradicts an expectation of the answer's body, which is
// the argument name.
func checkBodyAllowed(c *call, made *expectation, name string) {
	empty := made.answer.Body != nil && len(made.answer.Body) == 0
	if (made.status == 204 || made.status == 304) && !empty {
		c.fault(c.args[name].at, "an answer with status %d has no body; leave out %s", made.status, name)
	}
	if name != "json" && !made.answer.Agree {
		c.fault(c.args["agree"].at, "agree is False, but with %s all variants give the same answer", name)
	}
}

// readSum reads a SHA-256 in hexadecimal.
func readSum(c *call) string {
	arg, ok := c.validArgument("sha256")
	if !ok {
		return ""
	}
	before := c.script.faultCount
	text := strings.ToLower(c.stringLine("sha256"))
	digest, err := hex.DecodeString(text)
	if c.script.faultCount == before && (err != nil || len(digest) != sha256.Size) {
		c.fault(arg.at, "sha256 is not of 64 hexadecimal digits, as sha256sum prints them")
	}
	return text
}

// readExpectedJSON reads JSON that answers must contain.
func readExpectedJSON(c *call) []byte {
	before := c.script.faultCount
	text := readJSON(c, anyNumbers)
	arg, ok := c.validArgument("json")
	if !ok || c.script.faultCount > before {
		return nil
	}
	if _, err := expect.NewMatcher(text); err != nil {
		c.fault(arg.at, "json cannot be compared: %v", err)
	}
	return text
}

// framingHeaders are not compared: they belong to the connection, and to how the body is
// sent.
var framingHeaders = []string{
	"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade",
}

// readExpectedHeaders returns the expected headers by lower-case name.
func readExpectedHeaders(c *call) map[string]string {
	return readHeaderDict(c, strings.ToLower, framingHeaders,
		"which says how the answer is sent, not what it is")
}
