package script_test

import (
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/script"
)

// serviceText returns a service.star, with each old text of the pairs replaced by the new one.
func serviceText(replacements ...string) string {
	return strings.NewReplacer(replacements...).Replace(`service(
    about = "a cache",
    role = "database",
    base = base(official = "cache:1", suite = "forky", packages = ["cache"]),
    command = ["cached", "--quiet"],
    env = {"CACHE_LOG": "off"},
    user = "999:999",
    port = 6379,
    ready = tcp(send = b"PING\r\n", answer = b"+PONG"),
    memory = "1GiB",
    writable = {"/tmp": "16MiB", "/data": "256MiB"},
    server_env = {"CACHE_URL": "cache://127.0.0.1:6379"},
    depends_on = ["store"],
    counts = query(user = "lab", database = "cache", sql = """SELECT 1
FROM counts"""),
)
`)
}

const storeText = `service(
    about = "a store", role = "broker", image = "store:2", user = "7", port = 9000, memory = "64MiB",
    ready = get("/health", expect = 204),
)
`

func TestAServiceIsAFolder(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/services/cache/service.star": serviceText(),
		"scenarios/services/store/service.star": storeText,
		"scenarios/services/README.md":          "a file beside the services",
		"runtimes/cache/runtime.star": `runtime(about = "the same name", image = "cache:1")
variant(name = "a", about = "as it is")
`,
	})
	library := load(t, root)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	cache, err := library.Service("cache")
	want := lab.ServiceDefinition{
		About: "a cache",
		Source: lab.ImageSource{
			Name: "service/cache", Title: "service cache", Folder: "scenarios/services/cache",
			File:       "scenarios/services/cache/service.star",
			Base:       lab.BaseImage{Official: "cache:1", Suite: "forky", Packages: []string{"cache"}},
			ContextDir: filepath.Join(root, "scenarios", "services", "cache"), Dockerfile: "Dockerfile",
		},
		Service: lab.Service{
			Role: lab.RoleDatabase, Name: "cache", Command: []string{"cached", "--quiet"},
			Env: map[string]string{"CACHE_LOG": "off"}, User: "999:999", Port: 6379,
			Writable: []lab.WritableFolder{
				{Path: "/data", SizeBytes: 256 << 20}, {Path: "/tmp", SizeBytes: 16 << 20},
			},
			CPUs:        lab.CPURequest{Count: 1},
			Ready:       &lab.Readiness{Send: []byte("PING\r\n"), Answer: []byte("+PONG")},
			MemoryBytes: 1 << 30, DependsOn: []string{"store"},
			ServerEnv: map[string]string{"CACHE_URL": "cache://127.0.0.1:6379"},
			Counts:    &lab.CountQuery{User: "lab", Database: "cache", SQL: "SELECT 1\nFROM counts"},
		},
	}
	if err != nil || !reflect.DeepEqual(cache, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, cache, want)
	}
	store, err := library.Service("store")
	if err != nil || store.Source.Image != "store:2" || store.Service.Ready.Request.Path != "/health" ||
		store.Service.Ready.Request.Expect != 204 || store.Service.Command != nil {
		t.Errorf("%v %+v", err, store)
	}
	var names []string
	for _, s := range library.ImageSources() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "cache node python service/cache service/store" {
		t.Errorf("images of %s", got)
	}
	both, err := library.ServicesOf(nil, []lab.Scenario{{Services: []string{"upstream", "cache", "cache"}}})
	if err != nil || len(both) != 2 || both[0].Service.Name != "cache" || both[1].Service.Name != "store" {
		t.Errorf("a scenario with a cache needs %+v, %v", both, err)
	}
	if _, err := library.Service("cash"); err == nil || !strings.Contains(err.Error(),
		`unknown service "cash"`) {
		t.Errorf("error %v", err)
	}
}

func TestMistakesInServices(t *testing.T) {
	const file = "scenarios/services/cache/service.star"
	for name, c := range map[string]struct{ text, want string }{
		"a role that does not exist": {
			serviceText(`"database"`, `"databse"`),
			`:3:12: service: unknown role "databse"; did you mean "database"?`,
		},
		"a role of which the lab has the services": {
			serviceText(`"database"`, `"server"`),
			`:3:12: service: unknown role "server"; valid: balancer, broker, database`,
		},
		"an argument that does not exist": {
			serviceText("memory =", "memry ="),
			`:10:5: service: unknown argument "memry"; did you mean "memory"?`,
		},
		"no readiness": {
			serviceText(`    ready = tcp(send = b"PING\r\n", answer = b"+PONG"),`+"\n", ""),
			`:1:1: service: missing argument "ready"`,
		},
		"another readiness": {
			serviceText(`tcp(send = b"PING\r\n", answer = b"+PONG")`, `"+PONG"`),
			`:9:13: service: ready is a string, want tcp(…) or get(…)`,
		},
		"counts of another kind": {
			serviceText(`query(user = "lab", database = "cache", sql = """SELECT 1
FROM counts""")`, "tcp()"),
			`:14:14: service: counts is a tcp, want query(…)`,
		},
		"an exchange of numbers": {
			serviceText(`b"+PONG"`, "1"),
			`:9:46: tcp: answer is a whole number, want a string or bytes`,
		},
		"no number of the user": {
			serviceText(`"999:999"`, `"postgres"`),
			`:7:12: service: user is "postgres", want the ids of a user that is not root, and of a group: ` +
				`"65532:65532"`,
		},
		"a port of another": {
			serviceText("6379,", "8080,"), `:8:12: service: port is 8080, where servers listen`,
		},
		"the upstream's port": {
			serviceText("6379,", "8081,"), `:8:12: service: port is 8081, where the lab's upstream listens`,
		},
		"no size": {
			serviceText(`"1GiB"`, `"1G"`),
			`:10:14: service: memory is "1G", want a size up to 1024GiB: "64MiB", "1GiB"`,
		},
		"a size of a folder": {
			serviceText(`"16MiB"`, `"all"`),
			`:11:16: service: writable has "all" for /tmp, want a size: "64MiB", "1GiB"`,
		},
		"a folder of the kernel": {
			serviceText(`"/tmp"`, `"/proc/x"`),
			`:11:16: service: writable has "/proc/x", which is the kernel's`,
		},
		"folders larger than the memory": {
			serviceText(`"256MiB"`, `"1GiB"`),
			`:11:16: service: writable takes 1040 MiB of the memory, which is 1024 MiB: ` +
				`nothing is left for the service`,
		},
		"a variable of the lab": {
			serviceText("CACHE_URL", "UPSTREAM_URL"),
			`:12:18: service: server_env sets UPSTREAM_URL, which the lab sets`,
		},
		"a name that no variable has": {
			serviceText("CACHE_LOG", "CACHE LOG"),
			`:6:11: service: env has "CACHE LOG", which is not a valid name of a variable`,
		},
		"a service that does not exist": {
			serviceText(`"store"`, `"stor"`),
			`:13:19: service: depends_on holds "stor", which is not the folder of a service; did you mean "store"?`,
		},
		"itself": {
			serviceText(`"store"`, `"cache"`),
			`:13:19: service: depends_on holds "cache", which is this service`,
		},
		"an image and a Dockerfile": {
			serviceText(`command =`, `image = "x", dockerfile = "y", command =`),
			`:4:12: service: base is given beside image, which is used as it is; give one of them` + "\n" +
				file + `:5:31: service: dockerfile is given beside image, which is used as it is; give one of them`,
		},
		"twice":   {serviceText() + serviceText(), `:17:1: service: called twice; the first is in line 1`},
		"nothing": {"x = 1\n", ":1:1: there is no service() in the file"},
	} {
		t.Run(name, func(t *testing.T) {
			library := load(t, checkout(t, map[string]string{
				file: c.text, "scenarios/services/store/service.star": storeText,
			}))
			if got := messages(library); got != file+c.want {
				t.Errorf("%s\nwant\n%s%s", got, file, c.want)
			}
			if _, err := library.Service("cache"); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("a service with a mistake gives %v", err)
			}
		})
	}
}

// serviceMessages returns the mistakes in services, with their paths in scenarios/services.
func serviceMessages(l *script.Library) string {
	return regexp.MustCompile("(?m)^scenarios/services/").ReplaceAllString(messages(l), "")
}

func TestFoldersThatAreNoServicesAreReported(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"scenarios/services/notes/README.md":       "no service",
		"scenarios/services/upstream/service.star": storeText,
		"scenarios/services/Cache/service.star":    storeText,
	}))
	want := `Cache/service.star: the folder's name "Cache" is not of the form ^[a-z][a-z0-9-]*$
notes/service.star: read the script: it is missing, and every folder of scenarios/services/ is a service: ` +
		`write it, or move the folder elsewhere
upstream/service.star: upstream is a service of the lab's own; rename the folder`
	if got := serviceMessages(library); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestServicesThatDependOnEachOtherAreReported(t *testing.T) {
	service := func(needs string) string {
		return strings.Replace(storeText, `role =`, `depends_on = ["`+needs+`"], role =`, 1)
	}
	library := load(t, checkout(t, map[string]string{
		"scenarios/services/a/service.star": service("b"),
		"scenarios/services/b/service.star": service("c"),
		"scenarios/services/c/service.star": service("b"),
		"scenarios/services/d/service.star": storeText,
	}))
	want := `b/service.star:2:37: service: the services depend on each other: b needs c needs b; leave one out
c/service.star:2:37: service: the services depend on each other: c needs b needs c; leave one out`
	if got := serviceMessages(library); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The startup packet of the shipped PostgreSQL has the length that it says.
func TestTheShippedPostgreSQLIsAskedForItsData(t *testing.T) {
	postgres, err := load(t, repository).Service("postgres")
	if err != nil {
		t.Fatal(err)
	}
	ready := postgres.Service.Ready
	length := int(ready.Send[0])<<24 | int(ready.Send[1])<<16 | int(ready.Send[2])<<8 | int(ready.Send[3])
	if length != len(ready.Send) || !strings.Contains(string(ready.Send), "\x00database\x00shop\x00") ||
		string(ready.Answer) != "R" {
		t.Errorf("a packet of %d bytes says %d: %q is answered with %q", len(ready.Send), length, ready.Send,
			ready.Answer)
	}
}
