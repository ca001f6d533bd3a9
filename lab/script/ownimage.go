package script

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"runtimelab/lab"
)

// userPattern matches the ids of a user and a group. The user is not root, whose id may be spelt
// with several zeros.
var userPattern = regexp.MustCompile(`^0*[1-9][0-9]{0,9}(:[0-9]{1,10})?$`)

// Arguments that only some runtimes take.
var (
	buildArguments = []string{"base", "context", "dockerfile", "args", "ignore"} // of runtime()
	ownArguments   = []string{"user", "writable", "port", "ready", "headers"}    // of variant()
	applicationArg = []string{"model", "command"}                                // required
	kernelFolders  = []string{"/proc", "/sys", "/dev"}
)

// readImage reads the reference of an image that is used as it is.
func (r *runtimeScript) readImage(c *call) {
	if !c.has("image") {
		return
	}
	r.runtime.Image = readImageReference(c)
}

// readImageReference reads the reference of an image that is used as it is. Nothing is built then.
func readImageReference(c *call) string {
	for _, name := range buildArguments {
		if c.has(name) {
			c.fault(c.args[name].at, "%s is given beside image, which is used as it is; give one of them", name)
		}
	}
	return c.lineMatching("image", imagePattern)
}

// readOwnServer reads how to run and ask a server in an image of the user's own.
func (r *runtimeScript) readOwnServer(c *call) *lab.OwnServer {
	own := &lab.OwnServer{
		Port:    c.integer("port", lab.ServerPort, 1, 65535),
		Headers: readHeaders(c),
	}
	if own.Port == lab.UpstreamPort {
		c.fault(c.args["port"].at, "port is %d, where the lab's upstream listens", lab.UpstreamPort)
	}
	own.User = readUser(c)
	if c.has("writable") {
		own.Writable = c.distinctStrings("writable", "folders", folderProblem)
	}
	if arg, ok := c.validArgument("ready"); ok {
		if made, ok := arg.value.(*request); ok {
			own.Ready = &made.request
		} else {
			c.wrongType(arg, "ready", "get(…)")
		}
	}
	return own
}

// readUser reads the ids of a container's user and group.
func readUser(c *call) string {
	user := c.stringLine("user")
	if user != "" && !userPattern.MatchString(user) {
		c.fault(c.args["user"].at, "user is %q, want the ids of a user that is not root, and of a group: "+
			`"65532:65532"`, user)
	}
	return user
}

// folderProblem returns why a container cannot have its own writable folder at a path, or "".
func folderProblem(folder string) string {
	switch {
	case !path.IsAbs(folder) || path.Clean(folder) != folder || strings.ContainsAny(folder, ":,"):
		return `which is not an absolute path such as "/var/cache"`
	case folder == "/":
		return "which would hide the image"
	case slices.ContainsFunc(kernelFolders, func(of string) bool {
		return folder == of || strings.HasPrefix(folder, of+"/")
	}):
		return "which is the kernel's"
	}
	return ""
}

// checkVariants reports arguments of variant() that are missing or do not fit the runtime. It is
// called last, because variant() may come before runtime().
func (r *runtimeScript) checkVariants() {
	for i, c := range r.calls {
		v := &r.runtime.Variants[i]
		if r.ownImage {
			if c.has("identity") {
				c.fault(c.args["identity"].at, "identity is given, but the runtime has no base: the lab does not "+
					"ask its server for an identity")
			}
			continue
		}
		v.Own = nil
		for _, name := range applicationArg {
			c.require(name)
		}
		for _, name := range ownArguments {
			if c.has(name) {
				c.fault(c.args[name].at, "%s is for images of one's own, and the runtime has a base", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v.Env)) {
			if slices.Contains(reservedVariables, name) {
				c.fault(c.args["env"].at, "env sets %s, which the lab sets", name)
			}
		}
	}
}

// defineReady defines get(), for the argument ready.
func (s *script) defineReady() {
	s.define(function{
		name: "get", positional: []string{"path"}, required: []string{"path"},
		optional: []string{"headers", "expect"},
		make:     func(c *call) starlark.Value { return makeRequest(c, "GET") },
	})
}
