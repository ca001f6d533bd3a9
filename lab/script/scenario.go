package script

import (
	"context"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

const (
	maxBodies = 64 << 20 // bytes of all requests together: they are kept in memory and sent to every cell
	maxCores  = 1024
)

// defaultProfile makes the next "make lab" run a new scenario.
const defaultProfile = "quick"

// scenarioScript is a scenario's file during its evaluation.
type scenarioScript struct {
	*script
	file     string // the file's name without folder and extension
	variants variantPool
	scenario lab.Scenario
	declared syntax.Position // of the first call of scenario(); not valid before it

	givenValues     map[string]string         // the user's values of parameters
	parameters      map[string]starlark.Value // the defaults of parameters
	parameterValues map[string]string         // the values in use, as a user would give them

	claims           []claimDefinition
	collection       string           // of the claims; empty: the file names none
	references       []claimReference // of hypotheses
	claimsIncomplete bool             // a definition has no valid id
}

// opaqueValue is a value that scripts can only pass on; the string is its type.
// Types that embed it are used by pointer, because Starlark compares them by ==,
// which would panic on a struct that holds maps.
type opaqueValue string

func (o opaqueValue) String() string        { return string(o) + "(…)" }
func (o opaqueValue) Type() string          { return string(o) }
func (o opaqueValue) Freeze()               {}
func (o opaqueValue) Truth() starlark.Bool  { return true }
func (o opaqueValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", string(o)) }

// request is the value of get() and post().
type request struct {
	opaqueValue
	request lab.Request
}

// evaluateScenario returns the scenario and claims that a file describes, or the file's
// faults. It returns an error only if ctx ends. given holds the user's values of
// parameters.
func evaluateScenario(
	ctx context.Context, bounds limits, name, displayName string, source []byte,
	variants variantPool, given map[string]string,
) (fileResult, error) {
	s := &scenarioScript{
		script: newScript(displayName), file: name, variants: variants,
		givenValues: given, parameters: map[string]starlark.Value{}, parameterValues: map[string]string{},
	}
	if !namePattern.MatchString(name) {
		s.fault(syntax.Position{}, "", "the file's name %q is not of the form %s", name, namePattern)
	}
	s.defineFunctions()
	if err := s.evaluate(ctx, bounds, source); err != nil {
		return fileResult{}, err
	}
	if len(s.faults) == 0 && len(s.claims) == 0 && !s.declared.IsValid() {
		s.fault(syntax.MakePosition(&displayName, 1, 1), "", "there is no scenario() in the file")
	}
	if len(s.parameterValues) > 0 {
		s.scenario.Parameters = s.parameterValues
	}
	result := fileResult{
		Claims: s.collectedClaims(), References: s.references,
		ClaimsIncomplete: s.claimsIncomplete || !s.completed && callsClaim(source),
		Faults:           s.sortedFaults(),
	}
	if s.declared.IsValid() {
		result.Scenario = &s.scenario
	}
	return result, nil
}

func (s *scenarioScript) defineFunctions() {
	s.define(function{
		name:     "scenario",
		required: []string{"name", "about", "requests", "phases"},
		optional: []string{"variants", "profile", "cores", "services", "hypotheses", "promises"},
		replaced: map[string]string{"upstream": `services = ["upstream"]`},
		make:     s.makeScenario,
	})
	s.define(function{
		name: "get", positional: []string{"path"}, required: []string{"path"},
		optional: []string{"headers", "background", "expect"},
		make:     func(c *call) starlark.Value { return makeRequest(c, "GET") },
	})
	s.define(function{
		name: "post", positional: []string{"path"}, required: []string{"path"},
		optional: []string{"json", "body", "headers", "background", "expect"},
		make:     func(c *call) starlark.Value { return makeRequest(c, "POST") },
	})
	s.define(function{
		name: "answer", optional: []string{"status", "body", "sha256", "json", "headers", "agree"},
		make: makeAnswer,
	})
	s.define(function{
		name: "where", optional: []string{"runtime", "model"},
		make: s.variants.makeWhere,
	})
	s.define(function{
		name: "param", positional: []string{"name", "default"}, required: []string{"name", "default"},
		make: s.makeParam,
	})
	s.define(function{
		name: "pool", positional: []string{"count", "make"}, required: []string{"count", "make"},
		make: s.makePool,
	})
	s.definePhaseFunctions()
	s.defineHypothesisFunctions()
	s.definePromiseFunctions()
	s.defineClaimFunctions()
}

func (s *scenarioScript) makeScenario(c *call) starlark.Value {
	if s.declared.IsValid() {
		c.fault(c.at, "called twice; the first is in line %d, and a file holds one scenario", s.declared.Line)
		return starlark.None
	}
	s.declared = c.at
	s.scenario = lab.Scenario{
		Name:     s.readName(c),
		About:    c.stringLine("about"),
		File:     s.displayName,
		Requests: readRequests(c),
		Phases:   readPhases(c),
		Profile:  defaultProfile,
		Cores:    readCores(c),
		Services: s.readServices(c),
	}
	s.selectOffering(c, s.variants.readVariants(c))
	if c.has("profile") {
		s.scenario.Profile = c.oneOf("profile", lab.ProfileNames(), true)
	}
	s.scenario.Hypotheses = s.readHypotheses(c)
	s.scenario.Promises = s.readPromises(c)
	return starlark.None
}

// readCores returns the numbers of CPUs that a server is measured on, ascending.
func readCores(c *call) []int {
	arg, _ := c.validArgument("cores")
	if _, several := arg.value.(starlark.Sequence); !several {
		return []int{c.integer("cores", 1, 1, maxCores)}
	}
	return slices.Sorted(slices.Values(c.integerList("cores", 1, maxCores)))
}

// readServices returns the names of the services beside the server.
func (s *scenarioScript) readServices(c *call) []string {
	if !c.has("services") {
		return nil
	}
	known := s.variants.services
	return c.distinctStrings("services", "names of services", func(name string) string {
		if slices.Contains(known, name) {
			return ""
		}
		return "which is not a service; " + message.Suggest(name, known)
	})
}

func (s *scenarioScript) readName(c *call) string {
	before := s.faultCount
	name := c.lineMatching("name", namePattern)
	if arg, ok := c.validArgument("name"); ok && s.faultCount == before && name != s.file {
		c.fault(arg.at, "name %q differs from the file's, %q; change one of them", name, s.file)
	}
	return name
}

func readRequests(c *call) []lab.Request {
	var all []lab.Request
	size := 0
	for _, element := range c.list("requests", "get(…) and post(…)") {
		made, ok := element.value.(*request)
		if !ok {
			c.fault(element.at, "requests holds %s, want get(…) or post(…)", describeType(element.value))
			continue
		}
		all = append(all, made.request)
		if size += requestSize(made.request); size > maxBodies {
			c.fault(c.args["requests"].at,
				"the bodies of the requests and of the answers to them are more than %d MiB", maxBodies>>20)
			break
		}
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(r lab.Request) bool { return !r.Background }) {
		c.fault(c.args["requests"].at, "all requests are background, want at least one whose latency counts")
	}
	return all
}

// requestSize returns the bytes of a request and of its expected answer.
func requestSize(r lab.Request) int {
	if r.Answer == nil {
		return len(r.Body)
	}
	return len(r.Body) + len(r.Answer.Body) + len(r.Answer.JSON)
}

func makeRequest(c *call, method string) starlark.Value {
	made := &request{opaqueValue: "request", request: lab.Request{
		Method:     method,
		Path:       readPath(c),
		Header:     readHeaders(c),
		Background: c.boolean("background", false),
		At:         lab.Place{Line: int(c.at.Line), Column: int(c.at.Col)},
	}}
	made.request.Expect, made.request.Answer = readExpect(c)
	if method == "POST" {
		made.request.Body = readBody(c)
	}
	if c.has("json") {
		if made.request.Header == nil {
			made.request.Header = map[string]string{}
		}
		if _, set := made.request.Header["Content-Type"]; !set {
			made.request.Header["Content-Type"] = "application/json"
		}
	}
	return made
}

// readPath returns the path, which must be valid in a request without any encoding.
func readPath(c *call) string {
	before := c.script.faultCount
	text := c.stringLine("path")
	arg, ok := c.validArgument("path")
	if !ok || c.script.faultCount > before {
		return text
	}
	if !strings.HasPrefix(text, "/") {
		c.fault(arg.at, "path %q does not begin with /", text)
		return text
	}
	invalid := strings.IndexFunc(text,
		func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"#<>\\^`{|}", r) })
	if invalid >= 0 {
		c.fault(arg.at, "path %q has a character that has to be percent-encoded, or a fragment", text)
	} else if _, err := url.ParseRequestURI(text); err != nil {
		c.fault(arg.at, "path %q is not a valid path and query", text)
	}
	return text
}

// reservedHeaders are set only by the generator: they control the framing of
// messages and the use of connections, and so what is measured.
var reservedHeaders = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade",
}

var (
	headerPattern = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110 5.6.2, token
	valuePattern  = regexp.MustCompile(`^([!-~]([ \t!-~]*[!-~])?)?$`)   // RFC 9110 5.5, without obsolete text
)

// readHeaders returns the headers of a request.
func readHeaders(c *call) map[string]string {
	return readHeaderDict(c, textproto.CanonicalMIMEHeaderKey, reservedHeaders, "which the generator sets")
}

// readHeaderDict returns the argument headers by the form of each name that form returns. A name in
// that form that reserved has is a mistake, for the reason why.
func readHeaderDict(c *call, form func(string) string, reserved []string, why string) map[string]string {
	given := c.stringDict("headers")
	if len(given) == 0 {
		return nil
	}
	at := c.args["headers"].at
	headers := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value, formed := given[name], form(name)
		_, twice := headers[formed]
		switch {
		case !headerPattern.MatchString(name):
			c.fault(at, "headers has %q, which is not a valid name of a header", name)
		case !valuePattern.MatchString(value):
			c.fault(at, "headers has %q for %q, which is not a valid value of a header", value, name)
		case slices.Contains(reserved, formed):
			c.fault(at, "headers has %q, %s", name, why)
		case twice:
			c.fault(at, "headers has %q twice", formed)
		}
		headers[formed] = value
	}
	return headers
}

func readBody(c *call) []byte {
	switch {
	case c.has("json") && c.has("body"):
		c.fault(c.at, "both json and body are given, want one")
	case c.has("json"):
		return readJSON(c, wholeNumbers)
	case c.has("body"):
		return readRawBody(c)
	case !c.misspelt("json") && !c.misspelt("body"):
		c.fault(c.at, `missing argument "json" or "body"`)
	}
	return nil
}

func readRawBody(c *call) []byte {
	body := c.bytes("body")
	if len(body) > maxBody {
		c.fault(c.args["body"].at, "body is longer than %d MiB", maxBody>>20)
	}
	return body
}
