package script

import (
	"context"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

// maxMemory is the largest memory of a service, in bytes; a mistyped unit gives more.
const maxMemory = 1 << 40

// serviceScript is a service.star during its evaluation.
type serviceScript struct {
	*script
	definition lab.ServiceDefinition
	services   []string        // names of all folders of services
	declared   syntax.Position // of the first call of service(); not valid before it
	dependsOn  syntax.Position // of that argument
}

// tcpExchange is the value of tcp().
type tcpExchange struct {
	opaqueValue
	ready lab.Readiness
}

// evaluateService returns the service that a file defines, or the file's faults. It returns an error
// only if ctx ends. services are the names of all folders of services.
func evaluateService(
	ctx context.Context, bounds limits, name, displayName string, source []byte, services []string,
) (fileResult, error) {
	s := &serviceScript{script: newScript(displayName), services: services}
	s.definition.Service.Name = name
	s.definition.Source = lab.ImageSource{
		Name: lab.ServiceImageName(name), Title: "service " + name, Folder: path.Join(workload.ServicesDir, name),
		File: displayName, Dockerfile: "Dockerfile",
	}
	switch {
	case !namePattern.MatchString(name):
		s.fault(syntax.Position{}, "", "the folder's name %q is not of the form %s", name, namePattern)
	case name == lab.UpstreamName:
		s.fault(syntax.Position{}, "", "%s is a service of the lab's own; rename the folder", name)
	}
	s.define(function{
		name:     "service",
		required: []string{"about", "role", "user", "port", "ready", "memory"},
		optional: []string{
			"base", "image", "dockerfile", "command", "env", "writable", "server_env", "depends_on", "counts",
		},
		make: s.makeService,
	})
	s.define(function{
		name:     "base",
		required: []string{"official", "suite", "packages"},
		optional: []string{"ca_env"},
		make:     makeBase,
	})
	s.define(function{name: "tcp", optional: []string{"send", "answer"}, make: makeTCP})
	s.define(function{name: "query", required: []string{"user", "database", "sql"}, make: makeQuery})
	s.defineReady()
	if err := s.evaluate(ctx, bounds, source); err != nil {
		return fileResult{}, err
	}
	if len(s.faults) == 0 && !s.declared.IsValid() {
		s.fault(syntax.MakePosition(&displayName, 1, 1), "", "there is no service() in the file")
	}
	return fileResult{
		Service:     &s.definition,
		DependsOnAt: lab.Place{Line: int(s.dependsOn.Line), Column: int(s.dependsOn.Col)},
		Faults:      s.sortedFaults(),
	}, nil
}

func makeTCP(c *call) starlark.Value {
	return &tcpExchange{
		opaqueValue: "tcp", ready: lab.Readiness{Send: c.bytes("send"), Answer: c.bytes("answer")},
	}
}

// countQuery is the value of query().
type countQuery struct {
	opaqueValue
	query lab.CountQuery
}

func makeQuery(c *call) starlark.Value {
	return &countQuery{opaqueValue: "query", query: lab.CountQuery{
		User: c.stringLine("user"), Database: c.stringLine("database"), SQL: string(c.bytes("sql")),
	}}
}

func (s *serviceScript) makeService(c *call) starlark.Value {
	if s.declared.IsValid() {
		c.fault(c.at, "called twice; the first is in line %d", s.declared.Line)
		return starlark.None
	}
	s.declared = c.at
	s.definition.About = c.stringLine("about")
	s.readSource(c)
	service := &s.definition.Service
	service.Role = lab.Role(c.oneOf("role", folderRoles(), true))
	service.User = readUser(c)
	service.Command = c.stringList("command", "strings")
	service.Env = readVariables(c, "env")
	service.Port = readServicePort(c)
	service.Ready = readReadiness(c)
	service.CPUs = lab.CPURequest{Count: 1}
	service.MemoryBytes = c.size("memory")
	service.Writable = readWritableSizes(c, service.MemoryBytes)
	service.ServerEnv = readVariables(c, "server_env")
	if arg, ok := c.validArgument("counts"); ok {
		if made, ok := arg.value.(*countQuery); ok {
			service.Counts = &made.query
		} else {
			c.wrongType(arg, "counts", "query(…)")
		}
	}
	s.readDependsOn(c)
	return starlark.None
}

// folderRoles returns the names of the roles of services that a folder can define.
func folderRoles() (names []string) {
	for _, r := range lab.Roles() {
		if r.InFolder {
			names = append(names, string(r.Role))
		}
	}
	return names
}

// readSource reads what the image is made from: a Dockerfile on a base, an image that is used as it
// is, or else a Dockerfile of any form.
func (s *serviceScript) readSource(c *call) {
	source := &s.definition.Source
	if arg, ok := c.validArgument("base"); ok {
		if made, ok := arg.value.(*baseImage); ok {
			source.Base = made.image
		} else {
			c.wrongType(arg, "base", "base(…)")
		}
	}
	if c.has("dockerfile") {
		source.Dockerfile = c.lineMatching("dockerfile", filePattern)
	}
	if c.has("image") {
		source.Image = readImageReference(c)
	}
}

// readServicePort reads the port, which no other party of a cell may have.
func readServicePort(c *call) int {
	port := c.integer("port", 0, 1, 65535)
	for _, taken := range []struct {
		port int
		by   string
	}{{lab.ServerPort, "servers listen"}, {lab.UpstreamPort, "the lab's upstream listens"}} {
		if port == taken.port {
			c.fault(c.args["port"].at, "port is %d, where %s", port, taken.by)
		}
	}
	return port
}

// readReadiness reads how one knows that the service is ready.
func readReadiness(c *call) *lab.Readiness {
	arg, ok := c.validArgument("ready")
	if !ok {
		return nil
	}
	switch made := arg.value.(type) {
	case *tcpExchange:
		return &made.ready
	case *request:
		return &lab.Readiness{Request: &made.request}
	}
	c.wrongType(arg, "ready", "tcp(…) or get(…)")
	return nil
}

// readVariables reads variables of an environment. The lab sets some itself.
func readVariables(c *call, name string) map[string]string {
	all := c.stringDict(name)
	for _, variable := range slices.Sorted(maps.Keys(all)) {
		switch at := c.args[name].at; {
		case !envPattern.MatchString(variable):
			c.fault(at, "%s has %q, which is not a valid name of a variable", name, variable)
		case slices.Contains(reservedVariables, variable):
			c.fault(at, "%s sets %s, which the lab sets", name, variable)
		}
	}
	return all
}

// readWritableSizes reads the folders that the service may write to, and their sizes. They are in
// memory, and count against its limit.
func readWritableSizes(c *call, limit int64) (folders []lab.WritableFolder) {
	sizes := c.stringDict("writable")
	at, total := c.args["writable"].at, int64(0)
	for _, folder := range slices.Sorted(maps.Keys(sizes)) {
		if problem := folderProblem(folder); problem != "" {
			c.fault(at, "writable has %q, %s", folder, problem)
		}
		size, ok := parseSize(sizes[folder])
		if !ok {
			c.fault(at, "writable has %q for %s, want a size: %s", sizes[folder], folder, sizeExamples)
		}
		folders = append(folders, lab.WritableFolder{Path: folder, SizeBytes: size})
		total += size
	}
	if limit > 0 && total >= limit {
		c.fault(at, "writable takes %d MiB of the memory, which is %d MiB: nothing is left for the service",
			total>>20, limit>>20)
	}
	return folders
}

// readDependsOn reads the services that are ready before this one starts.
func (s *serviceScript) readDependsOn(c *call) {
	if !c.has("depends_on") {
		return
	}
	self := s.definition.Service.Name
	s.dependsOn = c.args["depends_on"].at
	s.definition.Service.DependsOn = c.distinctStrings("depends_on", "services", func(name string) string {
		switch {
		case name == self:
			return "which is this service"
		case !slices.Contains(s.services, name):
			return "which is not the folder of a service; " + message.Suggest(name, s.services)
		}
		return ""
	})
}

const sizeExamples = `"64MiB", "1GiB"`

var sizePattern = regexp.MustCompile(`^([1-9][0-9]*)(MiB|GiB)$`)

// parseSize returns the bytes of a size such as "64MiB".
func parseSize(text string) (bytes int64, ok bool) {
	parts := sizePattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 32)
	if bytes = n << 20; parts[2] == "GiB" {
		bytes = n << 30
	}
	return bytes, err == nil && bytes <= maxMemory
}

// size reads an argument that is a size in memory, and returns its bytes.
func (c *call) size(name string) int64 {
	before := c.script.faultCount
	text := c.stringLine(name)
	bytes, valid := parseSize(text)
	if arg, ok := c.validArgument(name); ok && !valid && c.script.faultCount == before {
		c.fault(arg.at, "%s is %q, want a size up to 1024GiB: %s", name, text, sizeExamples)
	}
	return bytes
}

// checkDependencies reports services that depend on themselves by way of others. Nothing could start
// first.
func checkDependencies(files []scriptFile, results []fileResult) {
	needs := map[string][]string{}
	for _, o := range results {
		if o.Service != nil {
			needs[o.Service.Service.Name] = o.Service.Service.DependsOn
		}
	}
	for i, o := range results {
		if o.Service == nil {
			continue
		}
		name := o.Service.Service.Name
		if way := findWay(needs, []string{name}); len(way) > 2 {
			results[i].addFault(files[i], o.DependsOnAt, "service",
				"the services depend on each other: %s; leave one out", strings.Join(way, " needs "))
		}
	}
}

// findWay returns a way of dependencies that begins with the names of way and ends with the first of
// them, or nil if there is none.
func findWay(needs map[string][]string, way []string) []string {
	for _, next := range needs[way[len(way)-1]] {
		if next == way[0] {
			return append(way, next)
		}
		if slices.Contains(way, next) {
			continue // another circle, which is reported for its own services
		}
		if found := findWay(needs, append(slices.Clone(way), next)); found != nil {
			return found
		}
	}
	return nil
}
