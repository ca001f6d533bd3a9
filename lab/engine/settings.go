package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"

	"runtimelab/lab"
)

// effect is what a setting of an image does in the lab's containers.
type effect string

const (
	kept     effect = "kept"     // takes effect: it is part of what is measured
	replaced effect = "replaced" // the lab sets its own value when it creates a container
	inert    effect = "inert"    // no engine hands it on from an image to a container
)

// setting is one key of an image's configuration.
type setting struct {
	key    string
	effect effect
	about  string
	refuse func(value any) string // says why a value is refused, empty if it is not; nil: none is
}

// settings has a row for each key that an image's configuration can have: those
// of the OCI image specification, of Docker's extension of it, and of the
// container configuration that engines before 25 show in its place. An image
// with any other key is refused.
var settings = []setting{
	{"User", kept, "/identity reports the user id, and root fails", nil},
	{"Env", kept, "the lab adds PORT, HOST and UPSTREAM_URL, and the variant's own", nil},
	{"Entrypoint", kept, "the variant's command is its arguments", nil},
	{"Cmd", kept, "the variant's command takes its place", nil},
	{"WorkingDir", kept, "where the command runs", nil},
	{"ExposedPorts", kept, "a note for people: the lab publishes no port", nil},
	{"Labels", kept, "for people and tools", refuseLabels},

	{"Volumes", replaced, "each is mounted read-only, with what the image has there", refuseVolumes},
	{"Healthcheck", replaced, "none: it would run in the measured container", nil},
	{"StopSignal", replaced, "SIGKILL: the lab kills containers and does not stop them", nil},

	{"OnBuild", inert, "runs in a build that starts from the image, and is part of what that makes", nil},
	{"Shell", inert, "of builds and of the shell form, which is stored with it", nil},
	{"ArgsEscaped", inert, "for Windows; old builders set it everywhere", nil},
	{"Memory", inert, "the lab sets limits", nil},
	{"MemorySwap", inert, "the lab sets limits", nil},
	{"CpuShares", inert, "the lab sets limits", nil},
	{"Cpuset", inert, "the lab sets limits", nil},
	{"Hostname", inert, "of the container that made the image", nil},
	{"Domainname", inert, "of the container that made the image", nil},
	{"Image", inert, "what the image was made from", nil},
	{"AttachStdin", inert, "of the container that made the image", nil},
	{"AttachStdout", inert, "of the container that made the image", nil},
	{"AttachStderr", inert, "of the container that made the image", nil},
	{"Tty", inert, "of the container that made the image", nil},
	{"OpenStdin", inert, "of the container that made the image", nil},
	{"StdinOnce", inert, "of the container that made the image", nil},
	{"NetworkDisabled", inert, "the lab sets the network", nil},
	{"MacAddress", inert, "the lab sets the network", nil},
	{"StopTimeout", inert, "the lab kills containers and does not stop them", nil},
}

// replaceSettings sets what the table says is replaced, except for volumes: see
// Run.admit.
func replaceSettings(c *container.Config) {
	c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	c.StopSignal = "SIGKILL"
}

// checkSettings reads an image as the engine shows it and refuses it by the name
// of each setting that the lab does not know or cannot replace. It returns the
// image's volumes.
func checkSettings(ref string, inspected []byte) (volumes []string, err error) {
	var image struct {
		Config map[string]any
	}
	if err := json.Unmarshal(inspected, &image); err != nil {
		return nil, fmt.Errorf("reading the configuration of image %s: %w", ref, err)
	}
	var refused []string
	for _, key := range slices.Sorted(maps.Keys(image.Config)) {
		value := image.Config[key]
		if isZero(value) {
			continue
		}
		if why := refusal(key, value); why != "" {
			refused = append(refused, why)
		}
	}
	if len(refused) > 0 {
		return nil, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("image %s: %s", ref, strings.Join(refused, "; ")),
			Hint: "remove it from the Dockerfile, or use a base image without it",
		}
	}
	return names(image.Config["Volumes"]), nil
}

func refusal(key string, value any) string {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	switch {
	case i < 0:
		return fmt.Sprintf("it sets %s (%v), a setting that this lab does not know and that could change "+
			"what is measured", key, value)
	case settings[i].refuse != nil:
		return settings[i].refuse(value)
	}
	return ""
}

// isZero reports whether a JSON value sets nothing.
func isZero(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// names returns the keys of a JSON object, sorted.
func names(object any) []string {
	m, _ := object.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// refuseLabels refuses the labels by which the lab knows the containers of a
// run: a container that a build starts has the labels of its image.
func refuseLabels(value any) string {
	for _, name := range names(value) {
		if slices.Contains([]string{labelRun, labelRole, labelHolder}, name) {
			return fmt.Sprintf("it has the label %s, which marks containers of a run", name)
		}
	}
	return ""
}

// refuseVolumes refuses a volume in another one: where its folder is not in the
// image, it cannot be made in the read-only one around it.
func refuseVolumes(value any) string {
	volumes := names(value)
	for _, outer := range volumes {
		around := path.Join("/", outer)
		if around == "/" {
			return "VOLUME / covers the whole file system"
		}
		for _, inner := range volumes {
			if strings.HasPrefix(path.Join("/", inner), around+"/") {
				return fmt.Sprintf("VOLUME %s is inside VOLUME %s, and the lab mounts volumes read-only", inner, outer)
			}
		}
	}
	return ""
}
