package docker

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// processOnes lists the programs that must be the first process of their namespace. In a cell that
// is the agent.
var processOnes = []struct{ name, program string }{
	{"s6-overlay", "/init"},
	{"s6-overlay", "s6-overlay-suexec"},
	{"systemd", "systemd"},
	{"an init system", "/sbin/init"},
	{"OpenRC", "openrc-init"},
	{"runit", "runit-init"},
}

// writableFolders returns the mounts in memory of a service's writable folders, with their options.
// They belong to the service's user. If that is the image's, whose number only the image knows,
// everybody may write to them.
func writableFolders(s lab.Service) map[string]string {
	access := "mode=1777"
	if s.User != "" {
		uid, gid, hasGroup := strings.Cut(s.User, ":")
		if !hasGroup {
			gid = "0" // as the engine does for a user that is not in the image's /etc/passwd
		}
		access = fmt.Sprintf("mode=0755,uid=%s,gid=%s", uid, gid)
	}
	var folders map[string]string
	for _, folder := range s.Writable {
		if folders == nil {
			folders = make(map[string]string)
		}
		folders[folder.Path] = fmt.Sprintf("size=%d,%s", folder.SizeBytes, access)
	}
	return folders
}

// AdmitServer checks whether the lab can run an image of the user's own as a variant. The error
// names variant and image, and what to write in runtime.star. name is the image's for people.
func (r *Run) AdmitServer(ctx context.Context, v lab.Variant, image lab.Image, name string) error {
	if v.Own == nil {
		return nil
	}
	inspected, err := r.engine.client.ImageInspect(ctx, image.Ref)
	if err != nil {
		return fault.During(ctx, fault.Engine, fmt.Errorf("inspecting image %s: %w", name, err))
	}
	config := container.Config{}
	if c := inspected.Config; c != nil {
		config.User, config.Entrypoint, config.Cmd = c.User, c.Entrypoint, c.Cmd
	}
	return admitServer(v, name, config)
}

// admitServer does the work of AdmitServer for an image with this configuration.
func admitServer(v lab.Variant, ref string, config container.Config) error {
	refused := func(hint, reason string, args ...any) error {
		return &fault.Error{
			Code: fault.ExitUsage, Hint: hint,
			Err: fmt.Errorf("variant %s, image %s: %w", v.ID(), ref, fmt.Errorf(reason, args...)),
		}
	}
	command := config.Cmd
	if len(v.Command) > 0 {
		command = v.Command
	}
	command = slices.Concat(config.Entrypoint, command)
	if len(command) == 0 {
		return refused(`name what the server runs: variant(command = ["/server"])`,
			"it has neither ENTRYPOINT nor CMD, and the variant has no command")
	}
	for _, p := range processOnes {
		if command[0] == p.program || path.Base(command[0]) == p.program {
			return refused("use an image that starts the server itself, or make one: FROM "+ref+
				", then an ENTRYPOINT without the init system",
				"it starts %s (%s), which must be process 1; in a cell the lab's agent is", p.name, command[0])
		}
	}
	if v.Own.User == "" && isRoot(config.User) {
		user := "is empty, which means root"
		if config.User != "" {
			user = "is " + config.User
		}
		return refused(`name a user without privileges by its ids: variant(user = "65532:65532"); the folders `+
			`that the server writes to belong in writable`,
			"its USER %s, and the lab runs no server as root", user)
	}
	return nil
}

// isRoot reports whether an image's USER is root, by name or number, whatever its group.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "root" || strings.Trim(name, "0") == ""
}
