package script_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

// ownImage is the script of a runtime that uses an image as it is.
const ownImage = `runtime(about = "our shop", image = "registry.example/shop:2")
variant(
    name = "v2", about = "version 2", command = ["serve"], env = {"HOST": "db", "FLAG": "1"},
    user = "65532:65532", writable = ["/run", "/var/cache/shop"], port = 3000,
    ready = get("/health", expect = 204), headers = {"authorization": "Bearer x"},
)
variant(name = "plain", about = "as it is")
`

func TestARuntimeUsesAnImageAsItIs(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"runtimes/shop/runtime.star": ownImage,
		"runtimes/own/runtime.star": `variant(name = "a", about = "built", user = "7")
runtime(about = "our Dockerfile", dockerfile = "Production", args = {"BASE_IMAGE": "ours:1"})
`,
	}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	r, err := library.Runtime("shop")
	if err != nil {
		t.Fatal(err)
	}
	if r.Image != "registry.example/shop:2" || !r.IsOwnImage() {
		t.Errorf("image %q, own %v", r.Image, r.IsOwnImage())
	}
	v := r.Variants[0]
	want := lab.OwnServer{
		User: "65532:65532", Writable: []string{"/run", "/var/cache/shop"}, Port: 3000,
		Ready: &lab.Request{
			Method: "GET", Path: "/health", Expect: 204, At: lab.Place{Line: 5, Column: 13},
		},
		Headers: map[string]string{"Authorization": "Bearer x"},
	}
	if v.Own == nil || !reflect.DeepEqual(*v.Own, want) {
		t.Errorf("%+v, want %+v", v.Own, want)
	}
	if v.Env["HOST"] != "db" || v.Port() != 3000 {
		t.Errorf("environment %v, port %d", v.Env, v.Port())
	}
	if plain := r.Variants[1]; plain.Own == nil || plain.Command != nil || plain.Port() != lab.ServerPort {
		t.Errorf("%+v, own %+v", plain, plain.Own)
	}
	own, err := library.Runtime("own")
	if err != nil {
		t.Fatal(err)
	}
	if !own.IsOwnImage() || own.Image != "" || own.Dockerfile != "Production" ||
		own.Variants[0].Own.User != "7" {
		t.Errorf("%+v", own)
	}
	only := library.RuntimesOf(func(v lab.Variant) bool { return v.ID() == "shop/plain" })
	if len(only) != 1 || len(only[0].Variants) != 1 || only[0].Variants[0].Name != "plain" {
		t.Errorf("wanted one variant, got %+v", only)
	}
	if len(r.Variants) != 2 {
		t.Errorf("the library has lost a variant: %+v", r.Variants)
	}
	if got := library.OwnServers(); !slices.Equal(got, []string{"own/a", "shop/v2", "shop/plain"}) {
		t.Errorf("servers of one's own: %v", got)
	}
	node, err := library.Variant("node/single")
	if err != nil || node.Own != nil || node.Port() != lab.ServerPort {
		t.Errorf("an application of the lab: %+v, %v", node, err)
	}
}

func TestMistakesInImagesOfOnesOwnAreLocated(t *testing.T) {
	const own = "runtime(about = \"R\", image = \"r:1\")\n"
	const base = "runtime(about = \"R\", base = base(official = \"r:1\", suite = \"forky\", packages = " +
		"[\"rb\"]))\n"
	for name, c := range map[string]struct{ text, want string }{
		"image and base": {
			strings.Replace(base, "about", `image = "r", args = {"A": "1"}, about`,
				1) + `variant(name = "v", about = "a")`,
			`1:29: runtime: args is given beside image, which is used as it is; give one of them
1:61: runtime: base is given beside image, which is used as it is; give one of them`,
		},
		"arguments of an image with a base": {
			base + `variant(name = "v", about = "a", model = "m", command = ["c"], user = "1", port = 80)`,
			`2:71: variant: user is for images of one's own, and the runtime has a base
2:83: variant: port is for images of one's own, and the runtime has a base`,
		},
		"arguments that an image with a base needs": {
			base + `variant(name = "v", about = "a", modek = "m")`,
			`2:1: variant: missing argument "command"
2:34: variant: unknown argument "modek"; did you mean "model"?`,
		},
		"runtime() after variant()": {
			`variant(name = "v", about = "a", headers = {})` + "\n" + base,
			`1:1: variant: missing argument "model"
1:1: variant: missing argument "command"
1:44: variant: headers is for images of one's own, and the runtime has a base`,
		},
		"root": {
			own + `variant(name = "v", about = "a", user = "0:7")`,
			`2:41: variant: user is "0:7", want the ids of a user that is not root, and of a group: "65532:65532"`,
		},
		"a user's name": {
			own + `variant(name = "v", about = "a", user = "nginx")`,
			`2:41: variant: user is "nginx", want the ids of a user that is not root, and of a group: "65532:65532"`,
		},
		"writable folders": {
			own + `variant(name = "v", about = "a", writable = ["a", "/", "/proc/x", "/a/", "/c", "/c", "/b,c"])`,
			`2:46: variant: writable holds "a", which is not an absolute path such as "/var/cache"
2:51: variant: writable holds "/", which would hide the image
2:56: variant: writable holds "/proc/x", which is the kernel's
2:67: variant: writable holds "/a/", which is not an absolute path such as "/var/cache"
2:80: variant: writable holds "/c", which it has twice
2:86: variant: writable holds "/b,c", which is not an absolute path such as "/var/cache"`,
		},
		"ports": {
			own + `variant(name = "v", about = "a", port = 0)
variant(name = "w", about = "a", port = 8081)`,
			`2:41: variant: port is 0, want 1 to 65535
3:41: variant: port is 8081, where the lab's upstream listens`,
		},
		"ready": {
			own + `variant(name = "v", about = "a", ready = "/health")
variant(name = "w", about = "a", ready = get("health"))`,
			`2:42: variant: ready is a string, want get(…)
3:46: get: path "health" does not begin with /`,
		},
		"headers": {
			own + `variant(name = "v", about = "a", headers = {"Host": "shop"})`,
			`2:44: variant: headers has "Host", which the generator sets`,
		},
		"identity": {
			own + `variant(name = "v", about = "a", identity = {"workers": 1})`,
			`2:45: variant: identity is given, but the runtime has no base: the lab does not ask its server ` +
				`for an identity`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			library := load(t, checkout(t, map[string]string{"runtimes/r/runtime.star": c.text}))
			file := "runtimes/r/runtime.star:"
			if got, want := messages(library), file+strings.ReplaceAll(c.want, "\n", "\n"+file); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
