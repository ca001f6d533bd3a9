package docker

import (
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"runtimelab/lab"
)

func TestImagesOfOnesOwnAreAdmitted(t *testing.T) {
	for name, c := range map[string]struct {
		image   container.Config
		user    string
		command []string
		want    string // the refusal after variant and image; empty: none
	}{
		"a user of the image":   {image: container.Config{User: "nginx", Cmd: []string{"serve"}}},
		"a user of the variant": {image: container.Config{Cmd: []string{"serve"}}, user: "7:7"},
		"no user": {
			image: container.Config{Cmd: []string{"serve"}},
			want:  "its USER is empty, which means root, and the lab runs no server as root",
		},
		"root by number": {
			image: container.Config{User: "0:7", Entrypoint: []string{"/serve"}},
			want:  "its USER is 0:7, and the lab runs no server as root",
		},
		"root by name": {
			image: container.Config{User: "root", Cmd: []string{"serve"}},
			want:  "its USER is root, and the lab runs no server as root",
		},
		"nothing to run": {
			image: container.Config{User: "7"},
			want:  "it has neither ENTRYPOINT nor CMD, and the variant has no command",
		},
		"a command": {image: container.Config{User: "7"}, command: []string{"serve"}},
		"s6-overlay": {
			image: container.Config{User: "7", Entrypoint: []string{"/init"}, Cmd: []string{"serve"}},
			want:  "it starts s6-overlay (/init), which must be process 1; in a cell the lab's agent is",
		},
		"s6-overlay whose CMD is replaced": {
			image: container.Config{User: "7", Entrypoint: []string{"/init"}}, command: []string{"serve"},
			want: "it starts s6-overlay (/init), which must be process 1; in a cell the lab's agent is",
		},
		"systemd": {
			image: container.Config{User: "7", Cmd: []string{"/lib/systemd/systemd", "--system"}},
			want:  "it starts systemd (/lib/systemd/systemd), which must be process 1; in a cell the lab's agent is",
		},
		"systemd that is replaced": {
			image: container.Config{User: "7", Cmd: []string{"/lib/systemd/systemd"}}, command: []string{"serve"},
		},
		"a small init": {image: container.Config{User: "7", Entrypoint: []string{"tini", "--", "serve"}}},
	} {
		v := lab.Variant{
			Runtime: "shop", Name: "v2", Command: c.command, Own: &lab.OwnServer{User: c.user, Port: lab.ServerPort},
		}
		err := admitServer(v, "shop:2", c.image)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil ||
			!strings.HasPrefix(err.Error(), "variant shop/v2, image shop:2: "+c.want+"\n  ")):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestWritableFoldersBelongToTheUserAndAreLimited(t *testing.T) {
	if got := writableFolders(lab.Service{User: "101"}); got != nil {
		t.Errorf("a service without writable folders may write to %v", got)
	}
	for user, options := range map[string]string{
		"101:102": "size=268435456,mode=0755,uid=101,gid=102",
		"101":     "size=268435456,mode=0755,uid=101,gid=0",
		"":        "size=268435456,mode=1777",
	} {
		got := writableFolders(lab.Service{User: user, Writable: []lab.WritableFolder{
			{Path: "/run", SizeBytes: 256 << 20}, {Path: "/var/cache/x", SizeBytes: 256 << 20},
		}})
		if want := map[string]string{"/run": options, "/var/cache/x": options}; !reflect.DeepEqual(got, want) {
			t.Errorf("user %q: %v, want %v", user, got, want)
		}
	}
}
